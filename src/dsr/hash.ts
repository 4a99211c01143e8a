/**
 * Where in the Maglev table a client or flow belongs. It is computed only when a flow begins, in the XDP program and
 * here alike, so it is made of what both have: 32-bit multiplications, shifts and exclusive or. Two balancers with the
 * same seed agree. Hot path: positional numbers.
 *
 * Words are numbers as the network orders them, so that the answer does not depend on the machine.
 */

/** Odd, near 2^32 divided by the golden ratio (Knuth, TAOCP 3, 6.4). */
export const HASH_STEP = 0x9e3779b1;
/** Murmur3's finalizer: multiply by the first, then exclusive or with itself shifted right by the second; twice. */
export const HASH_END = [
  [0x85ebca6b, 13],
  [0xc2b2ae35, 16],
] as const;

/** Takes one more word in. */
export function hashWord(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, HASH_STEP);
  return mixed ^ (mixed >>> 15);
}

/** The last step, after which every bit depends on every bit. An unsigned 32-bit integer. */
export function hashEnd(hash: number): number {
  let mixed = hash;
  for (let i = 0; i < HASH_END.length; i++) {
    mixed = Math.imul(mixed, HASH_END[i][0]);
    mixed ^= mixed >>> HASH_END[i][1];
  }
  return mixed >>> 0;
}

/** The slot of an unsigned 32-bit hash: its share of the range, a multiplication and a shift where `%` divides. */
export function slotOf(hash: number, slots: number): number {
  // Below 2^52 for up to 2^20 slots, so exact.
  return Math.floor((hash * slots) / 2 ** 32);
}
