/**
 * `npm run bench:xdp`: what Direct Server Return costs a packet. By BPF_PROG_TEST_RUN what the XDP program takes, by
 * number of servers and of services; over a veth pair how many packets a second it sends on beside a program that only
 * swaps MAC addresses (`rate`), and packet rings beside Debian's pen (`packet`); what a tarpit costs (`tarpit`); how
 * long many services take to start and to change (`start`). Needs root; runs in network namespaces of its own. Prints tables
 * in Markdown; arguments choose some of them.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { allowedCores, assignCores, describeMachine } from './machine.js';
import { byServers, byServices } from './xdp/nanoseconds.js';
import { kernelRates } from './xdp/rate.js';
import { startTimes } from './xdp/start.js';
import { tarpitCost } from './xdp/tarpit.js';
import { userSpaceRates } from './xdp/user-space.js';

/** @type {Record<string, () => unknown>} */
const QUESTIONS = {
  servers: byServers,
  services: byServices,
  rate: kernelRates,
  packet: userSpaceRates,
  tarpit: tarpitCost,
  start: startTimes,
};

const names = process.argv.slice(2);
const unknown = names.find((name) => !Object.hasOwn(QUESTIONS, name));
if (unknown !== undefined) {
  console.error(`no such question: ${unknown} (there are ${Object.keys(QUESTIONS).join(', ')})`);
  process.exitCode = 1;
} else if (process.env.PEN_BENCH_INSIDE === undefined) {
  const self = fileURLToPath(import.meta.url);
  const cores = assignCores();
  for (const [name, value] of Object.entries(describeMachine(cores))) console.log(`${name}: ${value}`);
  const env = {
    ...process.env,
    PEN_BENCH_INSIDE: '1',
    PEN_BENCH_BALANCER_CORE: `${cores.balancer}`,
    PEN_BENCH_ALL_CORES: allowedCores().join(','),
  };
  const words = ['-c', `${cores.load}`, 'unshare', '--net', '--mount', process.execPath, self, ...names];
  process.exitCode = spawnSync('taskset', words, { stdio: 'inherit', env }).status ?? 1;
} else {
  for (const [name, ask] of Object.entries(QUESTIONS)) if (names.length === 0 || names.includes(name)) await ask();
}
