/**
 * `npm run bench:metrics`: how long a reading of /metrics takes with a thousand servers, and what readings do to the traffic:
 * latency and requests/s with nobody reading, with a reading every few seconds, and with the same text read as often from
 * another program on the balancer's core, in turns. Whoever reads megabytes shares a core with the load, and whoever
 * sends them has the kernel's part of it, so the last comparison tells what is Pen's own part.
 *
 * Latency has everything in it that happens on the machine meanwhile. How long the thread that carries the traffic was ready
 * to run and did not (proc(5), /proc/PID/schedstat) is the narrower figure: it has only what ran on the balancer's core.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startBackend } from './backend.js';
import { loadByWrk } from './load/wrk.js';
import { assignCores, describeMachine, ROOT } from './machine.js';
import { endAll, freePort, Program, scratch } from './program.js';
import { median, ratios } from './statistics.js';
import { tableText } from './table.js';

const SERVERS = 1000;
const ROUNDS = 5;
const SECONDS = 6;
/** Prometheus' usual interval is 15 s. */
const EVERY_SEC = [5, 1];
const CONNECTIONS = 32;
/** An idle pen gives the same reading again for less than that. */
const KEPT_MS = 250;
const TEXT_SERVER = fileURLToPath(new URL('./load/text-server.js', import.meta.url));

try {
  await main();
} finally {
  await endAll();
}

async function main() {
  const cores = assignCores();
  for (const [name, value] of Object.entries(describeMachine(cores))) console.log(`${name}: ${value}`);
  // Whoever reads is this process: elsewhere it would be on the balancer's core as often as not.
  spawnSync('taskset', ['-a', '-c', '-p', String(cores.load), String(process.pid)]);
  const backend = await startBackend(cores.backend, SERVERS);
  const [port, admin] = [await freePort(), await freePort()];
  const servers = backend.hosts.map((host) => `${host}:${backend.port}`);
  const options = ['-f', '-r', '-x', '4000', '-O', 'threads 1', '-O', `admin ${admin}`];
  const pen = new Program(process.execPath, [`${ROOT}/bin/pen`, ...options, `127.0.0.1:${port}`, ...servers], {
    core: cores.balancer,
  });
  await pen.listens(port);
  await pen.listens(admin);
  const url = `http://127.0.0.1:${admin}/metrics`;
  const load = () => loadByWrk(port, { core: cores.load, connections: CONNECTIONS, seconds: SECONDS });

  // Every counter has something in it, and everybody has warmed up.
  await load();
  const carrier = busiestThread(pen.pid);
  /** @type {number[]} */
  const idle = [];
  for (let n = 0; n < 20; n++) {
    idle.push(await read(url));
    // What was read just now is not given again.
    await sleep(KEPT_MS);
  }

  const file = join(scratch, 'metrics');
  writeFileSync(file, await (await fetch(url)).text());
  const other = new Program(process.execPath, [TEXT_SERVER, file], { core: cores.balancer, ipc: true });
  const { port: otherPort } = await other.says();

  const cases = [
    { name: 'never', every: 0, from: admin },
    ...EVERY_SEC.flatMap((every) => [
      { name: `every ${every} s`, every, from: admin },
      { name: `every ${every} s, from another program`, every, from: otherPort },
    ]),
  ].map((one) => ({
    ...one,
    p99Us: /** @type {number[]} */ ([]),
    perSecond: /** @type {number[]} */ ([]),
    waitedMs: /** @type {number[]} */ ([]),
    reads: /** @type {number[]} */ ([]),
  }));
  for (let round = 0; round < ROUNDS; round++) {
    // Each is the first in its turn: what the machine does to one it does to the next another time.
    for (let turn = 0; turn < cases.length; turn++) {
      const result = cases[(round + turn) % cases.length];
      const end = new AbortController();
      const waitedMs = waitedForCoreMs(carrier);
      const reader = result.every === 0 ? undefined : readAgain(result.from, result.every, end.signal, result.reads);
      const { p99Us, perSecond, errors } = await load();
      result.waitedMs.push((waitedForCoreMs(carrier) - waitedMs) / SECONDS);
      end.abort();
      await reader;
      if (errors > 0) throw new Error(`${errors} requests failed`);
      result.p99Us.push(p99Us);
      result.perSecond.push(perSecond);
    }
  }

  const [{ p99Us: undisturbed }] = cases;
  const rows = cases.map(({ name, p99Us, perSecond, waitedMs, reads }) => {
    const times = ratios(p99Us, undisturbed);
    return [
      name,
      `${Math.round(median(perSecond))}`,
      `${(median(p99Us) / 1000).toFixed(2)}`,
      reads.length === 0 ? '' : `${times.median.toFixed(2)} (${times.min.toFixed(2)}–${times.max.toFixed(2)})`,
      median(waitedMs).toFixed(1),
      reads.length === 0 ? '' : median(reads).toFixed(0),
    ];
  });
  const columns = ['/metrics is read', 'requests/s', 'p99 ms', 'of never', 'traffic waits, ms/s', 'ms a reading'];
  console.log(`\n${SERVERS} servers, nobody asking for anything else: ${median(idle).toFixed(0)} ms a reading`);
  console.log(`\n${tableText({ columns, rows })}`);
}

/**
 * The thread that has had most of the core so far, as its folder in /proc.
 * @param {number} pid
 * @returns {string}
 */
function busiestThread(pid) {
  const tasks = `/proc/${pid}/task`;
  const threads = readdirSync(tasks).map((thread) => `${tasks}/${thread}`);
  const ran = threads.map((thread) => schedule(thread)[0]);
  return threads[ran.indexOf(Math.max(...ran))];
}

/** @param {string} thread */
function waitedForCoreMs(thread) {
  return schedule(thread)[1] / 1e6;
}

/**
 * Nanoseconds for which it has run, and for which it waited.
 * @param {string} thread
 */
function schedule(thread) {
  return readFileSync(`${thread}/schedstat`, 'latin1').split(' ').map(Number);
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
