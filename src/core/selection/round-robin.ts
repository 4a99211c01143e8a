/** Round robin: strictly in turn, beginning with server 1 (as C Pen does), over all threads. */
import { NONE } from '../configuration.js';
import type { ServerTable } from '../server-table.js';
import type { Selector } from './selector.js';

export class RoundRobin implements Selector {
  readonly name = 'roundrobin';

  configure(): void {}

  select(table: ServerTable, address: ArrayLike<number>, _port: number, isUnix: boolean, nowMs: number): number {
    return selectInTurn(table, table.slots, 0, table.slots.length, address, isUnix, nowMs);
  }
}

/** The one whose turn it is among `slots[start..end)`, or NONE. */
export function selectInTurn(
  table: ServerTable,
  slots: Int32Array,
  start: number,
  end: number,
  address: ArrayLike<number>,
  isUnix: boolean,
  nowMs: number,
): number {
  const count = end - start;
  if (count === 0) return NONE;
  // A server that is down or full forfeits its turn: walking on to its neighbour instead would give that one two.
  let at = table.state.nextInTurn(count, slots[start]);
  for (let turns = 1; turns < count && !table.isAvailable(slots[start + at], false, nowMs); turns++) {
    at = table.state.nextInTurn(count, slots[start]);
  }
  // One that this client may not use keeps the rest in turn, so here the client walks on.
  for (let i = 0; i < count; i++) {
    const slot = slots[start + ((at + i) % count)];
    if (table.takes(slot, address, isUnix, false, nowMs)) return slot;
  }
  return NONE;
}
