/**
 * Access control lists: the first entry that matches decides, the end of the list means the opposite of its last
 * entry, an empty list permits all. Tuple space search (Srinivasan, Suri and Varghese, SIGCOMM 1999): entries
 * with the same mask share a hash table from masked address to the first such entry, so a look-up costs one
 * probe for each distinct mask, and not one comparison for each entry.
 */
import { type IpWords, isV4 } from './address.js';
import { halfSipHash } from './siphash.js';

/**
 * IPv4 is the mapped form, its mask 96 ones and then the dotted mask, which need not be contiguous. A mask that
 * does not cover the mapped prefix belongs to IPv6 and matches no IPv4 client: ::/0 is every IPv6 address.
 */
export type AclEntry = { readonly permit: boolean } & (
  | { readonly kind: 'network'; readonly address: IpWords; readonly mask: IpWords }
  | { readonly kind: 'country'; readonly country: string }
);

type NetworkEntry = Extract<AclEntry, { kind: 'network' }>;

export class Acl {
  readonly #tuples: readonly Tuple[];
  readonly #permit: Uint8Array;
  /** What the end of the list means. */
  readonly #otherwise: boolean;

  constructor(entries: readonly AclEntry[]) {
    const byMask = new Map<string, { entry: NetworkEntry; index: number }[]>();
    for (const [index, entry] of entries.entries()) {
      // No country database is shipped: such an entry matches nobody (control refuses it).
      if (entry.kind !== 'network') continue;
      const key = entry.mask.join();
      const group = byMask.get(key);
      if (group) group.push({ entry, index });
      else byMask.set(key, [{ entry, index }]);
    }
    this.#tuples = [...byMask.values()].map((group) => new Tuple(group)).sort((a, b) => a.first - b.first);
    this.#permit = Uint8Array.from(entries, (entry) => Number(entry.permit));
    this.#otherwise = !(entries.at(-1)?.permit ?? false);
  }

  permits(address: ArrayLike<number>): boolean {
    const v4 = isV4(address);
    const end = this.#permit.length;
    let match = end;
    for (let i = 0; i < this.#tuples.length; i++) {
      const tuple = this.#tuples[i];
      // Sorted by first entry: no later tuple can hold an earlier match.
      if (tuple.first > match) break;
      if (v4 && !tuple.coversV4) continue;
      match = Math.min(match, tuple.find(address, end));
    }
    return match < end ? this.#permit[match] === 1 : this.#otherwise;
  }
}

/** A row of the table: the masked address, then the entry's index plus one (0 = free). */
const ROW = 5;

/** All entries with one mask: an open-addressed table at most half full. */
class Tuple {
  /** The lowest index of its entries. */
  readonly first: number;
  readonly coversV4: boolean;
  readonly #mask: IpWords;
  readonly #rows: Int32Array;
  readonly #rowMask: number;
  readonly #masked = new Int32Array(4);

  constructor(group: readonly { entry: NetworkEntry; index: number }[]) {
    this.first = group[0].index;
    this.#mask = group[0].entry.mask;
    this.coversV4 = this.#mask[0] === -1 && this.#mask[1] === -1 && this.#mask[2] === -1;
    const rows = 2 ** Math.ceil(Math.log2(group.length * 2));
    this.#rowMask = rows - 1;
    this.#rows = new Int32Array(rows * ROW);
    for (const { entry, index } of group) {
      const row = this.#row(entry.address);
      // An entry that repeats an earlier one never decides.
      if (this.#rows[row + 4] !== 0) continue;
      this.#rows.set(this.#masked, row);
      this.#rows[row + 4] = index + 1;
    }
  }

  /** The lowest index of an entry that matches, or `none`. */
  find(address: ArrayLike<number>, none: number): number {
    const found = this.#rows[this.#row(address) + 4];
    return found === 0 ? none : found - 1;
  }

  /** Where the masked address stands, or the free row where it would. */
  #row(address: ArrayLike<number>): number {
    const masked = this.#masked;
    for (let i = 0; i < 4; i++) masked[i] = address[i] & this.#mask[i];
    const rows = this.#rows;
    // The key may be known: what stands in the table is the operator's.
    for (let at = halfSipHash(masked, 4, 0, 0); ; at++) {
      const row = (at & this.#rowMask) * ROW;
      if (
        rows[row + 4] === 0 ||
        (rows[row] === masked[0] &&
          rows[row + 1] === masked[1] &&
          rows[row + 2] === masked[2] &&
          rows[row + 3] === masked[3])
      ) {
        return row;
      }
    }
  }
}
