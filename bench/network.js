/** Client, balancer and server in network namespaces of their own: each has a way to its neighbour and no other. */
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

const READY_MS = 10_000;

/** @type {Set<string>} */
const standing = new Set();
process.on('exit', () => {
  for (const name of standing) run('netns', 'delete', name);
});

/**
 * @typedef {object} Network
 * @property {string} client namespace, 10.71.0.10
 * @property {string} balancer 10.71.0.1 towards the client, 10.72.0.1 towards the server
 * @property {string} server 10.72.0.21
 * @property {() => void} remove
 */

/**
 * Builds it; throws where namespaces are not to be had.
 * @returns {Network}
 */
export function buildNetwork() {
  const names = /** @type {const} */ (['client', 'balancer', 'server']).map(
    (name) => `pen-${process.pid}-bench-${name}`,
  );
  const [client, balancer, server] = names;
  for (const name of names) {
    run('netns', 'add', name);
    standing.add(name);
    run('-n', name, 'link', 'set', 'lo', 'up');
  }
  cable([client, 'lan', '10.71.0.10/24'], [balancer, 'lan', '10.71.0.1/24']);
  cable([balancer, 'dmz', '10.72.0.1/24'], [server, 'dmz', '10.72.0.21/24']);
  run('-n', client, 'route', 'add', 'default', 'via', '10.71.0.1');
  run('-n', server, 'route', 'add', 'default', 'via', '10.72.0.1');
  // Elsewhere than on the loopback interface a port rests for a minute: thousands of connections a second run out of them.
  for (const name of names) {
    inside(name, 'sysctl', '-qw', 'net.ipv4.tcp_tw_reuse=1', 'net.ipv4.ip_local_port_range=10000 65000');
  }
  const remove = () => {
    for (const name of names) if (standing.delete(name)) run('netns', 'delete', name);
  };
  return { client, balancer, server, remove };
}

/**
 * Returns when somebody listens on that port of that namespace.
 * @param {string} namespace
 * @param {number} port
 */
export async function listensInside(namespace, port) {
  for (const deadline = Date.now() + READY_MS; Date.now() < deadline; await sleep(20)) {
    if (inside(namespace, 'ss', '-Hltn', `sport = :${port}`).trim() !== '') return;
  }
  throw new Error(`nobody listens on port ${port} of ${namespace}`);
}

/**
 * Runs a program there and gives its output.
 * @param {string} namespace
 * @param {string[]} command
 */
export function inside(namespace, ...command) {
  return run('netns', 'exec', namespace, ...command);
}

/**
 * @param {[string, string, string]} one namespace, interface, address
 * @param {[string, string, string]} other
 */
function cable(one, other) {
  run('-n', one[0], 'link', 'add', one[1], 'type', 'veth', 'peer', 'name', other[1], 'netns', other[0]);
  for (const [namespace, device, address] of [one, other]) {
    run('-n', namespace, 'address', 'add', address, 'dev', device);
    run('-n', namespace, 'link', 'set', device, 'up');
  }
}

/** @param {string[]} words */
function run(...words) {
  return execFileSync('ip', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
