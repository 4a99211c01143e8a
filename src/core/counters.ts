/**
 * 64-bit counters that several threads add to, without BigInt. A counter is two 32-bit cells, `low` (the count
 * modulo 2^31, for a moment more) and `high` (how many 2^31 there are besides).
 *
 * Adding is one atomic operation. Only who finds that `low` has passed 2^31 carries, under a lock; whoever adds
 * meanwhile waits for that, so `low` never passes 2^32. A version, odd while somebody carries, tells a reader that
 * what it read does not belong together. So sums are exact and never step back, however long a thread is
 * interrupted between any two instructions, unless they are told to begin anew.
 */
import { acquire, release } from './lock.js';

const HALF = 2 ** 31;
const BYTES_EACH = 8;
/** Added at most in one piece: 64 threads that have all added one and wait to carry are still far from 2^32. */
const PIECE = 2 ** 24;

// Cells of the guard, one for all counters of a buffer: a carry comes once in two gigabytes.
const LOCK = 0;
const VERSION = 1;
export const GUARD_BYTES = 8;

export class Counters {
  readonly length: number;
  readonly #cells: Int32Array;
  readonly #guard: Int32Array;

  /** `guard` is GUARD_BYTES of zeroes, shared by all who use the buffer. */
  constructor(buffer: SharedArrayBuffer, byteOffset: number, length: number, guard: Int32Array) {
    this.length = length;
    this.#cells = new Int32Array(buffer, byteOffset, length * 2);
    this.#guard = guard;
  }

  static bytes(length: number): number {
    return length * BYTES_EACH;
  }

  /** Adds `n`, a whole number from 0 to 2^32. */
  add(index: number, n: number): void {
    for (; n > PIECE; n -= PIECE) this.#addPiece(index, PIECE);
    this.#addPiece(index, n);
  }

  /** The count; exact below 2^53. */
  read(index: number): number {
    for (;;) {
      const version = Atomics.load(this.#guard, VERSION);
      const high = Atomics.load(this.#cells, index * 2 + 1);
      const low = Atomics.load(this.#cells, index * 2);
      if ((version & 1) === 0 && Atomics.load(this.#guard, VERSION) === version) return high * HALF + (low >>> 0);
    }
  }

  /** Has `count` counters from `index` on begin at 0; what others add meanwhile is counted before or after that. */
  clear(index: number, count: number): void {
    acquire(this.#guard, LOCK);
    Atomics.add(this.#guard, VERSION, 1);
    for (let cell = index * 2; cell < (index + count) * 2; cell++) Atomics.store(this.#cells, cell, 0);
    Atomics.add(this.#guard, VERSION, 1);
    release(this.#guard, LOCK);
  }

  #addPiece(index: number, n: number): void {
    if (((Atomics.add(this.#cells, index * 2, n) + n) | 0) < 0) this.#carry(index);
  }

  #carry(index: number): void {
    acquire(this.#guard, LOCK);
    // Somebody else may have carried for us by now.
    if (Atomics.load(this.#cells, index * 2) < 0) {
      Atomics.add(this.#guard, VERSION, 1);
      Atomics.add(this.#cells, index * 2 + 1, 1);
      Atomics.sub(this.#cells, index * 2, HALF);
      Atomics.add(this.#guard, VERSION, 1);
    }
    release(this.#guard, LOCK);
  }
}
