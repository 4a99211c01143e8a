/** A balancer as people start it, in the namespace of the veth bed, with all its threads on a core of its own, or on all cores. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ROOT } from '../machine.js';

const READY_MS = 10_000;
const END_MS = 3000;

/** The words that start ours. */
export const PEN = [process.execPath, join(ROOT, 'bin/pen')];

/** Cores for taskset(1). */
export const OWN_CORE = process.env.PEN_BENCH_BALANCER_CORE ?? '0';
export const ALL_CORES = process.env.PEN_BENCH_ALL_CORES ?? '0';

/**
 * @param {number} namespace process that is in it
 * @param {string[]} words
 */
export function startInside(namespace, words, cores = OWN_CORE) {
  const inside = ['-t', `${namespace}`, '-n', 'taskset', '-c', cores];
  const child = spawn('nsenter', [...inside, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => {
    said = `${said}${text}`.slice(-2000);
  });
  const kill = () => void child.kill('SIGKILL');
  process.on('exit', kill);
  /** @type {Promise<void>} */
  const ended = new Promise((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid ?? 0,
    /**
     * Returns when frames of an attempt come back.
     * @param {() => Promise<{ rate: number }>} attempt
     */
    async answers(attempt) {
      for (const end = Date.now() + READY_MS; Date.now() < end && child.exitCode === null; await sleep(100))
        if ((await attempt()).rate > 0) return;
      throw new Error(`'${words.join(' ')}' answers nothing: ${said.trim()}`);
    },
    /**
     * Returns when it has said so.
     * @param {string} words
     * @param {number} patienceMs
     */
    async says(words, patienceMs) {
      const signal = AbortSignal.timeout(patienceMs);
      while (!said.includes(words))
        await once(child.stderr, 'data', { signal }).catch(() => {
          throw new Error(`never said '${words}': ${said.trim()}`);
        });
    },
    async stop() {
      child.kill();
      await Promise.race([ended, sleep(END_MS, undefined, { ref: false })]);
      kill();
      await ended;
      process.off('exit', kill);
    },
  };
}
