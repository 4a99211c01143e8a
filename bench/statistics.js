/** Medians, and ratios formed within a round, where both sides met the same machine. */

/**
 * @typedef {object} Spread
 * @property {number} median
 * @property {number} min
 * @property {number} max
 */

/**
 * NaN for an empty list.
 * @param {number[]} values
 */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * @param {number[]} values
 * @returns {Spread}
 */
export function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * One by the other, round by round.
 * @param {number[]} ones
 * @param {number[]} others
 */
export function ratios(ones, others) {
  return spread(ones.slice(0, others.length).map((value, round) => value / others[round]));
}
