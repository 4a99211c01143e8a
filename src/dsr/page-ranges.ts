/** Which pages of `slots` are whose: runs of them are taken where the first gap is wide enough. Pure. */

interface Run {
  first: number;
  pages: number;
}

export class PageRanges {
  /** Gaps, in order, none touching the next. */
  readonly #free: Run[];

  /** Page 0 is nobody's: it stays empty, for a VIP that has no table yet. */
  constructor(pages: number) {
    this.#free = [{ first: 1, pages: pages - 1 }];
  }

  /** The first page of a run, undefined if there is no gap as long as that. */
  take(pages: number): number | undefined {
    const index = this.#free.findIndex((run) => run.pages >= pages);
    if (index < 0) return undefined;
    const run = this.#free[index];
    const { first } = run;
    run.first += pages;
    run.pages -= pages;
    if (run.pages === 0) this.#free.splice(index, 1);
    return first;
  }

  /** Gives a run back that was taken. */
  release(first: number, pages: number): void {
    const found = this.#free.findIndex((run) => run.first > first);
    const at = found < 0 ? this.#free.length : found;
    this.#free.splice(at, 0, { first, pages });
    this.#join(at);
    if (at > 0) this.#join(at - 1);
  }

  /** Makes one of a gap and the next if they touch. */
  #join(at: number): void {
    const run = this.#free[at];
    const next = this.#free[at + 1];
    if (next === undefined || run.first + run.pages !== next.first) return;
    run.pages += next.pages;
    this.#free.splice(at + 1, 1);
  }
}
