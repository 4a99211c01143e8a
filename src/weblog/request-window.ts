/** Requests of pen's log within a window of time: added in order, forgotten in order, taken by what was asked for. */

interface Request {
  readonly client: string;
  readonly timeSec: number;
  readonly key: string;
  isForgotten: boolean;
}

interface Asked {
  /** Those that have not been taken begin at `head`. */
  readonly requests: Request[];
  head: number;
  lastTaken: Request | undefined;
}

export class RequestWindow {
  readonly #byKey = new Map<string, Asked>();
  /** All of them in the order of time; those before `#first` are forgotten. */
  #all: Request[] = [];
  #first = 0;
  readonly #keepsAll: boolean;

  /** An infinite window forgets nothing. */
  constructor(widthSec: number) {
    this.#keepsAll = widthSec === Number.POSITIVE_INFINITY;
  }

  get size(): number {
    return this.#all.length - this.#first;
  }

  add(key: string, client: string, timeSec: number): void {
    const request = { key, client, timeSec, isForgotten: false };
    if (!this.#keepsAll) this.#all.push(request);
    const asked = this.#byKey.get(key);
    if (asked) asked.requests.push(request);
    else this.#byKey.set(key, { requests: [request], head: 0, lastTaken: undefined });
  }

  forgetBefore(timeSec: number): void {
    for (; this.#first < this.#all.length && this.#all[this.#first].timeSec < timeSec; this.#first++) {
      this.#forget(this.#all[this.#first]);
    }
    if (this.#first > 1024 && this.#first * 2 > this.#all.length) {
      this.#all = this.#all.slice(this.#first);
      this.#first = 0;
    }
  }

  /** The client of the oldest such request that has not been taken; if all have been, of the last one. */
  take(key: string): string | undefined {
    const asked = this.#byKey.get(key);
    if (asked === undefined) return undefined;
    const next = asked.requests[asked.head];
    if (next === undefined) return asked.lastTaken?.client;
    asked.head++;
    this.#trim(asked);
    asked.lastTaken = next;
    return next.client;
  }

  /** The oldest request of all is the oldest of its key, unless it has been taken. */
  #forget(request: Request): void {
    request.isForgotten = true;
    const asked = this.#byKey.get(request.key);
    if (asked === undefined) return;
    if (asked.requests[asked.head] === request) asked.head++;
    this.#trim(asked);
    if (asked.lastTaken?.isForgotten) asked.lastTaken = undefined;
    if (asked.head === asked.requests.length && asked.lastTaken === undefined) this.#byKey.delete(request.key);
  }

  #trim(asked: Asked): void {
    if (asked.head > 64 && asked.head * 2 > asked.requests.length) asked.requests.splice(0, asked.head);
    else return;
    asked.head = 0;
  }
}
