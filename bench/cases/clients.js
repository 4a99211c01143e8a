import { fileURLToPath } from 'node:url';
import { cpuBetween, readCpu, readMemory } from '../measure.js';
import { Program } from '../program.js';
import { figure, ratioTarget } from '../report.js';
import { startCompetitor } from '../rivals/rivals.js';
import { median, ratios } from '../statistics.js';

const SIZES = [2_000, 16_000, 64_000, 1_000_000];
/** What filling a table may take; who is slower is measured as far as it got, and shown there. */
const FILL_MS = 120_000;
/** Rivals that look at each client for each connection need hours for the largest sizes. */
const RIVAL_FILL_MS = 20_000;
const SECONDS = 1;

const VISITORS = fileURLToPath(new URL('../load/visitors.js', import.meta.url));

/**
 * A balancer with a filled table.
 * @typedef {object} Place
 * @property {import('../rivals/rivals.js').Competitor} competitor
 * @property {Program} program
 * @property {number} port
 * @property {number} size clients that it knows
 * @property {number} wanted clients that it was to know
 * @property {number} bytes memory per client
 * @property {number[]} cpuUs by round
 */

/** @type {import('./cases.js').Case} */
export const clients = {
  name: 'clients',
  async run(bench) {
    const { cores, backend, options } = bench;
    const [ours] = bench.competitors.filter(({ kind }) => kind === 'ours');
    const cPen = bench.competitors.find(({ id }) => id === 'pen');
    const visitors = new Program(process.execPath, [VISITORS], { core: cores.load, ipc: true });
    /** @type {Place[]} */
    const places = [];
    for (const competitor of [ours, cPen]) {
      if (!competitor) continue;
      for (const size of SIZES) {
        const { program, port } = await startCompetitor(competitor, {
          servers: [`127.0.0.1:${backend.closingPort}`],
          connections: 500,
          clients: size,
          tracks: true,
          core: cores.balancer,
          directPort: backend.closingPort,
        });
        if (!program) continue;
        const before = readMemory(program.pid).now;
        const budgetMs = competitor === ours ? FILL_MS : RIVAL_FILL_MS;
        const fill = await visitors.ask({ port, first: 0, count: size, budgetMs });
        const bytes = (readMemory(program.pid).now - before) / fill.connections;
        const reached = fill.connections + fill.errors;
        bench.say(
          `     ${competitor.label.padEnd(24)} ${reached} clients known after ${(fill.ms / 1000).toFixed(1)} s${fill.errors ? `, ${fill.errors} errors` : ''}`,
        );
        places.push({
          competitor,
          program,
          port,
          size: reached,
          wanted: size,
          bytes,
          cpuUs: [],
        });
        if (reached < size) break;
      }
    }
    for (let round = 0; round < options.rounds; round++) {
      for (const place of places.keys()) {
        const { competitor, program, port, size, cpuUs } = places[(place + round) % places.length];
        const before = readCpu(program.pid);
        const { connections, errors } = await visitors.ask({ port, among: size, seconds: SECONDS });
        cpuUs.push(cpuBetween(before, readCpu(program.pid)) / 1000 / connections);
        bench.say(
          `  ${round + 1}  ${competitor.label.padEnd(24)} ${String(size).padStart(7)} clients  ${connections} connections, ${figure(cpuUs[round])} us each${errors ? `, ${errors} errors` : ''}`,
        );
      }
    }
    await Promise.all([visitors.end(), ...places.map(({ program }) => program.end())]);
    const of = (/** @type {import('../rivals/rivals.js').Competitor | undefined} */ competitor) =>
      places.filter((place) => place.competitor === competitor);
    const slow = of(cPen).find(({ size, wanted }) => size < wanted);
    const stopped = cPen && of(cPen).length < SIZES.length;
    const first = of(ours).at(0);
    const last = of(ours).at(-1);
    return {
      name: this.name,
      title: 'Many known clients',
      question:
        'Does a new connection cost more when more clients are remembered? Clients at random of those known, each with its own address.',
      notes: [
        'The tables are filled by real connections from addresses of 127.0.0.0/8, each served to its end; a connection carries no data.',
        ...(slow || stopped
          ? [
              `C Pen got as far as ${figure(slow?.size ?? 0)} clients in ${RIVAL_FILL_MS / 1000} s, and was measured there: it looks at every client for every connection.`,
            ]
          : []),
      ],
      tables: [
        {
          columns: ['', 'known clients', 'CPU per connection, us', 'memory per client, bytes'],
          rows: places.map(({ competitor, size, bytes, cpuUs }) => [
            competitor === ours ? `**${competitor.label}**` : competitor.label,
            size.toLocaleString('en-US'),
            figure(median(cpuUs)),
            // Below that the process's own coming and going outweighs the table.
            size >= 16_000 ? figure(bytes) : '–',
          ]),
        },
      ],
      charts: [
        {
          kind: 'lines',
          title: 'Many known clients',
          unit: 'CPU time per connection, microseconds',
          xTitle: 'clients',
          lines: [ours, cPen].flatMap((competitor) =>
            competitor
              ? [
                  {
                    label: competitor.label,
                    isOurs: competitor === ours,
                    points: of(competitor).map(({ size, cpuUs }) => [size, median(cpuUs)]),
                  },
                ]
              : [],
          ),
        },
      ],
      targets:
        ours && first && last && first !== last
          ? [
              ratioTarget(
                `Many known clients: CPU per connection of ${ours.label}, ${figure(last.size)} clients against ${figure(first.size)}`,
                ratios(last.cpuUs, first.cpuUs),
                '<=',
                1.1,
              ),
            ]
          : [],
      samples: places.map(({ competitor, size, bytes, cpuUs }) => ({ id: competitor.id, size, bytes, cpuUs })),
    };
  },
};
