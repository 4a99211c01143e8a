/**
 * Which clients have asked what, in the order in which they asked: a bounded table whose every operation takes the same
 * time, however many requests it holds. An answer takes the oldest client that asked for the same thing of the same server;
 * where all have been taken the last one counts, as long as it is remembered. When the table is full the oldest request goes.
 *
 *   ring of entries   │ a │ b │ a │ c │ a │   (the next one overwrites the oldest)
 *   chain of each key   a ──────► a ──────► a, from the oldest that has not been taken
 */

interface Chain {
  /** The oldest entry that has not been taken, NONE if all have been. */
  head: number;
  tail: number;
  /** Entries in the ring, taken ones too. */
  entries: number;
  lastTaken: string | undefined;
}

const NONE = -1;

export class RequestTable {
  readonly #keys: (string | undefined)[];
  readonly #clients: string[];
  readonly #timesSec: Float64Array;
  readonly #next: Int32Array;
  readonly #chains = new Map<string, Chain>();
  #place = 0;

  /** At least 1. */
  constructor(capacity: number) {
    this.#keys = new Array<string | undefined>(capacity).fill(undefined);
    this.#clients = new Array<string>(capacity).fill('');
    this.#timesSec = new Float64Array(capacity);
    this.#next = new Int32Array(capacity);
  }

  add(key: string, client: string, timeSec = 0): void {
    const at = this.#place;
    this.#place = (at + 1) % this.#keys.length;
    this.#forget(at);
    this.#keys[at] = key;
    this.#clients[at] = client;
    this.#timesSec[at] = timeSec;
    this.#next[at] = NONE;
    const chain = this.#chains.get(key);
    if (chain === undefined) {
      this.#chains.set(key, { head: at, tail: at, entries: 1, lastTaken: undefined });
      return;
    }
    if (chain.head === NONE) chain.head = at;
    else this.#next[chain.tail] = at;
    chain.tail = at;
    chain.entries++;
  }

  /** The client of the oldest such request that has not been taken, and is not older than `sinceSec`. */
  take(key: string, sinceSec = Number.NEGATIVE_INFINITY): string | undefined {
    const chain = this.#chains.get(key);
    if (chain === undefined) return undefined;
    while (chain.head !== NONE) {
      const at = chain.head;
      chain.head = this.#next[at];
      if (this.#timesSec[at] < sinceSec) continue;
      chain.lastTaken = this.#clients[at];
      return chain.lastTaken;
    }
    return undefined;
  }

  /** The client of the last such request that was taken. */
  taken(key: string): string | undefined {
    return this.#chains.get(key)?.lastTaken;
  }

  /** Makes the entry the oldest of its chain no more; the ring's oldest entry is always its chain's. */
  #forget(at: number): void {
    const key = this.#keys[at];
    if (key === undefined) return;
    const chain = this.#chains.get(key) as Chain;
    if (chain.head === at) chain.head = this.#next[at];
    chain.entries--;
    if (chain.entries === 0) this.#chains.delete(key);
  }
}
