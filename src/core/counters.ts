/**
 * 64-bit counters that several threads add to, without BigInt. A counter is two 32-bit cells:
 *
 *   low    the count modulo 2^32
 *   high   how often `low` has crossed a multiple of 2^31
 *
 * The value is high * 2^31 + (low mod 2^31). Bit 31 of `low` repeats bit 0 of `high`; where they differ, a
 * writer has added to `low` and not yet carried, and the reader carries for it. So a reader needs no lock and
 * never sees the count step back, unless 2 GiB are added while a thread is between its two cells.
 */
const HALF = 2 ** 31;
const BYTES_EACH = 8;

export class Counters {
  readonly length: number;
  readonly #cells: Int32Array;

  constructor(buffer: SharedArrayBuffer, byteOffset: number, length: number) {
    this.length = length;
    this.#cells = new Int32Array(buffer, byteOffset, length * 2);
  }

  static bytes(length: number): number {
    return length * BYTES_EACH;
  }

  /** Adds `n`, a whole number below 2^32. */
  add(index: number, n: number): void {
    if (n > HALF) {
      this.#addPart(index, HALF);
      n -= HALF;
    }
    this.#addPart(index, n);
  }

  /** The count; exact below 2^53. */
  read(index: number): number {
    // `high` first: a carry that happens in between then shows as a difference of the two bits.
    const high = Atomics.load(this.#cells, index * 2 + 1);
    const low = Atomics.load(this.#cells, index * 2);
    const pending = (high & 1) ^ (low >>> 31);
    return ((high >>> 0) + pending) * HALF + (low & (HALF - 1));
  }

  /** Adds at most 2^31, which crosses at most one boundary. */
  #addPart(index: number, n: number): void {
    const before = Atomics.add(this.#cells, index * 2, n);
    if ((before ^ (before + n)) < 0) Atomics.add(this.#cells, index * 2 + 1, 1);
  }
}
