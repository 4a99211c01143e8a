/**
 * `npm run bench:metrics`: how long a reading of /metrics takes with a thousand servers, and what readings do to the traffic:
 * latency and requests/s with nobody reading, with a reading every few seconds, and with the same text read as often from
 * a server that is not Pen, in turns. Whoever reads megabytes shares a core with the load, so only the last comparison
 * tells what is Pen's part.
 */
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBackend } from './backend.js';
import { loadByWrk } from './load/wrk.js';
import { assignCores, describeMachine, ROOT } from './machine.js';
import { endAll, freePort, Program } from './program.js';
import { median } from './statistics.js';
import { tableText } from './table.js';

const SERVERS = 1000;
const ROUNDS = 5;
const SECONDS = 6;
/** Prometheus' usual interval is 15 s. */
const EVERY_SEC = [5, 1];
const CONNECTIONS = 32;

try {
  await main();
} finally {
  await endAll();
}

async function main() {
  const cores = assignCores();
  for (const [name, value] of Object.entries(describeMachine(cores))) console.log(`${name}: ${value}`);
  const backend = await startBackend(cores.backend, SERVERS);
  const [port, admin] = [await freePort(), await freePort()];
  const servers = backend.hosts.map((host) => `${host}:${backend.port}`);
  const options = ['-f', '-r', '-x', '4000', '-O', 'threads 1', '-O', `admin ${admin}`];
  const pen = new Program(process.execPath, [`${ROOT}/bin/pen`, ...options, `127.0.0.1:${port}`, ...servers], {
    core: cores.balancer,
  });
  await pen.listens(port);
  const url = `http://127.0.0.1:${admin}/metrics`;
  const load = () => loadByWrk(port, { core: cores.load, connections: CONNECTIONS, seconds: SECONDS });

  // Every counter has something in it, and everybody has warmed up.
  await load();
  /** @type {number[]} */
  const idle = [];
  for (let n = 0; n < 20; n++) idle.push(await read(url));

  const text = await (await fetch(url)).text();
  const other = createServer((_, response) => response.end(text)).listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port: otherPort } = /** @type {import('node:net').AddressInfo} */ (other.address());

  const cases = [
    { name: 'never', every: 0, from: admin },
    ...EVERY_SEC.flatMap((every) => [
      { name: `every ${every} s`, every, from: admin },
      { name: `every ${every} s, from another server`, every, from: otherPort },
    ]),
  ].map((one) => ({ ...one, p99Us: /** @type {number[]} */ ([]), perSecond: /** @type {number[]} */ ([]), reads: [] }));
  for (let round = 0; round < ROUNDS; round++) {
    for (const result of cases) {
      const end = new AbortController();
      const reader = result.every === 0 ? undefined : readAgain(result.from, result.every, end.signal, result.reads);
      const { p99Us, perSecond, errors } = await load();
      end.abort();
      await reader;
      if (errors > 0) throw new Error(`${errors} requests failed`);
      result.p99Us.push(p99Us);
      result.perSecond.push(perSecond);
    }
  }

  other.close();
  const rows = cases.map(({ name, p99Us, perSecond, reads }) => [
    name,
    `${Math.round(median(perSecond))}`,
    `${(median(p99Us) / 1000).toFixed(2)}`,
    reads.length === 0 ? '' : median(reads).toFixed(0),
  ]);
  console.log(`\n${SERVERS} servers, nobody asking for anything else: ${median(idle).toFixed(0)} ms a reading`);
  console.log(`\n${tableText({ columns: ['/metrics is read', 'requests/s', 'p99 ms', 'ms a reading'], rows })}`);
}

/**
 * @param {number} port
 * @param {number} every seconds
 * @param {AbortSignal} signal
 * @param {number[]} reads
 */
async function readAgain(port, every, signal, reads) {
  while (!signal.aborted) {
    reads.push(await readLightly(port));
    await sleep(every * 1000, undefined, { signal }).catch(() => {});
  }
}

/**
 * @param {string} url
 * @returns {Promise<number>} ms
 */
async function read(url) {
  const start = performance.now();
  const response = await fetch(url);
  const text = await response.text();
  const isWhole = response.ok && text.includes('pen_server_up{server="999"');
  if (!isWhole) throw new Error(`no metrics: ${text.slice(0, 200)}`);
  return performance.now() - start;
}

/**
 * The same without a look at what comes, which costs the load's core least.
 * @param {number} port
 * @returns {Promise<number>} ms
 */
function readLightly(port) {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () =>
      socket.write('GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
    );
    socket.on('error', reject).resume();
    socket.once('end', () => resolve(performance.now() - start));
  });
}
