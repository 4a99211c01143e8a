/** A queue in the order of time, for what comes nearly in it: of the same time the first that came is the first. */
export class TimeQueue<T extends { readonly timeSec: number }> {
  readonly #entries: T[] = [];

  get length(): number {
    return this.#entries.length;
  }

  add(entry: T): void {
    const last = this.#entries.at(-1);
    if (last === undefined || last.timeSec <= entry.timeSec) this.#entries.push(entry);
    else this.#entries.splice(this.#placeOf(entry.timeSec), 0, entry);
  }

  /** Takes the first, if its time is not later than that. */
  takeUntil(timeSec: number): T | undefined {
    const [first] = this.#entries;
    return first !== undefined && first.timeSec <= timeSec ? this.#entries.shift() : undefined;
  }

  /** Behind all that are not later. */
  #placeOf(timeSec: number): number {
    let low = 0;
    for (let high = this.#entries.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle].timeSec <= timeSec) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
