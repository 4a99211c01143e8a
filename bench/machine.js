/** The machine under the benchmark: its cores and who runs on which, its limits, what stands in the results' head. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The checkout that is measured. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * @typedef {object} Cores
 * @property {number} balancer
 * @property {number} load load generator, and this process
 * @property {number} backend
 * @property {string} note how they are shared
 */

/** @returns {Cores} */
export function assignCores() {
  const allowed = allowedCores();
  const [balancer, load, backend] = allowed;
  if (load === undefined) {
    const note = 'one core: balancer, load generator and backend share it, so requests/s and latency say little';
    return { balancer, load: balancer, backend: balancer, note };
  }
  if (backend === undefined) {
    const note = `balancer alone on core ${balancer}, load generator and backend on core ${load}`;
    return { balancer, load, backend: load, note };
  }
  const note = `balancer alone on core ${balancer}, load generator on core ${load}, backend on core ${backend}`;
  return { balancer, load, backend, note };
}

/** The hard limit on descriptors: what every program of the benchmark gets. */
export function descriptorLimit() {
  const line = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
  return line?.[1] === 'unlimited' ? 1_048_576 : Number(line?.[1]);
}

/** @returns {Record<string, string>} what to know about where the figures come from */
export function describeMachine(/** @type {Cores} */ cores) {
  return {
    machine: `${cpus()[0]?.model.trim()}, ${allowedCores().length} ${allowedCores().length === 1 ? 'core' : 'cores'}${isVirtual() ? ' (virtual)' : ''}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    cores: cores.note,
    system: `${distribution()}, Linux ${release()}`,
    node: process.version,
    commit: commit(),
  };
}

/** The commit of the checkout, and whether the files differ from it. */
function commit() {
  try {
    const git = (/** @type {string[]} */ ...args) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
    const changed = git('status', '--porcelain', '--', 'src', 'bin', 'package-lock.json') !== '';
    return git('rev-parse', '--short=10', 'HEAD') + (changed ? ' with changes' : '');
  } catch {
    return 'unknown';
  }
}

function distribution() {
  const file = '/etc/os-release';
  const name = existsSync(file) ? /^PRETTY_NAME="(.*)"/m.exec(readFileSync(file, 'utf8')) : null;
  return name?.[1] ?? 'unknown system';
}

function isVirtual() {
  return /^flags\s.*\bhypervisor\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

/** @returns {number[]} that this process may use */
export function allowedCores() {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}
