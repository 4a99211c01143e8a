/**
 * A packet ring as the frame loop wants it: what a network card would have finished is finished first, so that the
 * decision sees frames as they are on the wire. The kernel has had its copy of each already, so passing and dropping
 * are one here.
 */
import { ETHERNET_BYTES, EthernetView } from '../../frame/ethernet.js';
import { Offload } from '../../frame/offload.js';
import type { PacketRing } from '../../sys/packet-ring.js';
import { type FrameRing, RING_COUNTS } from './frame-ring.js';

export class PacketFrames implements FrameRing {
  frame: Uint8Array;
  length = 0;
  readonly #ring: PacketRing;
  readonly #mtu: number;
  readonly #link = new EthernetView();
  readonly #offload = new Offload();
  /** Segments of the long frame that are still to be had. */
  #segment = 0;
  #segments = 0;
  #completed = 0;
  #cut = 0;
  #tooLong = 0;

  /** `mtu` of the interface. */
  constructor(ring: PacketRing, mtu: number) {
    this.#ring = ring;
    this.#mtu = mtu;
    this.frame = ring.frame;
  }

  wait(): void {
    this.#ring.wait();
  }

  next(): boolean {
    for (;;) {
      if (this.#segment < this.#segments) {
        if (this.#takeSegment()) return true;
        continue;
      }
      const ring = this.#ring;
      if (!ring.next()) return false;
      if (ring.isLong || this.#isTooLong(ring.frame, ring.length)) {
        this.#beginLong();
        continue;
      }
      this.frame = ring.frame;
      this.length = ring.length;
      if (ring.isUnfinished) {
        this.#offload.complete(this.frame, this.length);
        this.#completed++;
      }
      return true;
    }
  }

  transmit(length: number): void {
    this.#ring.transmit(length);
  }

  /** Of a long frame the rest would pass as well. */
  pass(): void {
    this.#segment = this.#segments;
  }

  flush(): void {
    this.#ring.flush();
  }

  count(counts: Float64Array): void {
    counts[RING_COUNTS.lost] = this.#ring.lost;
    counts[RING_COUNTS.completed] = this.#completed;
    counts[RING_COUNTS.cut] = this.#cut;
    counts[RING_COUNTS.tooLong] = this.#tooLong;
  }

  #isTooLong(frame: Uint8Array, length: number): boolean {
    if (length <= this.#mtu + ETHERNET_BYTES) return false;
    return !this.#link.read(frame, length) || length - this.#link.payloadAt > this.#mtu;
  }

  #beginLong(): void {
    const ring = this.#ring;
    // What is cut lies where no slot is; a frame just over the mtu is in one.
    const long = ring.isLong ? ring.frame : ring.setAside();
    this.#offload.begin(long, ring.length, this.#mtu);
    this.#segment = 0;
    this.#segments = this.#offload.segments;
    if (this.#segments === 0) this.#tooLong++;
    else this.#cut++;
  }

  #takeSegment(): boolean {
    const slot = this.#ring.spare();
    const number = this.#segment++;
    if (slot === undefined) return false;
    this.length = this.#offload.segment(number, this.#ring.long, slot);
    this.frame = slot;
    return true;
  }
}
