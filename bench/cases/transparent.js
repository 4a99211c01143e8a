import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { takeTurn, turnText } from '../contest.js';
import { loadByWrk } from '../load/wrk.js';
import { ROOT } from '../machine.js';
import { buildNetwork, inside, listensInside } from '../network.js';
import { Program, scratch } from '../program.js';
import { figure, ratioTarget, ratioText } from '../report.js';
import { median, ratios } from '../statistics.js';

const LIMIT = 1.1;
const PEN = join(ROOT, 'bin/pen');
const LOADS = /** @type {const} */ ([
  { title: 'keep-alive', perConnection: false },
  { title: 'connection per request', perConnection: true },
]);
/** The first goes without, which the others are compared to. */
const MODES = [
  { title: 'off', options: [] },
  { title: 'transparent', options: ['-O', 'transparent'] },
  { title: 'transparent port', options: ['-O', 'transparent port'] },
];

/** @type {import('./cases.js').Case} */
export const transparent = {
  name: 'transparent',
  async run(bench) {
    const { cores, options } = bench;
    const network = buildNetwork();
    try {
      const server = await startServer(network, cores.backend);
      inside(network.balancer, process.execPath, PEN, 'transparent-setup', '--apply');
      const places = [];
      for (const engine of bench.competitors.filter(({ kind }) => kind === 'ours').map(({ id }) => id)) {
        if (engine === 'node') continue;
        for (const mode of MODES)
          places.push(await startPen(network, cores.balancer, engine, mode, 8000 + places.length));
      }
      const load = { core: cores.load, connections: 64, host: '10.71.0.1', namespace: network.client };
      for (const { port } of places) await loadByWrk(port, { ...load, seconds: 2 });
      for (let round = 0; round < options.rounds; round++) {
        for (const at of places.keys()) {
          const place = places[(at + round) % places.length];
          for (const [i, { title, perConnection }] of LOADS.entries()) {
            const turn = await takeTurn(place.program.pid, () =>
              loadByWrk(place.port, { ...load, perConnection, seconds: options.seconds }),
            );
            if (turn.errors > 0) throw new Error(`${place.label}, ${title}: ${turn.errors} requests failed`);
            place.cpuUs[i].push(turn.cpuUs);
            bench.say(`  ${round + 1}  ${place.label.padEnd(24)} ${title.padEnd(23)} ${turnText(turn)}`);
          }
        }
      }
      await Promise.all([...places, { program: server }].map(({ program }) => program.end()));
      return section(places);
    } finally {
      network.remove();
    }
  },
};

/** @typedef {Awaited<ReturnType<typeof startPen>>} Place */

/**
 * @param {import('../network.js').Network} network
 * @param {number} core
 */
async function startServer({ server }, core) {
  const config = join(scratch, 'transparent-server.conf');
  writeFileSync(
    config,
    `daemon off; user root; pid ${scratch}/transparent-server.pid; worker_processes 1;
events { worker_connections 4096; }
http {
  access_log off; keepalive_timeout 3600s; keepalive_requests 1000000000;
  server { listen 80 backlog=4096; location / { return 200 "hello, world\\n"; } }
}
`,
  );
  const program = new Program('nginx', ['-p', scratch, '-e', 'stderr', '-c', config], { core, namespace: server });
  await listensInside(server, 80);
  return program;
}

/**
 * @param {import('../network.js').Network} network
 * @param {number} core
 * @param {string} engine
 * @param {{ title: string, options: string[] }} mode
 * @param {number} port
 */
async function startPen({ balancer }, core, engine, { title, options }, port) {
  const args = [PEN, '-f', '-O', engine, '-O', 'threads 1', '-r', '-x', '500', ...options];
  const program = new Program(process.execPath, [...args, `10.71.0.1:${port}`, '10.72.0.21:80'], {
    core,
    namespace: balancer,
  });
  await listensInside(balancer, port);
  return {
    program,
    port,
    engine,
    mode: title,
    label: `${engine}, ${title}`,
    cpuUs: LOADS.map(() => /** @type {number[]} */ ([])),
  };
}

/**
 * @param {Place[]} places
 * @returns {import('../report.js').Section}
 */
function section(places) {
  const plain = (/** @type {Place} */ { engine }) =>
    /** @type {Place} */ (places.find((place) => place.engine === engine && place.mode === MODES[0].title));
  const ratio = (/** @type {Place} */ place, /** @type {number} */ i) => ratios(place.cpuUs[i], plain(place).cpuUs[i]);
  const shown = places.filter((place) => place !== plain(place));
  return {
    name: 'transparent',
    title: 'Transparent',
    question:
      'What does it cost that servers see the address of the client? CPU per request over veth, 64 at a time; times the same pen without it, in parentheses the least and the greatest of a round.',
    notes: [],
    tables: [
      {
        columns: ['CPU per request, us', ...LOADS.flatMap(({ title }) => [title, 'times off'])],
        rows: places.map((place) => [
          `**${place.label}**`,
          ...LOADS.flatMap((_, i) => [
            figure(median(place.cpuUs[i])),
            place === plain(place) ? '–' : ratioText(ratio(place, i)),
          ]),
        ]),
      },
    ],
    charts: [],
    targets: shown.flatMap((place) =>
      LOADS.map(({ title }, i) =>
        ratioTarget(
          `Transparent: CPU per request of ${place.label} against off, ${title}`,
          ratio(place, i),
          '<=',
          LIMIT,
        ),
      ),
    ),
    samples: places.map(({ label, cpuUs }) => ({ id: label, cpuUs })),
  };
}
