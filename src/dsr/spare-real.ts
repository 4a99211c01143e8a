/** The record of a server that stands outside all tables: that for when no other is, that for clients who are denied. */
import { REAL_SERVES, REAL_TAKES_NEW } from './layout.js';
import { type Reached, type Target, targetName } from './reach.js';
import type { Reals } from './reals.js';
import { realValueOf } from './record.js';
import type { ControlTables } from './tables.js';

const UNREACHED: Reached = { mac: new Uint8Array(6), tunnel: undefined };

export class SpareReal {
  readonly #real: number;
  readonly #tables: ControlTables;
  readonly #reals: Reals;
  #target: Target | undefined;
  #generation = 0;
  #isWritten = false;

  constructor(real: number, tables: ControlTables, reals: Reals) {
    this.#real = real;
    this.#tables = tables;
    this.#reals = reals;
  }

  get isThere(): boolean {
    return this.#target !== undefined;
  }

  /** What it is known by to those who ask it; undefined if there is none. */
  get name(): string | undefined {
    return this.#target && targetName(this.#target);
  }

  /** Another server, or none. One that is no more stays in the table until `settle`, as slots may name it. */
  configure(target: Target | undefined): void {
    const isSame = target && this.#target && targetName(target) === targetName(this.#target);
    this.#target = target;
    if (isSame || !target) return;
    this.#generation = this.#reals.generationOf(this.#real, target.address);
  }

  /** `reached`: of one that answers. */
  write(reached: Reached | undefined): void {
    if (!this.#target) return;
    const state = reached === undefined ? 0 : REAL_SERVES | REAL_TAKES_NEW;
    const { address } = this.#target;
    const record = { ...(reached ?? UNREACHED), state, generation: this.#generation, vip: 0, address };
    this.#tables.setReal(this.#real, realValueOf(record));
    this.#isWritten = true;
  }

  /** No slot names it that should not. */
  settle(): void {
    if (this.#target || !this.#isWritten) return;
    this.#reals.drop(this.#real);
    this.#isWritten = false;
  }
}
