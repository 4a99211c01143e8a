import { setTimeout as sleep } from 'node:timers/promises';
import { loadByWrk } from '../load/wrk.js';
import { readMemory } from '../measure.js';
import { figure } from '../report.js';
import { startCompetitor } from '../rivals/rivals.js';

const REQUESTS = 1_000_000;
const CONNECTIONS = 50_000;
const MAX_SECONDS = 30;
const WARM_UP_SECONDS = 2;
/** Each collection then tells how many bytes had been allocated since the last; with 1 MB to fill it comes often. */
const NODE_FLAGS = ['--trace-gc-nvp', '--max-semi-space-size=1'];

/** @type {import('./cases.js').Case} */
export const allocation = {
  name: 'allocation',
  async run(bench) {
    const { cores, backend } = bench;
    const rows = [];
    for (const competitor of bench.competitors.filter(({ kind }) => kind === 'ours')) {
      const { program, port } = await startCompetitor(competitor, {
        servers: [`127.0.0.1:${backend.port}`],
        connections: 500,
        clients: 2048,
        nodeFlags: NODE_FLAGS,
        core: cores.balancer,
        directPort: backend.port,
      });
      if (!program) continue;
      /** Bytes allocated, over about `wanted` requests after a warm-up. */
      const measure = async (/** @type {number} */ wanted, /** @type {boolean} */ perConnection) => {
        const load = { core: cores.load, connections: 64, perConnection };
        const { perSecond } = await loadByWrk(port, { ...load, seconds: WARM_UP_SECONDS });
        await sleep(200);
        const before = { bytes: allocated(program.output), memory: readMemory(program.pid).now };
        const seconds = Math.min(MAX_SECONDS, Math.ceil(wanted / perSecond));
        const { requests } = await loadByWrk(port, { ...load, seconds });
        await sleep(200);
        const bytes = (allocated(program.output) - before.bytes) / requests;
        return { requests, bytes, growth: readMemory(program.pid).now - before.memory };
      };
      const kept = await measure(REQUESTS, false);
      const closed = await measure(CONNECTIONS, true);
      await program.end();
      rows.push({ competitor, kept, closed });
      bench.say(
        `     ${competitor.label.padEnd(24)} ${figure(kept.bytes)} B a request, ${figure(closed.bytes)} B a connection`,
      );
    }
    return {
      name: this.name,
      title: 'Garbage',
      question: 'How much does V8 have to allocate, and so to collect, per relayed request and per connection?',
      notes: [
        `Node runs with \`${NODE_FLAGS.join(' ')}\`; the sum is what its collections report, so up to a megabyte at the end is not in it: about a byte a request.`,
      ],
      tables: [
        {
          columns: ['', 'requests', 'bytes per request', 'growth of memory', 'connections', 'bytes per connection'],
          rows: rows.map(({ competitor, kept, closed }) => [
            `**${competitor.label}**`,
            kept.requests.toLocaleString('en-US'),
            figure(kept.bytes),
            `${figure(kept.growth / 1024)} kB`,
            closed.requests.toLocaleString('en-US'),
            figure(closed.bytes),
          ]),
        },
      ],
      charts: [],
      targets: rows.slice(0, 1).map(({ competitor, kept }) => ({
        claim: `Garbage: ${competitor.label} allocates about nothing per relayed request (<= 4 bytes)`,
        measured: `${figure(kept.bytes)} bytes`,
        met: kept.bytes <= 4,
      })),
      samples: rows.map(({ competitor, kept, closed }) => ({ id: competitor.id, kept, closed })),
    };
  },
};

/**
 * Bytes that the collections so far have reported as allocated before them, on all threads.
 * @param {string} output
 */
function allocated(output) {
  let sum = 0;
  // Printed unsigned, though it is a difference that can be below zero.
  for (const [, bytes] of output.matchAll(/ allocated=(\d+)/g)) sum += Number(BigInt.asIntN(64, BigInt(bytes)));
  return sum;
}
