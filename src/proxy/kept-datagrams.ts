/**
 * The last unanswered datagram of each session, in case its server turns out to be dead. One ring for all of a worker's
 * sessions: what is kept is written behind what was kept before, and lasts until the ring has come round to it. A
 * position counts all bytes ever written, so an old one is recognised by itself and nothing has to be freed.
 */

/** How long it lasts: at 100,000 questions of 64 bytes a second, a second and more. */
const LASTING_BYTES = 8 * 1024 * 1024;
/**
 * What may be kept between a `find` and the sending of what it found: 64 slots of datagrams that the kernel has joined, 64 in
 * each, every one rounded up to words. Less, and a client's datagram would go out as another's.
 */
const BATCH_BYTES = 64 * (65_536 + 64 * 3);
/** Size of the ring. */
export const KEPT_BYTES = LASTING_BYTES + Math.ceil(BATCH_BYTES / 4096) * 4096;
/** Larger ones are not kept: they are bulk, whose sender has to expect losses. */
export const KEPT_LENGTH_MAX = 4096;
/** Below that many bytes a loop of our own is quicker than a call into the runtime. */
const SMALL_BYTES = 256;

export class KeptDatagrams {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  #written = 0;

  /** The ring is the first KEPT_BYTES of `memory`, which datagrams are received into further on. */
  constructor(memory: Uint8Array) {
    this.#bytes = memory;
    this.#words = new Int32Array(memory.buffer, memory.byteOffset, memory.length >> 2);
  }

  /** Keeps the datagram at `from` in the memory; returns its position, -1 if it is not kept. */
  keep(from: number, length: number): number {
    if (length > KEPT_LENGTH_MAX) return -1;
    const room = (length + 3) & ~3;
    let to = this.#written % KEPT_BYTES;
    if (to + room > KEPT_BYTES) {
      this.#written += KEPT_BYTES - to;
      to = 0;
    }
    const position = this.#written;
    this.#written += room;
    if (length <= SMALL_BYTES && (from & 3) === 0) {
      const words = this.#words;
      const end = (from + room) >> 2;
      for (let i = from >> 2, j = to >> 2; i < end; i++, j++) words[j] = words[i];
    } else {
      this.#bytes.copyWithin(to, from, from + length);
    }
    return position;
  }

  /** Where it lies in the memory, and will until this batch has been sent; -1 if it does not, or was not kept. */
  find(position: number): number {
    return position < 0 || this.#written - position > LASTING_BYTES ? -1 : position % KEPT_BYTES;
  }
}
