/** A netmap port as the frame loop wants it. */
import type { NetmapPort } from '../../sys/netmap-port.js';
import { type FrameRing, RING_COUNTS } from './frame-ring.js';

export class NetmapFrames implements FrameRing {
  readonly #port: NetmapPort;

  constructor(port: NetmapPort) {
    this.#port = port;
  }

  get frame(): Uint8Array {
    return this.#port.frame;
  }

  get length(): number {
    return this.#port.length;
  }

  wait(): void {
    this.#port.wait();
  }

  next(): boolean {
    return this.#port.next();
  }

  transmit(length: number): void {
    this.#port.transmit(length);
  }

  pass(): void {
    this.#port.pass();
  }

  flush(): void {
    this.#port.flush();
  }

  count(counts: Float64Array): void {
    counts[RING_COUNTS.lost] = this.#port.lost;
    counts[RING_COUNTS.tooLong] = this.#port.tooLong;
  }
}
