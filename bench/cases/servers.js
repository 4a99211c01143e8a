import { startBackend } from '../backend.js';
import { takeTurn, turnText } from '../contest.js';
import { loadByWrk } from '../load/wrk.js';
import { figure, ratioTarget } from '../report.js';
import { startCompetitor } from '../rivals/rivals.js';
import { median, ratios } from '../statistics.js';

const SIZES = [1, 2, 50, 1000];
const SECONDS = 1;

/** @type {import('./cases.js').Case} */
export const servers = {
  name: 'servers',
  async run(bench) {
    const { cores, options } = bench;
    const backend = await startBackend(cores.backend, Math.max(...SIZES));
    const [ours] = bench.competitors.filter(({ kind }) => kind === 'ours');
    const competitors = [ours, ...bench.competitors.filter(({ kind }) => kind === 'rival')].filter(Boolean);
    const load = { core: cores.load, connections: 64, perConnection: true, seconds: SECONDS };
    /** @type {(import('../rivals/rivals.js').Started & { size: number, cpuUs: number[] })[]} */
    const places = [];
    for (const competitor of competitors) {
      for (const size of SIZES) {
        const started = await startCompetitor(competitor, {
          servers: backend.hosts.slice(0, size).map((host) => `${host}:${backend.port}`),
          connections: 500,
          clients: 2048,
          core: cores.balancer,
          directPort: backend.port,
        });
        await loadByWrk(started.port, load);
        places.push({ ...started, size, cpuUs: [] });
      }
    }
    for (let round = 0; round < options.rounds; round++) {
      for (const place of places.keys()) {
        const { competitor, program, port, size, cpuUs } = places[(place + round) % places.length];
        const turn = await takeTurn(program?.pid, () => loadByWrk(port, load));
        cpuUs.push(turn.cpuUs);
        bench.say(
          `  ${round + 1}  ${competitor.label.padEnd(24)} ${String(size).padStart(4)} servers  ${turnText(turn)}`,
        );
      }
    }
    await Promise.all(places.map(({ program }) => program?.end()));
    await backend.end();
    const at = (/** @type {import('../rivals/rivals.js').Competitor} */ competitor, /** @type {number} */ size) =>
      places.find((place) => place.competitor === competitor && place.size === size)?.cpuUs ?? [];
    return {
      name: this.name,
      title: 'Many servers',
      question:
        'Does a new connection cost more when there are more servers to choose from? CPU per connection, in turn, 64 at a time.',
      notes: [],
      tables: [
        {
          columns: [
            'CPU per connection, us',
            ...SIZES.map((size) => (size === 1 ? '1 server' : `${figure(size)} servers`)),
          ],
          rows: competitors.map((competitor) => [
            competitor.kind === 'ours' ? `**${competitor.label}**` : competitor.label,
            ...SIZES.map((size) => figure(median(at(competitor, size)))),
          ]),
        },
      ],
      charts: [
        {
          kind: 'lines',
          title: 'Many servers',
          unit: 'CPU time per connection, microseconds',
          xTitle: 'servers',
          lines: competitors.map((competitor) => ({
            label: competitor.label,
            isOurs: competitor.kind === 'ours',
            points: SIZES.map((size) => [size, median(at(competitor, size))]),
          })),
        },
      ],
      targets: ours
        ? [
            ratioTarget(
              `Many servers: CPU per connection of ${ours.label}, 1,000 servers against 2`,
              ratios(at(ours, 1000), at(ours, 2)),
              '<=',
              1.1,
            ),
          ]
        : [],
      samples: places.map(({ competitor, size, cpuUs }) => ({ id: competitor.id, size, cpuUs })),
    };
  },
};
