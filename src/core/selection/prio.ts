/** Priority: the lowest number that takes the client; servers of one number in turn. */
import { NONE } from '../configuration.js';
import type { ServerTable } from '../server-table.js';
import { selectInTurn } from './round-robin.js';
import type { Selector } from './selector.js';

export class Prio implements Selector {
  readonly name = 'prio';
  /** By number, then by slot. */
  #slots = new Int32Array(0);
  /** Where each number's run ends in `#slots`. */
  #ends: readonly number[] = [];

  configure(table: ServerTable): void {
    const prio = (slot: number) => table.spec(slot).prio;
    const slots = table.slots.toSorted((a, b) => prio(a) - prio(b) || a - b);
    this.#slots = slots;
    this.#ends = [...slots.keys()]
      .map((i) => i + 1)
      .filter((i) => i === slots.length || prio(slots[i - 1]) !== prio(slots[i]));
  }

  select(table: ServerTable, address: ArrayLike<number>, _port: number, isUnix: boolean, nowMs: number): number {
    let start = 0;
    for (let group = 0; group < this.#ends.length; group++) {
      const end = this.#ends[group];
      const slot = selectInTurn(table, this.#slots, start, end, address, isUnix, nowMs);
      if (slot !== NONE) return slot;
      start = end;
    }
    return NONE;
  }
}
