/**
 * How many UDP sessions there are ports and descriptors for. Nobody says so beforehand: it is learnt when they run out.
 * Those of a session that ends are free only after the batch, so room has to be made before that, and the number
 * holds for a while; then it is found out again.
 */

/** At least so many sessions fewer than there were: a batch of new ones, while those they push out are closed. */
const MARGIN = 64;
/** How long the number holds. */
const HOLDS_MS = 60_000;
/** Until it may be found to be less, as what was made room of is free by then. */
const MADE_MS = 100;

export class SessionRoom {
  #sessions = Infinity;
  #sinceMs = -Infinity;

  /** Sessions that there is room for; Infinity: as far as is known, any number. */
  at(nowMs: number): number {
    if (nowMs - this.#sinceMs > HOLDS_MS) this.#sessions = Infinity;
    return this.#sessions;
  }

  /** There was nothing left for another one beside those `sessions`. */
  hasRunOut(sessions: number, nowMs: number): void {
    if (nowMs - this.#sinceMs < MADE_MS) return;
    this.#sessions = Math.max(Math.ceil(sessions / 2), sessions - Math.max(MARGIN, sessions >> 3));
    this.#sinceMs = nowMs;
  }
}
