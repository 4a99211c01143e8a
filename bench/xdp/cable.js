/** A balancer's interface in this process's network namespace, which must be its own, and a farm of servers at the other end. */
import { execFileSync, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';

const BALANCER = 'balancer1';
const FARM = 'farm1';

/**
 * @typedef {object} Cable
 * @property {string} balancer the interface, 10.8.0.1/16
 * @property {Record<string, string>} farms what its servers do -> the first three numbers of their addresses
 * @property {() => void} close
 */

/** @returns {Cable} */
export function cable() {
  const keeper = spawn('unshare', ['--net', 'sleep', '900'], { stdio: 'ignore' });
  const end = () => void keeper.kill();
  process.on('exit', end);
  const inside = (/** @type {string[]} */ ...words) =>
    void execFileSync('nsenter', ['-t', `${keeper.pid}`, '-n', 'ip', ...words]);
  const here = (/** @type {string[]} */ ...words) => void execFileSync('ip', words);
  here('link', 'set', 'lo', 'up');
  here('link', 'add', BALANCER, 'type', 'veth', 'peer', 'name', FARM);
  moved(FARM, keeper.pid ?? 0);
  inside('link', 'set', 'lo', 'up');
  inside('address', 'add', '10.8.0.2/16', 'dev', FARM);
  inside('link', 'set', FARM, 'up');
  // Every address of it is the farm's own: it answers whoever asks by ARP.
  for (const network of ['10.8.1.0/24', '10.8.3.0/26', '10.8.3.64/27'])
    inside('route', 'add', 'local', network, 'dev', 'lo');
  here('address', 'add', '10.8.0.1/16', 'dev', BALANCER);
  here('link', 'set', BALANCER, 'up');
  return {
    balancer: BALANCER,
    farms: { 'all answer': '10.8.1', 'all but five answer': '10.8.3', 'none answers': '10.8.2' },
    close() {
      here('link', 'delete', BALANCER);
      end();
      process.off('exit', end);
    },
  };
}

/** The keeper is in its own namespace once it has left ours, which `ip` cannot tell: until then the name would stay here. */
function moved(/** @type {string} */ device, /** @type {number} */ pid) {
  const own = readlinkSync('/proc/self/ns/net');
  for (const end = Date.now() + 5000; readlinkSync(`/proc/${pid}/ns/net`) === own; )
    if (Date.now() > end) throw new Error('no network namespace of its own');
  execFileSync('ip', ['link', 'set', device, 'netns', `${pid}`]);
}
