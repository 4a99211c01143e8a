/** Times `core` in a loop and prints JSON: nanoseconds by algorithm and servers, and by kind of visit and known clients. */
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../machine.js';
import { median } from '../statistics.js';

const SERVERS = [1, 2, 10, 100, 1_000];
const CLIENTS = [2_000, 16_000, 128_000, 1_000_000];
const RUNS = 9;
const BATCH = 1_000;

/** @param {string} file */
const core = (file) => import(pathToFileURL(`${ROOT}/dist/src/core/${file}`).href);
/** @type {typeof import('../../src/core/balancer.js')} */
const { Balancer } = await core('balancer.js');
/** @type {typeof import('../../src/core/client-table.js')} */
const { ClientTable } = await core('client-table.js');
/** @type {typeof import('../../src/core/configuration.js')} */
const { defaultSettings, emptyConfiguration, emptySlot, NONE } = await core('configuration.js');
/** @type {typeof import('../../src/core/server-state.js')} */
const { ServerState } = await core('server-state.js');
/** @type {typeof import('../../src/core/server-table.js')} */
const { ServerTable } = await core('server-table.js');

const ALGORITHMS = /** @type {Record<string, Partial<typeof defaultSettings>>} */ ({
  'round robin': { roundRobin: true },
  weight: { roundRobin: true, weight: true },
  priority: { roundRobin: true, prio: true },
  hash: { roundRobin: true, hash: true },
});

const words = new Int32Array(4);
words[2] = 0xffff;

/** @type {Record<string, Record<string, number>>} */
const choose = {};
for (const [name, settings] of Object.entries(ALGORITHMS)) {
  choose[name] = {};
  for (const servers of SERVERS) choose[name][servers] = timeChoosing(settings, servers);
}

/** @type {Record<string, Record<string, number>>} */
const visit = { 'a known client': {}, 'a new one, in the place of the oldest': {} };
for (const clients of CLIENTS) {
  const table = new ClientTable(ClientTable.allocate(1));
  table.grow(clients);
  const come = (/** @type {number} */ number) => {
    words[3] = number;
    table.visit(words, 1, 0);
  };
  for (let i = 0; i < clients; i++) come(i);
  // A step that is prime to every size goes through all of them, far apart.
  let at = 0;
  visit['a known client'][clients] = time(() => {
    at = (at + 611_953) % clients;
    come(at);
  });
  let next = clients;
  visit['a new one, in the place of the oldest'][clients] = time(() => come(next++));
}

console.log(JSON.stringify({ choose, visit }));

/**
 * @param {Partial<typeof defaultSettings>} settings
 * @param {number} count
 */
function timeChoosing(settings, count) {
  const table = new ServerTable(new ServerState(ServerState.allocate()));
  const balancer = new Balancer(table, new ClientTable(ClientTable.allocate(1)));
  const servers = Array.from({ length: count }, (_, n) => ({
    ...emptySlot,
    weight: 1 + (n % 3),
    prio: 1 + (n % 3),
    endpoint: {
      kind: /** @type {const} */ ('ip'),
      family: /** @type {const} */ (4),
      address: /** @type {import('../../src/core/address.js').IpWords} */ ([0, 0, 0xffff, 0x0a01_0000 + n]),
      port: 80,
    },
  }));
  balancer.configure({ ...emptyConfiguration, servers, settings: { ...defaultSettings, ...settings } });
  let client = 0;
  return time(() => {
    words[3] = client++ & 0xffff;
    const slot = balancer.choose(NONE, words, 1024, false, 1);
    table.settled(slot);
    table.leave(slot);
  });
}

/**
 * Nanoseconds a call: the median of some runs after one to warm up.
 * @param {() => void} call
 */
function time(call) {
  /** @param {number} ms */
  const run = (ms) => {
    const start = performance.now();
    let calls = 0;
    for (; performance.now() - start < ms; calls += BATCH) for (let i = 0; i < BATCH; i++) call();
    return ((performance.now() - start) * 1e6) / calls;
  };
  run(100);
  return median(Array.from({ length: RUNS }, () => run(20)));
}
