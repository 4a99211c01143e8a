/** The two clocks. Everything above is given one of them; nothing below `sys` and the engines reads time. */
// Imported, because the global of that name is a getter (54 instead of 66 ns a reading).
import { performance } from 'node:perf_hooks';

/**
 * What `performance.now()` of this thread must be shifted by to count from the system's monotonic zero. The two are
 * read one after the other, so each reading is too small by the time in between: the largest is the best.
 */
const shift = Math.max(...Array.from({ length: 20 }, () => Number(process.hrtime.bigint()) / 1e6 - performance.now()));

/** Milliseconds (fractions included) of CLOCK_MONOTONIC: the same zero on every thread. */
export function monotonicMs(): number {
  return performance.now() + shift;
}

/** Seconds since 1970, for logs. */
export function wallSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
