/**
 * A kernel for netmap that plays its part in ordinary memory, written from <net/netmap.h> and netmap(4) and sharing no
 * number with what it is to test: one pair of rings for the card, one for the host, each slot with a buffer of its own.
 */
import { type NetmapKernel, NetmapPort } from './netmap-port.js';

const SLOTS = 16;
const BUFFER_BYTES = 4096;
const IF_AT = 512;
const RING_BYTES = 256 + SLOTS * 16;
const BUFFERS_AT = 8192;

/** In the order of the header. */
const CARD_TX = 0;
const HOST_TX = 1;
const CARD_RX = 2;
const HOST_RX = 3;
const RINGS = 4;

export class SimulatedNetmapKernel implements NetmapKernel {
  readonly port: NetmapPort;
  /** What has left by the card, and what the host was given, in order. */
  readonly sent: Uint8Array[] = [];
  readonly passed: Uint8Array[] = [];
  /** False: the card sends nothing. */
  isSending = true;
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  /** By ring: the slot that the kernel is at. */
  readonly #mine = [0, 0, 0, 0];

  constructor() {
    const memory = new ArrayBuffer(BUFFERS_AT + (RINGS * SLOTS + 2) * BUFFER_BYTES);
    this.#view = new DataView(memory);
    this.#bytes = new Uint8Array(memory).fill(0xa5);
    const set = (at: number, value: number) => this.#view.setUint32(at, value, true);
    for (const [field, value] of [
      [24, 1],
      [28, 1],
      [36, 1],
      [40, 1],
    ])
      set(IF_AT + field, value);
    for (let ring = 0; ring < RINGS; ring++) {
      const at = this.#ringAt(ring);
      this.#view.setBigInt64(IF_AT + 56 + ring * 8, BigInt(at - IF_AT), true);
      this.#view.setBigInt64(at, BigInt(BUFFERS_AT - at), true);
      set(at + 8, SLOTS);
      set(at + 12, BUFFER_BYTES);
      set(at + 20, 0);
      set(at + 24, 0);
      // Of a transmit ring all slots but one are the program's, of a receive ring none.
      set(at + 28, ring <= HOST_TX ? SLOTS - 1 : 0);
      for (let slot = 0; slot < SLOTS; slot++) {
        // Buffers 0 and 1 are never used, as in netmap.
        set(this.#slotAt(ring, slot), 2 + ring * SLOTS + slot);
        this.#view.setUint16(this.#slotAt(ring, slot) + 4, 0, true);
        this.#view.setUint16(this.#slotAt(ring, slot) + 6, 0, true);
      }
    }
    this.port = new NetmapPort(memory, IF_AT, this);
  }

  /** A frame comes by the card, in so many slots; false if there is no room. */
  receive(frame: Uint8Array, slots = 1): boolean {
    return this.#put(CARD_RX, frame, slots);
  }

  /** The host sends one. */
  hostSends(frame: Uint8Array): boolean {
    return this.#put(HOST_RX, frame, 1);
  }

  wait(): void {
    if (this.isSending) this.#drain(CARD_TX, this.sent);
    this.#drain(HOST_TX, this.passed);
  }

  /** The buffers that slots name, of all rings: each is to be named once. */
  buffers(): number[] {
    return Array.from({ length: RINGS * SLOTS }, (_, i) =>
      this.#view.getUint32(this.#slotAt(Math.floor(i / SLOTS), i % SLOTS), true),
    );
  }

  #put(ring: number, frame: Uint8Array, slots: number): boolean {
    const at = this.#ringAt(ring);
    const each = Math.ceil(frame.length / slots);
    for (let part = 0; part < slots; part++) {
      const slot = this.#mine[ring];
      const next = (slot + 1) % SLOTS;
      if (next === this.#view.getUint32(at + 20, true)) return false;
      const slotAt = this.#slotAt(ring, slot);
      const bytes = frame.subarray(part * each, (part + 1) * each);
      this.#bytes.set(bytes, BUFFERS_AT + this.#view.getUint32(slotAt, true) * BUFFER_BYTES);
      this.#view.setUint16(slotAt + 4, bytes.length, true);
      this.#view.setUint16(slotAt + 6, part === slots - 1 ? 0 : 0x20, true);
      this.#mine[ring] = next;
    }
    this.#view.setUint32(at + 28, this.#mine[ring], true);
    return true;
  }

  /** Takes what lies before the head, and gives the slots back. */
  #drain(ring: number, to: Uint8Array[]): void {
    const at = this.#ringAt(ring);
    const head = this.#view.getUint32(at + 20, true);
    for (let slot = this.#mine[ring]; slot !== head; slot = (slot + 1) % SLOTS) {
      const slotAt = this.#slotAt(ring, slot);
      const from = BUFFERS_AT + this.#view.getUint32(slotAt, true) * BUFFER_BYTES;
      to.push(this.#bytes.slice(from, from + this.#view.getUint16(slotAt + 4, true)));
    }
    this.#mine[ring] = head;
    this.#view.setUint32(at + 28, (head + SLOTS - 1) % SLOTS, true);
  }

  #ringAt(ring: number): number {
    return 1024 + ring * RING_BYTES;
  }

  #slotAt(ring: number, slot: number): number {
    return this.#ringAt(ring) + 256 + slot * 16;
  }
}
