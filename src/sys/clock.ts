/** The two clocks. Everything above is given one of them; nothing below `sys` and the engines reads time. */
import { performance } from 'node:perf_hooks';
import { hasFfi } from './ffi.js';
import { libc } from './libc.js';
import { mapAnonymous } from './memory.js';

/** CLOCK_MONOTONIC of each system's <time.h>. */
const CLOCK_MONOTONIC: Partial<Record<NodeJS.Platform, number>> = { linux: 1, openbsd: 3, freebsd: 4, darwin: 6 };

/**
 * Milliseconds of CLOCK_MONOTONIC: the same zero on every thread. Whole, so that V8 holds them without allocating
 * (for the first 24 days after the system's start; then it is 16 bytes a reading).
 */
export const monotonicMs: () => number = systemClock() ?? nodeClock();

/** Seconds since 1970, for logs. */
export function wallSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** clock_gettime(2) into memory of ours, which makes no garbage; `performance.now()` makes a number on the heap a reading. */
function systemClock(): (() => number) | undefined {
  const clock = CLOCK_MONOTONIC[process.platform];
  if (clock === undefined || !hasFfi()) return undefined;
  const { clock_gettime } = libc();
  const time = mapAnonymous(16);
  // struct timespec: two longs, the second below 10^9.
  const words = new Int32Array(time.buffer);
  const nanoseconds = process.arch === 'arm' || process.arch === 'ia32' ? 1 : 2;
  return () => {
    clock_gettime(clock, time.address);
    return (words[0] as number) * 1000 + Math.trunc((words[nanoseconds] as number) / 1e6);
  };
}

/** The same zero where there is no FFI, from the two clocks that Node has. */
function nodeClock(): () => number {
  // Read one after the other, each difference is too small by the time in between: the largest is the best.
  const shift = Math.max(
    ...Array.from({ length: 20 }, () => Number(process.hrtime.bigint()) / 1e6 - performance.now()),
  );
  return () => Math.floor(performance.now() + shift);
}
