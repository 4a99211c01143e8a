/** CPU time of a thread of this process, from the scheduler's own count (Linux). */
import { readFileSync } from 'node:fs';

/** Seconds; undefined where the kernel does not tell (proc(5), /proc/PID/schedstat: the first number is nanoseconds). */
export function threadCpuSeconds(thread: number): number | undefined {
  if (thread === 0) return undefined;
  try {
    const [nanoseconds] = readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ');
    return Number(nanoseconds) / 1e9;
  } catch {
    return undefined;
  }
}
