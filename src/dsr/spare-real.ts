/** The record of a server that stands outside all tables: that for when no other is, that for clients who are denied. */
import { formatIp, type IpWords } from '../core/address.js';
import { REAL_SERVES, REAL_TAKES_NEW } from './layout.js';
import { addressName } from './neighbours.js';
import type { Reals } from './reals.js';
import { realValueOf } from './record.js';
import type { ControlTables } from './tables.js';

const NO_MAC = new Uint8Array(6);

export class SpareReal {
  readonly #real: number;
  readonly #tables: ControlTables;
  readonly #reals: Reals;
  #address: IpWords | undefined;
  #generation = 0;
  #isWritten = false;

  constructor(real: number, tables: ControlTables, reals: Reals) {
    this.#real = real;
    this.#tables = tables;
    this.#reals = reals;
  }

  get isThere(): boolean {
    return this.#address !== undefined;
  }

  /** What the neighbours know it by; undefined if there is none. */
  get name(): string | undefined {
    return this.#address && addressName(this.#address);
  }

  /** Another server, or none. One that is no more stays in the table until `settle`, as slots may name it. */
  configure(address: IpWords | undefined): void {
    const isSame = address && this.#address && formatIp(address) === formatIp(this.#address);
    this.#address = address;
    if (isSame || !address) return;
    this.#generation = this.#reals.generationOf(this.#real, address);
  }

  /** `mac`: of one that answers. */
  write(mac: Uint8Array | undefined): void {
    if (!this.#address) return;
    const state = mac === undefined ? 0 : REAL_SERVES | REAL_TAKES_NEW;
    const record = { mac: mac ?? NO_MAC, state, generation: this.#generation, vip: 0, address: this.#address };
    this.#tables.setReal(this.#real, realValueOf(record));
    this.#isWritten = true;
  }

  /** No slot names it that should not. */
  settle(): void {
    if (this.#address || !this.#isWritten) return;
    this.#reals.drop(this.#real);
    this.#isWritten = false;
  }
}
