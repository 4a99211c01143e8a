/** `node launch.js [pen|penctl] ARGS`: stands in for bin/ when the build lies in another folder than dist. */
const [first = '', ...rest] = process.argv.slice(2);
// pen in the background starts itself, with its own arguments only.
const [program, args] = first === 'pen' || first === 'penctl' ? [first, rest] : ['pen', process.argv.slice(2)];

// As bin/pen does; why is said there.
if (program === 'pen') for (const signal of ['SIGUSR1', 'SIGHUP']) process.on(signal, () => {});

const { main } = program === 'penctl' ? await import('../../src/cli/penctl.js') : await import('../../src/cli/pen.js');
await main(args);
