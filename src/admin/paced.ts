/**
 * Something that is dear to make, for many who ask: who asks while it is being made gets the same, and it is kept for a
 * few times as long as it took, so that however many ask, making it takes a bounded part of the thread.
 */
const KEPT_TIMES = 4;
/** What took long because it gave way is no dearer for it. */
const MOST_KEPT_MS = 1000;

export class Paced<T> {
  readonly #make: () => Promise<T>;
  readonly #nowMs: () => number;
  #latest: Promise<T> | undefined;
  /** Until then the latest is given; while it is being made, for ever. */
  #freshUntilMs = Number.NEGATIVE_INFINITY;

  /** `nowMs` is to be finer than milliseconds: most things take less than one. */
  constructor(make: () => Promise<T>, nowMs: () => number) {
    this.#make = make;
    this.#nowMs = nowMs;
  }

  get(): Promise<T> {
    const startMs = this.#nowMs();
    if (this.#latest && startMs < this.#freshUntilMs) return this.#latest;
    this.#freshUntilMs = Number.POSITIVE_INFINITY;
    this.#latest = this.#make().finally(() => {
      const nowMs = this.#nowMs();
      this.#freshUntilMs = nowMs + Math.min(KEPT_TIMES * (nowMs - startMs), MOST_KEPT_MS);
    });
    return this.#latest;
  }
}
