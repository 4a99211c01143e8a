/**
 * A network card's rings in netmap mode, and the host's: memory shared with the kernel, in which each slot names a buffer.
 * The card belongs to us alone, so what is the host's is handed to it here, and what it sends to the card. Frames
 * are never copied: the slot that a frame leaves by and the one it came in exchange their buffers.
 *
 *   card ── receive rings ──► here ──► transmit rings ── card
 *   host ◄── its transmit ring ┘  ▲
 *   host ──── its receive ring ───┘
 *
 * From `head` to before `tail` slots are ours; what is before `head` the kernel takes back when it is asked to look
 * (poll). Written from the header alone and tested on memory in which a simulated kernel plays its part: it has never met a
 * FreeBSD kernel (docs/platforms.md). Nothing is allocated for a frame, but once a view for each buffer.
 */
import { NETMAP_IF, NETMAP_RING, NETMAP_SLOT, NS_BUF_CHANGED, NS_MOREFRAG } from './uapi/netmap.js';

/** What the port needs of the kernel. */
export interface NetmapKernel {
  /** Shows it what was done and blocks until frames have come, or somebody wakes this thread. */
  wait(): void;
}

interface Ring {
  readonly at: number;
  readonly slots: number;
  /** Where buffer 0 lies. */
  readonly buffersAt: number;
  readonly bufferBytes: number;
  /** The next slot; told to the kernel by `flush`. */
  next: number;
}

export class NetmapPort {
  frame: Uint8Array = new Uint8Array(0);
  length = 0;
  /** Frames for which there was no slot. */
  lost = 0;
  /** Frames of several slots, which are dropped. */
  tooLong = 0;
  readonly #kernel: NetmapKernel;
  readonly #memory: ArrayBuffer;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  readonly #transmits: readonly Ring[];
  readonly #toHost: readonly Ring[];
  readonly #receives: readonly Ring[];
  readonly #fromHost: readonly Ring[];
  /** By number, made when first met. */
  readonly #buffers: Uint8Array[] = [];
  /** The ring that is being read, and the slot of the frame that was taken, -1 if none was. */
  #reading = 0;
  #slotAt = -1;

  /** `interfaceAt`: where the structure about the interface lies. */
  constructor(memory: ArrayBuffer, interfaceAt: number, kernel: NetmapKernel) {
    this.#memory = memory;
    this.#kernel = kernel;
    this.#words = new Int32Array(memory);
    this.#halves = new Uint16Array(memory);
    const view = new DataView(memory);
    const count = (field: number) => view.getUint32(interfaceAt + field, true);
    let number = 0;
    const rings = (field: number) =>
      Array.from({ length: count(field) }, () => {
        const offset = view.getBigInt64(interfaceAt + NETMAP_IF.rings + number++ * 8, true);
        return this.#ringAt(view, interfaceAt + Number(offset));
      });
    this.#transmits = rings(NETMAP_IF.transmitRings);
    this.#toHost = rings(NETMAP_IF.hostTransmitRings);
    this.#receives = rings(NETMAP_IF.receiveRings);
    this.#fromHost = rings(NETMAP_IF.hostReceiveRings);
  }

  wait(): void {
    this.#kernel.wait();
  }

  /** Takes the next frame that has come by the card; the last one is given up unless it went somewhere. */
  next(): boolean {
    for (let tried = 0; tried <= this.#receives.length; ) {
      const ring = this.#receives[this.#reading];
      if (!this.#hasSlot(ring)) {
        this.#reading = this.#reading + 1 === this.#receives.length ? 0 : this.#reading + 1;
        tried++;
        continue;
      }
      if (this.#isWhole(ring)) {
        this.#slotAt = slotOf(ring);
        this.frame = this.#bufferOf(ring, this.#slotAt);
        this.length = this.#halves[(this.#slotAt + NETMAP_SLOT.length) >> 1];
        advance(ring);
        return true;
      }
    }
    this.#slotAt = -1;
    return false;
  }

  /** The frame leaves by the card, so long by now. */
  transmit(length: number): void {
    this.#give(this.#slotAt, this.#transmits, this.#reading, length);
  }

  /** The frame is the host's. */
  pass(): void {
    this.#give(this.#slotAt, this.#toHost, this.#reading, this.length);
  }

