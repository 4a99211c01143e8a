/**
 * A mutex in one cell of shared memory, for critical sections of a few hundred nanoseconds. Taken at once if
 * free, else after a short spin, else asleep in the kernel (the three-state futex of Drepper, "Futexes are
 * tricky", 2011). Not reentrant. A thread that dies inside leaves it taken.
 */
const FREE = 0;
const TAKEN = 1;
/** Taken, and somebody may be asleep: the release has to wake one. */
const CONTENDED = 2;

/** About a microsecond: longer than a critical section, shorter than a sleep and a wake-up. */
const SPINS = 100;

export function acquire(cells: Int32Array, index: number): void {
  for (let spin = 0; spin < SPINS; spin++) {
    if (Atomics.load(cells, index) === FREE && Atomics.compareExchange(cells, index, FREE, TAKEN) === FREE) return;
  }
  while (Atomics.exchange(cells, index, CONTENDED) !== FREE) Atomics.wait(cells, index, CONTENDED);
}

export function release(cells: Int32Array, index: number): void {
  if (Atomics.exchange(cells, index, FREE) === CONTENDED) Atomics.notify(cells, index, 1);
}
