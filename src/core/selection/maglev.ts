/**
 * Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
 * section 3.4): a look-up table in which each member has its share to within a per cent, and in which few slots
 * change hands besides those of a member that comes or goes.
 */
import { halfSipHash } from '../siphash.js';

export interface MaglevMember {
  /** What the member is called in every table it is part of; unique in one table. */
  readonly name: string;
  /** Its share relative to the others', 0 = none. */
  readonly weight: number;
}

/** Primes, as the permutations need; the paper's own two. */
const SIZES = [65_537, 655_373];
/** Slots a member should have for shares within one per cent (section 5.3 of the paper). */
const SLOTS_EACH = 100;

/** The size of a table for so many members. It depends on little, since another size moves everybody. */
export function maglevSize(members: number): number {
  return SIZES.find((size) => size >= members * SLOTS_EACH) ?? SIZES[SIZES.length - 1];
}

/** The table: slot -> index in `members`, of whom there are at most 65,536. Empty if nobody has a weight. */
export function maglevTable(members: readonly MaglevMember[], size = maglevSize(members.length)): Uint16Array {
  const heaviest = members.reduce((most, { weight }) => Math.max(most, weight), 0);
  if (heaviest === 0) return new Uint16Array(0);
  const names = members.map(({ name }) => Uint16Array.from(name, (char) => char.charCodeAt(0)));
  // Each member's permutation: start somewhere, go on by a fixed step; all slots come up, the size being prime.
  const next = Int32Array.from(names, (name) => halfSipHash(name, name.length, 0, 1) % size);
  const skip = Int32Array.from(names, (name) => (halfSipHash(name, name.length, 0, 2) % (size - 1)) + 1);
  const credit = new Float64Array(members.length);
  const table = new Uint16Array(size);
  const taken = new Uint8Array(size);
  for (let left = size; ; ) {
    for (let i = 0; i < members.length; i++) {
      // A turn for the heaviest in each round, for the others as often as their weight says.
      credit[i] += members[i].weight;
      if (credit[i] < heaviest) continue;
      credit[i] -= heaviest;
      // Both are less than the size: to subtract takes a quarter of the time of a remainder.
      let place = next[i];
      while (taken[place] === 1) {
        place += skip[i];
        if (place >= size) place -= size;
      }
      next[i] = place;
      taken[place] = 1;
      table[place] = i;
      if (--left === 0) return table;
    }
  }
}
