/**
 * The memory of the `node` engine: reusable buffers of two sizes, named by small integers. The last bit of the
 * name is the size class, so that giving one back needs no look-up:
 *
 *     31                    1   0
 *    +------------------------+---+
 *    |   index in its class   | c |   c: 0 = 4 KiB (requests, heads), 1 = 64 KiB (bulk)
 *    +------------------------+---+
 *
 * The pool grows when it must and keeps a bounded number of free buffers; what flows at once is bounded by
 * backpressure (one chunk a direction of a connection), not here.
 */
const CAPACITY = [4096, 65_536] as const;
/** Free buffers kept per class: 4 MiB and 16 MiB; more are left to the garbage collector. */
const KEPT = [1024, 256] as const;

/** The size of the largest buffer, which is the most that one read can bring. */
export const CHUNK_BYTES = CAPACITY[1];

export class BufferPool {
  inUse = 0;
  totalBytes = 0;
  readonly #classes = [new SizeClass(CAPACITY[0], KEPT[0]), new SizeClass(CAPACITY[1], KEPT[1])] as const;

  /** A buffer that holds at least `length` bytes (at most CHUNK_BYTES). */
  take(length: number): number {
    const which = length <= CAPACITY[0] ? 0 : 1;
    const sizeClass = this.#classes[which];
    this.inUse++;
    if (sizeClass.isDry()) this.totalBytes += sizeClass.capacity;
    return sizeClass.take() * 2 + which;
  }

  bytes(buffer: number): Uint8Array {
    return (buffer & 1 ? this.#classes[1] : this.#classes[0]).bytes(buffer >> 1);
  }

  release(buffer: number): void {
    const sizeClass = buffer & 1 ? this.#classes[1] : this.#classes[0];
    this.inUse--;
    if (!sizeClass.release(buffer >> 1)) this.totalBytes -= sizeClass.capacity;
  }
}

class SizeClass {
  readonly capacity: number;
  readonly #kept: number;
  /** Memory by index; an index whose memory was let go stands in `#empty`. */
  readonly #memory: (Uint8Array | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #empty: number[] = [];

  constructor(capacity: number, kept: number) {
    this.capacity = capacity;
    this.#kept = kept;
  }

  isDry(): boolean {
    return this.#free.length === 0;
  }

  take(): number {
    const index = this.#free.pop();
    if (index !== undefined) return index;
    const fresh = this.#empty.pop() ?? this.#memory.length;
    this.#memory[fresh] = new Uint8Array(this.capacity);
    return fresh;
  }

  bytes(index: number): Uint8Array {
    const memory = this.#memory[index];
    if (memory === undefined) throw new RangeError(`no such buffer: ${index}`);
    return memory;
  }

  /** False if the memory was let go because enough is free. */
  release(index: number): boolean {
    if (this.#free.length < this.#kept) {
      this.#free.push(index);
      return true;
    }
    this.#memory[index] = undefined;
    this.#empty.push(index);
    return false;
  }
}
