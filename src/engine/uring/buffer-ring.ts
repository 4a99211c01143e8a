/**
 * A provided buffer ring (IORING_REGISTER_PBUF_RING, kernel 5.19): the kernel takes a buffer from it when data
 * has arrived, so that a socket which waits holds none. The pool starts small and grows by a chunk when it runs
 * low; what it has grown to is bounded by the data in flight, one buffer a direction of a connection.
 *
 *   ring entry (16 bytes): address:64 length:32 buffer id:16 reserved:16
 *   the reserved field of entry 0 is the ring's tail (struct io_uring_buf_ring)
 */
import { ERRNO, SystemError } from '../../sys/errno.js';
import { type Mapping, mapAnonymous, unmap } from '../../sys/memory.js';
import { IORING_REGISTER_PBUF_RING } from '../../sys/uapi/io-uring.js';
import type { Ring } from './ring.js';

const ENTRY_BYTES = 16;
const TAIL_AT = 7; // in 16-bit words
/** The most that a ring can have, because buffer ids are 16 bits and the ring's size a power of two. */
export const MAX_BUFFERS = 32_768;

export interface BufferRingOptions {
  readonly group: number;
  /** Size of a buffer. */
  readonly bufferBytes: number;
  /** Buffers that are added at a time. */
  readonly chunk: number;
  /** The most buffers there will be, at most MAX_BUFFERS. */
  readonly limit: number;
}

export class BufferRing {
  readonly group: number;
  readonly bufferBytes: number;
  readonly #chunk: number;
  readonly #limit: number;
  readonly #ring: Mapping;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  readonly #chunks: Mapping[] = [];
  readonly #addresses = new Float64Array(MAX_BUFFERS);
  readonly #views: Uint8Array[] = [];
  #tail = 0;
  #count = 0;
  #free = 0;
  /** Buffers for `acquire`, kept apart: the kernel is never offered them. */
  readonly #own: number[] = [];
  readonly #isOwn = new Uint8Array(MAX_BUFFERS);

  /** Registers the ring and provides the first chunk; throws a SystemError (EINVAL before kernel 5.19). */
  constructor(ring: Ring, options: BufferRingOptions) {
    this.group = options.group;
    this.bufferBytes = options.bufferBytes;
    this.#chunk = options.chunk;
    this.#limit = Math.min(options.limit, MAX_BUFFERS);
    this.#ring = mapAnonymous(MAX_BUFFERS * ENTRY_BYTES);
    this.#words = new Int32Array(this.#ring.buffer);
    this.#halves = new Uint16Array(this.#ring.buffer);
    register(ring, this.#ring.address, options.group);
    this.#addBuffers(this.#chunk, false);
  }

  /** To be called for each buffer that the kernel has filled and handed to us. */
  took(): void {
    this.#free--;
    if (this.#free < this.#chunk / 4) this.#addBuffers(this.#chunk, false);
  }

  /** A buffer for our own bytes, -1 if the pool is at its end. */
  acquire(): number {
    if (this.#own.length === 0) this.#addBuffers(1, true);
    return this.#own.pop() ?? -1;
  }

  release(id: number): void {
    if (this.#isOwn[id] === 1) this.#own.push(id);
    else this.#provide(id);
  }

  address(id: number): number {
    return this.#addresses[id] as number;
  }

  bytes(id: number): Uint8Array {
    return this.#views[id] as Uint8Array;
  }

  inUse(): number {
    return this.#count - this.#free - this.#own.length;
  }

  poolBytes(): number {
    return this.#count * this.bufferBytes;
  }

  /** True if the kernel has buffers to take. */
  hasFree(): boolean {
    return this.#free > 0;
  }

  close(): void {
    this.#views.length = 0;
    for (const chunk of this.#chunks) unmap(chunk);
    unmap(this.#ring);
  }

  /** Gives a buffer to the kernel. */
  #provide(id: number): void {
    const slot = this.#tail & (MAX_BUFFERS - 1);
    const at = slot * 4;
    const address = this.#addresses[id] as number;
    const high = (address / 4294967296) | 0;
    this.#words[at] = address - high * 4294967296;
    this.#words[at + 1] = high;
    this.#words[at + 2] = this.bufferBytes;
    this.#halves[slot * 8 + 6] = id;
    this.#tail = (this.#tail + 1) & 0xffff;
    // Release: the entry before the tail. (A 16-bit Atomics.store on the tail's own half-word.)
    Atomics.store(this.#halves, TAIL_AT, this.#tail);
    this.#free++;
  }

  #addBuffers(wanted: number, own: boolean): void {
    const count = Math.min(wanted, this.#limit - this.#count);
    if (count <= 0) return;
    const memory = mapAnonymous(count * this.bufferBytes);
    this.#chunks.push(memory);
    for (let i = 0; i < count; i++) {
      const id = this.#count++;
      this.#addresses[id] = memory.address + i * this.bufferBytes;
      this.#views[id] = new Uint8Array(memory.buffer, i * this.bufferBytes, this.bufferBytes);
      this.#isOwn[id] = own ? 1 : 0;
      this.release(id);
    }
  }
}

function register(ring: Ring, address: number, group: number): void {
  // struct io_uring_buf_reg: ring_addr:64 ring_entries:32 bgid:16 flags:16 resv[3]:64
  const argument = mapAnonymous(40);
  const view = new DataView(argument.buffer);
  const high = Math.floor(address / 4294967296);
  view.setUint32(0, address - high * 4294967296, true);
  view.setUint32(4, high, true);
  view.setUint32(8, MAX_BUFFERS, true);
  view.setUint16(12, group, true);
  try {
    ring.register(IORING_REGISTER_PBUF_RING, argument.address, 1);
  } catch (error) {
    if (error instanceof SystemError && error.errno === -ERRNO.EINVAL) {
      throw new SystemError('io_uring_register', ERRNO.ENOSYS, 'provided buffer ring');
    }
    throw error;
  } finally {
    unmap(argument);
  }
}
