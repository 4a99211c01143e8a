/**
 * Maglev tables made lately, as services with the same servers have the same: of 512 that share a farm one is made, which
 * takes a millisecond for 10,007 slots. Who has other servers finds nothing here; of the tables themselves nothing can
 * be kept for them, as in which slots a member stands depends on all others.
 */
import { type MaglevMember, maglevTable } from './maglev.js';

/** So many are kept. To compare takes a tenth of a microsecond for each that differs early, as most do. */
const MOST = 16;

interface Made {
  readonly members: readonly MaglevMember[];
  readonly size: number;
  readonly table: Uint16Array;
}

export class MaglevCache {
  /** The one that was asked for last comes first. */
  #made: Made[] = [];

  /** As `maglevTable` gives it; not to be changed. `members` are not to be changed either. */
  table(members: readonly MaglevMember[], size: number): Uint16Array {
    const place = this.#made.findIndex((made) => made.size === size && isSame(made.members, members));
    const [found] = place < 0 ? [] : this.#made.splice(place, 1);
    const made = found ?? { members, size, table: maglevTable(members, size) };
    this.#made.unshift(made);
    if (this.#made.length > MOST) this.#made.pop();
    return made.table;
  }

  /** Gives the memory back. */
  clear(): void {
    this.#made = [];
  }
}

function isSame(a: readonly MaglevMember[], b: readonly MaglevMember[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i].name !== b[i].name || a[i].weight !== b[i].weight) return false;
  return true;
}
