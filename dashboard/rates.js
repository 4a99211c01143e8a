/** Counters that only grow, seen again and again, and what they make a second. */

/** Long enough to be calm, short enough to see a failure. */
const WINDOW_MS = 5000;

/** @template K */
export class Rates {
  /** The oldest is a window ago. @type {{ timeMs: number, counts: Map<K, Record<string, number>> }[]} */
  #moments = [];

  /** @param {number} timeMs @param {Map<K, Record<string, number>>} counts */
  add(timeMs, counts) {
    // Pen, or its clock, has begun anew.
    if (timeMs < (this.#moments.at(-1)?.timeMs ?? 0)) this.#moments = [];
    this.#moments.push({ timeMs, counts });
    while (this.#moments.length > 2 && timeMs - (this.#moments[0]?.timeMs ?? 0) > WINDOW_MS) this.#moments.shift();
  }

  /** A second's worth of what grows under that key. @param {K} key @param {string} name */
  of(key, name) {
    return this.grown(key, name) / this.#seconds(key);
  }

  /** By how much it has grown within the window. @param {K} key @param {string} name */
  grown(key, name) {
    const now = this.#moments.at(-1)?.counts.get(key)?.[name] ?? 0;
    return Math.max(0, now - (this.#first(key)?.counts.get(key)?.[name] ?? now));
  }

  /** @param {K} key */
  #seconds(key) {
    const first = this.#first(key);
    return Math.max(0.001, ((this.#moments.at(-1)?.timeMs ?? 0) - (first?.timeMs ?? 0)) / 1000);
  }

  /** @param {K} key */
  #first(key) {
    return this.#moments.find(({ counts }) => counts.has(key));
  }
}
