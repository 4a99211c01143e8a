/** Random numbers for tests that can be had again: xorshift32 (Marsaglia, "Xorshift RNGs", 2003). */

/** A function that gives an integer below its argument. */
export function seededRandom(seed: number): (below: number) => number {
  let state = (seed ^ 0x9e3779b9) | 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return Math.floor(((state >>> 0) / 0x1_0000_0000) * below);
  };
}
