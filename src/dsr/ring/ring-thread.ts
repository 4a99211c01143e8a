/** A thread of a ring, seen from the control plane's: it is told what has changed, and counts what it does. */
import { Worker } from 'node:worker_threads';
import { libc } from '../../sys/libc.js';
import { createWakePair, type WakePair, writeWake } from '../../sys/wake.js';
import { RING_COUNT_NAMES } from './frame-ring.js';
import type { FromRing, RingStart, ToRing } from './messages.js';

export interface RingThreadEvents {
  /** netmap: a frame that may be an answer to the controller. */
  heard(frame: Uint8Array): void;
  /** It has ended, told to or not; `cause`: what it has thrown. */
  ended(cause: Error | undefined): void;
}

export class RingThread {
  readonly #wake: WakePair = createWakePair();
  readonly #counts = new SharedArrayBuffer(RING_COUNT_NAMES.length * 8);
  readonly #worker: Worker;
  readonly #ended: Promise<void>;

  constructor(start: Omit<RingStart, 'wake' | 'counts'>, { heard, ended }: RingThreadEvents) {
    const workerData: RingStart = { ...start, wake: this.#wake.reads, counts: this.#counts };
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData, name: 'pen-ring' });
    this.#worker.on('message', ({ frame }: FromRing) => heard(frame));
    let cause: Error | undefined;
    this.#worker.on('error', (error: Error) => {
      cause = error;
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        ended(cause);
        resolve();
      });
    });
  }

  /** By RING_COUNTS. */
  counts(): Float64Array {
    return new Float64Array(this.#counts);
  }

  post(message: ToRing): void {
    this.#worker.postMessage(message);
    writeWake(this.#wake.writes);
  }

  /** Resolves when it has ended. */
  async close(): Promise<void> {
    this.post({ type: 'stop' });
    await this.#ended;
    for (const end of new Set([this.#wake.reads, this.#wake.writes])) libc().close(end);
  }
}