  /** Sends a frame that was made here. */
  send(frame: Uint8Array): void {
    const ring = this.#transmits[0];
    if (!this.#hasSlot(ring) || frame.length > ring.bufferBytes) {
      this.lost++;
      return;
    }
    const at = slotOf(ring);
    this.#bufferOf(ring, at).set(frame);
    this.#halves[(at + NETMAP_SLOT.length) >> 1] = frame.length;
    this.#halves[(at + NETMAP_SLOT.flags) >> 1] = 0;
    advance(ring);
  }

  /** Hands on what the host sends, and lets the kernel know how far we are: it looks when we next wait. */
  flush(): void {
    for (let number = 0; number < this.#fromHost.length; number++) {
      const ring = this.#fromHost[number];
      while (this.#hasSlot(ring)) {
        const at = slotOf(ring);
        this.#give(at, this.#transmits, number, this.#halves[(at + NETMAP_SLOT.length) >> 1]);
        advance(ring);
      }
    }
    this.#tell(this.#transmits);
    this.#tell(this.#toHost);
    this.#tell(this.#receives);
    this.#tell(this.#fromHost);
  }

  /** Exchanges the buffers of a slot and of the next one of a ring. */
  #give(from: number, rings: readonly Ring[], number: number, length: number): void {
    const ring = rings[number % rings.length];
    if (!this.#hasSlot(ring)) {
      this.lost++;
      return;
    }
    const to = slotOf(ring);
    const buffer = this.#words[(from + NETMAP_SLOT.buffer) >> 2];
    this.#words[(from + NETMAP_SLOT.buffer) >> 2] = this.#words[(to + NETMAP_SLOT.buffer) >> 2];
    this.#words[(to + NETMAP_SLOT.buffer) >> 2] = buffer;
    this.#halves[(to + NETMAP_SLOT.length) >> 1] = length;
    this.#halves[(from + NETMAP_SLOT.flags) >> 1] = NS_BUF_CHANGED;
    this.#halves[(to + NETMAP_SLOT.flags) >> 1] = NS_BUF_CHANGED;
    advance(ring);
  }

  /** False for a frame that goes on in other slots, which are skipped with it. */
  #isWhole(ring: Ring): boolean {
    if (!this.#goesOn(ring)) return true;
    this.tooLong++;
    while (this.#hasSlot(ring) && this.#goesOn(ring)) advance(ring);
    if (this.#hasSlot(ring)) advance(ring);
    return false;
  }

  #goesOn(ring: Ring): boolean {
    return (this.#halves[(slotOf(ring) + NETMAP_SLOT.flags) >> 1] & NS_MOREFRAG) !== 0;
  }

  #hasSlot(ring: Ring): boolean {
    // Acquires what the kernel wrote before it moved the tail.
    return ring.next !== Atomics.load(this.#words, (ring.at + NETMAP_RING.tail) >> 2);
  }

  #tell(rings: readonly Ring[]): void {
    for (let number = 0; number < rings.length; number++) {
      const { at, next } = rings[number];
      this.#words[(at + NETMAP_RING.cur) >> 2] = next;
      Atomics.store(this.#words, (at + NETMAP_RING.head) >> 2, next);
    }
  }

  #bufferOf(ring: Ring, slotAt: number): Uint8Array {
    const number = this.#words[(slotAt + NETMAP_SLOT.buffer) >> 2];
    let buffer = this.#buffers[number];
    if (buffer === undefined) {
      buffer = new Uint8Array(this.#memory, ring.buffersAt + number * ring.bufferBytes, ring.bufferBytes);
      this.#buffers[number] = buffer;
    }
    return buffer;
  }

  #ringAt(view: DataView, at: number): Ring {
    return {
      at,
      slots: view.getUint32(at + NETMAP_RING.slots, true),
      buffersAt: at + Number(view.getBigInt64(at + NETMAP_RING.buffersAt, true)),
      bufferBytes: view.getUint32(at + NETMAP_RING.bufferBytes, true),
      next: view.getUint32(at + NETMAP_RING.head, true),
    };
  }
}

/** Where the next slot of a ring lies. */
function slotOf({ at, next }: Ring): number {
  return at + NETMAP_RING.slot + next * NETMAP_SLOT.bytes;
}

function advance(ring: Ring): void {
  ring.next = ring.next + 1 === ring.slots ? 0 : ring.next + 1;
}
