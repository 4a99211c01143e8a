/**
 * Reading a ring buffer map: records of any length that programs on all CPUs append, in order. Layout of its mapping
 * (kernel/bpf/ringbuf.c), the data twice in a row so that no record is ever cut:
 *
 *   page 0            page 1             page 2 ...
 *   consumer position │ producer position │ data (size) │ the same data again │
 *      we write       │ the kernel writes; we may only read                  │
 *
 * A record is a length (32 bits, the top two are flags), 4 bytes of the kernel's own, the data, and padding to 8.
 *
 * Memory order: positions and lengths are written by programs on other CPUs, so those, and only those, are read with
 * Atomics: a record's data is complete once its busy bit is seen clear, and it may be overwritten once our position,
 * stored with Atomics, is past it.
 */
import { libc } from '../sys/libc.js';
import { type Mapping, map, mapReadOnly, unmap } from '../sys/memory.js';
import { BPF_RINGBUF_BUSY_BIT, BPF_RINGBUF_DISCARD_BIT, BPF_RINGBUF_HDR_SZ } from '../sys/uapi/bpf.js';
import { MAP_SHARED } from '../sys/uapi/mman.js';

const LENGTH_MASK = ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT) >>> 0;

export class RingBufferReader {
  readonly #consumerPage: Mapping;
  readonly #producerPages: Mapping;
  readonly #consumer: BigInt64Array;
  readonly #producer: BigInt64Array;
  readonly #data: Uint8Array;
  readonly #lengths: Int32Array;
  readonly #mask: bigint;
  #isClosed = false;

  /** Reads the map, of which there should be no second reader. The caller closes both. */
  constructor(ring: { readonly fd: number; readonly spec: { readonly maxEntries: number } }) {
    const page = libc().getpagesize();
    const size = ring.spec.maxEntries;
    this.#consumerPage = map(page, MAP_SHARED, ring.fd, 0);
    try {
      this.#producerPages = mapReadOnly(page + 2 * size, MAP_SHARED, ring.fd, page);
    } catch (error) {
      unmap(this.#consumerPage);
      throw error;
    }
    this.#consumer = new BigInt64Array(this.#consumerPage.buffer, 0, 1);
    this.#producer = new BigInt64Array(this.#producerPages.buffer, 0, 1);
    this.#data = new Uint8Array(this.#producerPages.buffer, page);
    this.#lengths = new Int32Array(this.#producerPages.buffer, page);
    this.#mask = BigInt(size - 1);
  }

  /**
   * Hands over every record that is complete, oldest first, and gives their number. `take` gets a view of the ring
   * itself: it must not keep it. Does not wait.
   */
  drain(take: (record: Uint8Array) => void): number {
    if (this.#isClosed) throw new Error('the ring buffer reader has been closed');
    let taken = 0;
    let position = Atomics.load(this.#consumer, 0);
    const end = Atomics.load(this.#producer, 0);
    while (position < end) {
      const at = Number(position & this.#mask);
      const header = Atomics.load(this.#lengths, at / 4) >>> 0;
      if ((header & BPF_RINGBUF_BUSY_BIT) !== 0) break;
      const length = header & LENGTH_MASK;
      // The record is given back even if `take` throws: it would throw again for ever.
      try {
        if ((header & BPF_RINGBUF_DISCARD_BIT) === 0) {
          taken++;
          take(this.#data.subarray(at + BPF_RINGBUF_HDR_SZ, at + BPF_RINGBUF_HDR_SZ + length));
        }
      } finally {
        position += BigInt(Math.ceil((length + BPF_RINGBUF_HDR_SZ) / 8) * 8);
        Atomics.store(this.#consumer, 0, position);
      }
    }
    return taken;
  }

  /** Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    unmap(this.#consumerPage);
    unmap(this.#producerPages);
  }
}
