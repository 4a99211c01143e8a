/** CPU time and memory of a program, all of its threads and processes, from /proc. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/**
 * @typedef {object} CpuReading
 * @property {Map<string, number>} threads nanoseconds so far by process and thread
 * @property {number} ticks of 10 ms so far, of all processes
 */

const TICK_NS = 10_000_000;

/**
 * @param {number} pid
 * @returns {CpuReading}
 */
export function readCpu(pid) {
  const threads = new Map();
  let ticks = 0;
  for (const process of processes(pid)) {
    for (const thread of list(`/proc/${process}/task`)) {
      const line = read(`/proc/${process}/task/${thread}/schedstat`);
      if (line !== '') threads.set(`${process}/${thread}`, Number(line.split(' ')[0]));
    }
    // The name, in parentheses, may hold spaces.
    const fields = read(`/proc/${process}/stat`).split(') ')[1]?.split(' ') ?? [];
    ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  }
  return { threads, ticks };
}

/**
 * Nanoseconds of CPU between two readings. The scheduler's own counts are exact but forget a thread that has ended;
 * then the process's ticks, which do not, count instead.
 * @param {CpuReading} before
 * @param {CpuReading} after
 */
export function cpuBetween(before, after) {
  const isWhole = after.threads.size > 0 && [...before.threads.keys()].every((thread) => after.threads.has(thread));
  if (!isWhole) return (after.ticks - before.ticks) * TICK_NS;
  let sum = 0;
  for (const [thread, ns] of after.threads) sum += ns - (before.threads.get(thread) ?? 0);
  return sum;
}

/**
 * Resident memory now and at its peak, in bytes, summed over the program's processes.
 * @param {number} pid
 */
export function readMemory(pid) {
  let now = 0;
  let peak = 0;
  for (const process of processes(pid)) {
    const status = read(`/proc/${process}/status`);
    now += 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    peak += 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0);
  }
  return { now, peak };
}

/**
 * The process and its descendants.
 * @param {number | string} pid
 * @returns {string[]}
 */
function processes(pid) {
  if (!existsSync(`/proc/${pid}`)) return [];
  const children = list(`/proc/${pid}/task`).flatMap((thread) => {
    return read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean);
  });
  return [String(pid), ...children.flatMap(processes)];
}

/** @param {string} folder */
function list(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'latin1').trim();
  } catch {
    return '';
  }
}
