/**
 * Clients with addresses of their own, by the hundred thousand: real connections over the loopback network, where all of
 * 127.0.0.0/8 is ours to come from. A program of its own; each connection ends when the balancer has passed on the end
 * that the server behind it sends at once, so that all of them have been served in full.
 *
 * Told `{ port, first, count }` it comes once from each of `count` addresses; told `{ port, among, seconds }` from
 * addresses at random of the first `among`. Answers `{ connections, errors, ms }`; `budgetMs` ends either early.
 * System calls in place of node:net: they cost a fifth, and a million clients are a minute's work.
 */
import { arch } from 'node:os';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../machine.js';

/** @type {typeof import('../../src/sys/libc.js')} */
const { libc } = await import(pathToFileURL(`${ROOT}/dist/src/sys/libc.js`).href);
/** @type {typeof import('../../src/sys/memory.js')} */
const { mapAnonymous } = await import(pathToFileURL(`${ROOT}/dist/src/sys/memory.js`).href);
/** @type {typeof import('../../src/sys/uapi/socket.js')} */
const uapi = await import(pathToFileURL(`${ROOT}/dist/src/sys/uapi/socket.js`).href);

/** Connections at a time: far below every listen queue. */
const BATCH = 64;
/** 127.16.0.0, the first visitor. */
const FIRST = 0x7f10_0000;
const LOOPBACK = 0x7f00_0001;
const SOCKADDR_BYTES = 16;

/** connect and recvfrom: asm/unistd_64.h, asm-generic/unistd.h (arm64), asm/unistd-common.h (arm). */
const NUMBERS = /** @type {Record<string, [number, number]>} */ ({ x64: [42, 45], arm64: [203, 207], arm: [283, 292] });
const [CONNECT, RECVFROM] = NUMBERS[arch()] ?? [];
if (CONNECT === undefined) throw new Error(`numbers of connect and recvfrom on ${arch()} are not known here`);

const c = libc();
const memory = mapAnonymous(4096);
const view = new DataView(memory.buffer);
const TARGET = memory.address;
const SOURCE = memory.address + 64;
const OPTION = memory.address + 128;
const BYTES = memory.address + 192;
for (const at of [0, 64]) view.setUint16(at, uapi.AF_INET, true);
view.setUint32(4, LOOPBACK);
const fds = new Int32Array(BATCH);

/** Visits at random that need not be unlike any other run's. */
let state = 0x9e37_79b9;
/** @param {number} below */
function random(below) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

/** @typedef {{ port: number, first?: number, count?: number, among?: number, seconds?: number, budgetMs?: number }} Order */

process.on('message', (/** @type {Order} */ order) => {
  const { port, first = 0, count = Number.POSITIVE_INFINITY, among = 0, seconds = Number.POSITIVE_INFINITY } = order;
  view.setUint16(2, port);
  const start = performance.now();
  const end = start + Math.min(seconds * 1000, order.budgetMs ?? Number.POSITIVE_INFINITY);
  let [connections, errors] = [0, 0];
  while (connections + errors < count && performance.now() < end) {
    const size = Math.min(BATCH, count - connections - errors);
    for (let i = 0; i < size; i++) fds[i] = visit(among > 0 ? random(among) : first + connections + errors + i);
    for (let i = 0; i < size; i++) leave(fds[i]) ? connections++ : errors++;
  }
  process.send?.({ connections, errors, ms: performance.now() - start });
});
process.on('disconnect', () => process.exit());

/**
 * Connects from the address of that number; returns the socket or -1.
 * @param {number} number
 */
function visit(number) {
  const fd = c.socket(uapi.AF_INET, uapi.SOCK_STREAM | uapi.SOCK_CLOEXEC, 0);
  // Neither end stays behind in TIME_WAIT: the close that follows the server's end is a reset.
  view.setInt32(128, 1, true);
  view.setInt32(132, 0, true);
  c.setsockopt(fd, uapi.SOL_SOCKET, uapi.SO_LINGER, OPTION, 8);
  view.setUint32(64 + 4, FIRST + number);
  const ok = c.bind(fd, SOURCE, SOCKADDR_BYTES) === 0 && c.syscall(CONNECT, fd, TARGET, SOCKADDR_BYTES, 0, 0, 0) === 0;
  if (ok) return fd;
  c.close(fd);
  return -1;
}

/**
 * Waits for the end and closes; true if it was an orderly one.
 * @param {number} fd
 */
function leave(fd) {
  if (fd < 0) return false;
  const received = c.syscall(RECVFROM, fd, BYTES, 64, 0, 0, 0);
  c.close(fd);
  return received === 0;
}
