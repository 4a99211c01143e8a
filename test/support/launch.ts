/** `node launch.js [PROGRAM] ARGS`: stands in for bin/ when the build lies in another folder than dist. */
const [first = '', ...rest] = process.argv.slice(2);
// pen in the background starts itself, with its own arguments only.
const programs = ['pen', 'penctl', 'penlog', 'penlogd', 'mergelogs'];
const [program, args] = programs.includes(first) ? [first, rest] : ['pen', process.argv.slice(2)];

// As bin/pen does; why is said there.
if (program === 'pen') for (const signal of ['SIGUSR1', 'SIGHUP']) process.on(signal, () => {});

const { main } = await import(`../../src/cli/${program}.js`);
await main(args);
