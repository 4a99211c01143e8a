/** Weight: the fewest connections for its weight; weight 0 takes none. */
import { NONE } from '../configuration.js';
import type { ServerTable } from '../server-table.js';
import type { Selector } from './selector.js';

export class Weight implements Selector {
  readonly name = 'weight';
  #slots = new Int32Array(0);
  #weights = new Int32Array(0);

  configure(table: ServerTable): void {
    this.#slots = table.slots.filter((slot) => table.spec(slot).weight > 0);
    this.#weights = this.#slots.map((slot) => table.spec(slot).weight);
  }

  select(table: ServerTable, address: ArrayLike<number>, _port: number, isUnix: boolean, nowMs: number): number {
    const { state } = table;
    const slots = this.#slots;
    let best = NONE;
    let least = Number.POSITIVE_INFINITY;
    let ties = 0;
    for (let i = 0; i < slots.length; i++) {
      const load = state.connections(slots[i]) / this.#weights[i];
      if (load > least || !table.takes(slots[i], address, isUnix, false, nowMs)) continue;
      ties = load < least ? 1 : ties + 1;
      if (load < least) best = slots[i];
      least = load;
    }
    if (ties < 2) return best;
    // Equals in turn, or the first of them would get all of a quiet hour.
    for (let turns = 0; turns < slots.length; turns++) {
      const i = state.nextInTurn(slots.length, slots[0]);
      if (state.connections(slots[i]) / this.#weights[i] > least) continue;
      if (table.takes(slots[i], address, isUnix, false, nowMs)) return slots[i];
    }
    return best;
  }
}
