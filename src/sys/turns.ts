/** How long this thread may go on while others want its core; Linux. */
import { closeSync, openSync, readSync } from 'node:fs';
import { hasFfi } from './ffi.js';
import { libc } from './libc.js';
import { mapAnonymous, unmap } from './memory.js';
import { SCHED_ATTR, SCHED_FLAG_RESET_ON_FORK, SCHED_OTHER, SYS_SCHED_ATTR } from './uapi/sched.js';

/** The least that kernels take. */
const SHORT_TURN_NS = 100_000n;

/**
 * From now on this thread runs for 0.1 ms at a time where others wait for the core; its share stays what it is. By itself the
 * kernel gives some 3 ms, which is how long traffic would stand still. Threads made from here on are as ever. False where
 * it cannot be done: other systems, kernels before 6.12, a thread that is not an ordinary one.
 */
export function takeShortTurns(): boolean {
  const numbers = SYS_SCHED_ATTR[process.arch];
  if (process.platform !== 'linux' || numbers === undefined || !hasFfi()) return false;
  const memory = mapAnonymous(4096);
  try {
    const attributes = new DataView(memory.buffer, 0, SCHED_ATTR.bytes);
    if (libc().syscall(numbers.get, 0, memory.address, SCHED_ATTR.bytes, 0, 0, 0) < 0) return false;
    // A thread that was given precedence keeps it, and so do those that it makes.
    const isOrdinary = attributes.getUint32(SCHED_ATTR.policy, true) === SCHED_OTHER;
    if (!isOrdinary || attributes.getInt32(SCHED_ATTR.nice, true) < 0) return false;
    attributes.setUint32(SCHED_ATTR.size, SCHED_ATTR.bytes, true);
    attributes.setBigUint64(SCHED_ATTR.flags, BigInt(SCHED_FLAG_RESET_ON_FORK), true);
    attributes.setBigUint64(SCHED_ATTR.runtime, SHORT_TURN_NS, true);
    if (libc().syscall(numbers.set, 0, memory.address, 0, 0, 0, 0) < 0) return false;
    // Kernels that know no such thing take it and forget it.
    libc().syscall(numbers.get, 0, memory.address, SCHED_ATTR.bytes, 0, 0, 0);
    return attributes.getBigUint64(SCHED_ATTR.runtime, true) === SHORT_TURN_NS;
  } finally {
    unmap(memory);
  }
}

const line = Buffer.alloc(64);
/** proc(5), schedstat: its second number is for how many nanoseconds a thread could have run and did not. */
let own: number | undefined;
/** Of threads that carry traffic, by the kernel's number of the thread. */
const traffic = new Map<number, number>();

/** How long this process's first thread has waited for a core so far, in milliseconds; 0 where the kernel does not tell. */
export function waitedForCoreMs(): number {
  try {
    own ??= openSync('/proc/self/schedstat', 'r');
    return waitedMs(own);
  } catch {
    return 0;
  }
}

/** The same of all threads that carry traffic, together; of this one if none is known. */
export function trafficWaitedMs(): number {
  if (traffic.size === 0) return waitedForCoreMs();
  let sum = 0;
  for (const schedstat of traffic.values()) sum += waitedMs(schedstat);
  return sum;
}

/** A thread of this process carries traffic, by the kernel's number, until what is returned is called. */
export function carriesTraffic(thread: number): () => void {
  let schedstat: number;
  try {
    schedstat = openSync(`/proc/self/task/${thread}/schedstat`, 'r');
  } catch {
    return () => {};
  }
  traffic.set(thread, schedstat);
  return () => {
    if (traffic.get(thread) !== schedstat) return;
    traffic.delete(thread);
    closeSync(schedstat);
  };
}

/** 0 of a thread that has ended. */
function waitedMs(schedstat: number): number {
  try {
    const length = readSync(schedstat, line, 0, line.length, 0);
    return Number(line.toString('latin1', 0, length).split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}
