/** `npm run bench`: see USAGE in options.js, and README.md for what is measured and how. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { startBackend } from './backend.js';
import { CASES } from './cases/cases.js';
import { loadByWrk } from './load/wrk.js';
import { assignCores, describeMachine } from './machine.js';
import { DEFAULT_ROUNDS, parseOptions, USAGE } from './options.js';
import { endAll } from './program.js';
import { writeResults } from './results.js';
import { packageVersion } from './rivals/package-version.js';
import { balancesTcp, balancesUdp, findCompetitors, startCompetitor } from './rivals/rivals.js';
import { tableText } from './table.js';

for (const [signal, status] of /** @type {const} */ ([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])) {
  process.on(signal, () => {
    console.error('ending what was started');
    endAll(true).finally(() => process.exit(status));
  });
}

try {
  await main();
} catch (error) {
  console.error(`bench: ${/** @type {Error} */ (error).message}`);
  process.exitCode = 1;
}
await endAll();

async function main() {
  const options = parseOptions(
    process.argv.slice(2),
    CASES.map(({ name }) => name),
  );
  if (options === 'help') return console.log(`${USAGE}\ncases: ${CASES.map(({ name }) => name).join(' ')}`);
  if (options.render !== undefined) return writeResults(JSON.parse(readFileSync(options.render, 'utf8')), options.out);
  for (const name of ['nginx', 'wrk']) {
    if (packageVersion(name) === '') throw new Error(`${name} is not installed (run bench/install)`);
  }
  const cores = assignCores();
  const competitors = await findCompetitors(options.rivals, options.against);
  const facts = {
    ...describeMachine(cores),
    ...Object.fromEntries(competitors.filter(({ command }) => command).map(({ label, version }) => [label, version])),
    'load, backend': `wrk ${packageVersion('wrk')}, nginx ${packageVersion('nginx')}`,
    rounds: `${options.rounds}, ${options.seconds} s a turn`,
  };
  for (const [name, value] of Object.entries(facts)) console.log(`${name}: ${value}`);
  // This process works only between measurements, but then on the load generator's core.
  spawnSync('taskset', ['-a', '-c', '-p', String(cores.load), String(process.pid)]);

  const start = Date.now();
  const backend = await startBackend(cores.backend);
  const bench = {
    options,
    cores,
    competitors: await thatWork(competitors.filter(balancesTcp), cores, backend),
    // Whoever does not work shows it in the case.
    udpCompetitors: competitors.filter(balancesUdp),
    backend,
    say: console.log,
  };
  /** @type {import('./report.js').Section[]} */
  const sections = [];
  for (const entry of CASES.filter(({ name }) => options.cases.length === 0 || options.cases.includes(name))) {
    console.log(`\n${entry.name}`);
    let section;
    try {
      section = await entry.run(bench);
    } catch (error) {
      // The other cases' figures are as good without this one's.
      console.error(`${entry.name} failed: ${/** @type {Error} */ (error).message}`);
      process.exitCode = 1;
      await endAll();
      bench.backend = await startBackend(cores.backend);
      continue;
    }
    sections.push(section);
    for (const table of section.tables) console.log(`\n${tableText(table)}`);
    for (const note of section.notes) console.log(note);
    for (const { claim, measured, met } of section.targets)
      console.log(`${met ? 'met   ' : 'MISSED'}  ${claim}: ${measured}`);
  }
  console.log(`\n${Math.round((Date.now() - start) / 1000)} s`);
  const isFull = options.cases.length === 0 && options.rivals.length === 0 && options.rounds >= DEFAULT_ROUNDS;
  if (options.write ?? (isFull || options.out !== undefined)) {
    writeResults({ date: new Date().toISOString().slice(0, 10), facts, sections }, options.out);
  }
}

/**
 * Leaves out, and says so, who does not get through a second of load.
 * @param {import('./rivals/rivals.js').Competitor[]} competitors
 * @param {import('./machine.js').Cores} cores
 * @param {import('./backend.js').Backend} backend
 */
async function thatWork(competitors, cores, backend) {
  const good = [];
  for (const competitor of competitors) {
    const setup = { servers: [`127.0.0.1:${backend.port}`], connections: 500, clients: 2048 };
    try {
      const { program, port } = await startCompetitor(competitor, {
        ...setup,
        core: cores.balancer,
        directPort: backend.port,
      });
      const { requests, errors } = await loadByWrk(port, { core: cores.load, connections: 4, seconds: 1 });
      await program?.end();
      if (requests === 0 || errors > 0) throw new Error(`${errors} of ${requests + errors} requests failed`);
      good.push(competitor);
    } catch (error) {
      console.error(`without ${competitor.label}: ${/** @type {Error} */ (error).message}`);
    }
  }
  return good;
}
