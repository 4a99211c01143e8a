/** Which pages of `slots` are whose: runs of them are taken where the first gap is wide enough. Pure. */

interface Run {
  first: number;
  pages: number;
}

/** A run that is taken. */
export interface Taken {
  readonly first: number;
  readonly pages: number;
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

  /**
   * The same as `take` where gaps are wide enough only all together: has runs moved to other gaps until one is. `move` does
   * it, the new place in its hands, before the old one is given back. undefined if that does not help.
   */
  makeRoom<T extends Taken>(pages: number, taken: Iterable<T>, move: (run: T, to: number) => void): number | undefined {
    const runs = [...taken].sort((a, b) => a.first - b.first);
    const places = runs.map(({ first }) => first);
    // What went to the end in the first round may be in the way of nothing in the second.
    for (let round = 0; round < 2; round++) {
      for (const [i, run] of runs.entries()) {
        const to = this.take(run.pages);
        if (to === undefined) continue;
        move(run, to);
        this.release(places[i], run.pages);
        places[i] = to;
        const found = this.take(pages);
        if (found !== undefined) return found;
      }
    }
    return undefined;
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
