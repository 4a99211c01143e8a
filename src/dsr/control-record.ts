/** The one entry of `control`: what the program has to know that is no VIP's and no server's. Written when it changes. */
import type { IpWords } from '../core/address.js';
import { ANSWERS_PER_WINDOW, EPOCH_MS } from './layout.js';
import { addressBytes, controlValueOf } from './record.js';
import type { ControlTables } from './tables.js';

export interface ControlRecordOptions {
  readonly tables: Pick<ControlTables, 'setControl'>;
  /** Of the hash. */
  readonly seed: number;
  /** Where tunnels of a family begin; the interface may get and lose these addresses. */
  source(family: 4 | 6): IpWords | undefined;
  /** Goes on from an earlier process's: none of its fragments is met again as new. */
  readonly epoch: number;
}

/** What changes by what the controller does. */
export interface Controlled {
  readonly mac: Uint8Array;
  /** The latest that was given to a server. */
  readonly generation: number;
  /** Of its sequence numbers; undefined where the tarpit is nobody's, or another's. */
  readonly tarpitKey: readonly [number, number] | undefined;
}

export class ControlRecord {
  readonly #options: ControlRecordOptions;
  /** What is written, as text. */
  #written = '';
  #epoch: number;
  #nextEpochMs = 0;

  constructor(options: ControlRecordOptions) {
    this.#options = options;
    this.#epoch = options.epoch;
  }

  /** Begins another epoch if the time has come. */
  tick(nowMs: number): void {
    if (nowMs < this.#nextEpochMs) return;
    this.#epoch++;
    this.#nextEpochMs = nowMs + EPOCH_MS;
  }

  /** The next `tick` begins an epoch. */
  endEpoch(nowMs: number): void {
    this.#nextEpochMs = nowMs;
  }

  write(controlled: Controlled): void {
    const { tables, seed } = this.#options;
    const [v4, v6] = [this.#options.source(4), this.#options.source(6)];
    const sources = { sourceV4: v4 && addressBytes(v4).slice(12), sourceV6: v6 && addressBytes(v6) };
    const value = controlValueOf({ ...controlled, ...sources, seed, epoch: this.#epoch, answers: ANSWERS_PER_WINDOW });
    const text = Buffer.from(value).toString('latin1');
    if (text === this.#written) return;
    tables.setControl(value);
    this.#written = text;
  }
}
