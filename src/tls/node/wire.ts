/** The ciphertext side of a session of `node:tls`: a stream whose bytes come from and go to a socket of the engine below. */
import { Duplex } from 'node:stream';
import type { Engine } from '../../engine/engine.js';

/** Kept for the stream at most, beside what it holds itself. */
const HIGH_WATER = 65_536;

export class Wire extends Duplex {
  readonly #below: Engine;
  readonly #socket: number;
  #isReceiving = false;
  #isEnded = false;
  /** What is being written, and whom to tell when it is. */
  #rest: Uint8Array | undefined;
  #done: ((error?: Error | null) => void) | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(below: Engine, socket: number) {
    super({ highWaterMark: HIGH_WATER, autoDestroy: false });
    this.#below = below;
    this.#socket = socket;
    this.on('error', () => {});
  }

  /** `buffer` is the wire's from now on; 0 or -errno for the end of the stream. */
  received(buffer: number, length: number): void {
    this.#isReceiving = false;
    if (length > 0) {
      // A copy: the stream may keep it for longer than the engine lends.
      const bytes = Buffer.from(this.#below.bytes(buffer).subarray(0, length));
      this.#below.release(buffer);
      this.push(bytes);
    } else {
      this.#isEnded = true;
      if (length === 0) this.push(null);
      else this.destroy(new Error('the connection was reset'));
    }
  }

  sent(result: number): void {
    if (result < 0) this.#finish(new Error('the connection is broken'));
    else this.#writeOn();
  }

  /** Calls back once nothing is being written. */
  whenIdle(callback: () => void): void {
    if (this.#done === undefined) callback();
    else this.#whenIdle = callback;
  }

  override _read(): void {
    if (this.#isReceiving || this.#isEnded) return;
    this.#isReceiving = true;
    this.#below.receive(this.#socket);
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#rest = chunk;
    this.#done = done;
    this.#writeOn();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#below.shutdown(this.#socket);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#isEnded = true;
    done(error);
  }

  #writeOn(): void {
    while (this.#rest !== undefined && this.#rest.length > 0) {
      const buffer = this.#below.acquire(this.#rest.length);
      if (buffer < 0) {
        this.#finish(new Error('no buffer'));
        return;
      }
      const bytes = this.#below.bytes(buffer);
      const length = Math.min(bytes.length, this.#rest.length);
      bytes.set(this.#rest.subarray(0, length));
      this.#rest = this.#rest.subarray(length);
      if (!this.#below.send(this.#socket, buffer, length)) return;
    }
    this.#finish(null);
  }

  #finish(error: Error | null): void {
    const done = this.#done;
    this.#rest = undefined;
    this.#done = undefined;
    done?.(error);
    this.#whenIdle?.();
  }
}
