/**
 * Buffers at addresses that stay, in two sizes, named by small integers: the small ones count from 0, the large ones
 * from LARGE_FIRST. The last one given back is the next one taken, as it is still in the processor's cache.
 */
import { type Mapping, mapAnonymous, unmap } from '../../sys/memory.js';

/** Requests and most answers fit; a stream that fills it is moved on to the large ones. */
export const SMALL_BYTES = 16_384;
export const LARGE_BYTES = 262_144;
const SMALL_LIMIT = 32_768;
const LARGE_LIMIT = 256;
const LARGE_FIRST = SMALL_LIMIT;

export class BufferPool {
  readonly #small = new SizeClass(SMALL_BYTES, 16, SMALL_LIMIT);
  readonly #large = new SizeClass(LARGE_BYTES, 4, LARGE_LIMIT);

  /** A buffer, large if asked for and to be had; -1 if the pool is at its end. */
  take(large: boolean): number {
    if (large) {
      const buffer = this.#large.take();
      if (buffer >= 0) return buffer + LARGE_FIRST;
    }
    return this.#small.take();
  }

  release(buffer: number): void {
    if (buffer < LARGE_FIRST) this.#small.release(buffer);
    else this.#large.release(buffer - LARGE_FIRST);
  }

  capacity(buffer: number): number {
    return buffer < LARGE_FIRST ? SMALL_BYTES : LARGE_BYTES;
  }

  address(buffer: number): number {
    return buffer < LARGE_FIRST ? this.#small.address(buffer) : this.#large.address(buffer - LARGE_FIRST);
  }

  bytes(buffer: number): Uint8Array {
    return buffer < LARGE_FIRST ? this.#small.bytes(buffer) : this.#large.bytes(buffer - LARGE_FIRST);
  }

  /** True if `take` has one to give. */
  hasFree(): boolean {
    return this.#small.hasFree();
  }

  inUse(): number {
    return this.#small.inUse() + this.#large.inUse();
  }

  totalBytes(): number {
    return this.#small.totalBytes() + this.#large.totalBytes();
  }

  close(): void {
    this.#small.close();
    this.#large.close();
  }
}

class SizeClass {
  readonly #capacity: number;
  readonly #chunk: number;
  readonly #limit: number;
  readonly #mappings: Mapping[] = [];
  /**
   * The first element keeps V8 from storing the others as bare doubles: a number that is stored boxed is handed to a
   * call as it is, a bare one is boxed anew for each (7 of 73 ns, and garbage).
   */
  readonly #addresses: (number | undefined)[] = [undefined];
  readonly #views: Uint8Array[] = [];
  readonly #free: Int32Array;
  #freeCount = 0;
  #count = 0;

  /** Grows by `chunk` buffers of `capacity` bytes, up to `limit`. */
  constructor(capacity: number, chunk: number, limit: number) {
    this.#capacity = capacity;
    this.#chunk = chunk;
    this.#limit = limit;
    this.#free = new Int32Array(limit);
  }

  take(): number {
    if (this.#freeCount === 0) this.#grow();
    return this.#freeCount === 0 ? -1 : this.#free[--this.#freeCount];
  }

  release(index: number): void {
    this.#free[this.#freeCount++] = index;
  }

  address(index: number): number {
    return this.#addresses[index + 1] as number;
  }

  bytes(index: number): Uint8Array {
    return this.#views[index];
  }

  hasFree(): boolean {
    return this.#freeCount > 0 || this.#count < this.#limit;
  }

  inUse(): number {
    return this.#count - this.#freeCount;
  }

  totalBytes(): number {
    return this.#count * this.#capacity;
  }

  close(): void {
    this.#views.length = 0;
    for (const mapping of this.#mappings) unmap(mapping);
  }

  #grow(): void {
    const count = Math.min(this.#chunk, this.#limit - this.#count);
    if (count === 0) return;
    const memory = mapAnonymous(count * this.#capacity);
    this.#mappings.push(memory);
    for (let i = 0; i < count; i++) {
      const index = this.#count++;
      this.#addresses.push(memory.address + i * this.#capacity);
      this.#views.push(new Uint8Array(memory.buffer, i * this.#capacity, this.#capacity));
      this.release(index);
    }
  }
}
