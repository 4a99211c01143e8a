/**
 * Deadlines for integer ids: arm, cancel and re-arm in constant time. A timing wheel (Varghese and Lauck, SOSP
 * 1987) of one level with so many buckets that, in place of a hierarchy, no entry ever has to move down: 2^18
 * ticks, with a tick of 100 ms seven hours. Bitmaps over the buckets find the next busy one in a few steps.
 *
 *   summit (8 words) -> middle (256 words) -> busy (8192 words) -> bucket -> doubly linked list of ids
 *
 * An id never fires early, and less than a tick late. Hot path: positional numbers, typed arrays.
 */
const BUCKETS = 2 ** 18;
const MASK = BUCKETS - 1;
const NOBODY = -1;
/** What `#bucket` says of an id that is not armed. */
const IDLE = -1;

export class TimerWheel {
  readonly #tickMs: number;
  /** All buckets up to this tick have been emptied. */
  #tick: number;
  readonly #heads = new Int32Array(BUCKETS).fill(NOBODY);
  readonly #busy = new Int32Array(BUCKETS / 32);
  readonly #middle = new Int32Array(BUCKETS / 32 ** 2);
  readonly #summit = new Int32Array(BUCKETS / 32 ** 3);
  #next: Int32Array;
  #previous: Int32Array;
  #bucket: Int32Array;
  /** The tick an id is due at; beyond the wheel's span it waits in the last bucket and is put back from there. */
  #due: Float64Array;

  /**
   * There is room for ids below `capacity` at first, and more is made as they come. `nowMs` only spares the first
   * `expire` a way from zero.
   */
  constructor(capacity: number, tickMs: number, nowMs = 0) {
    this.#tickMs = tickMs;
    this.#tick = Math.floor(nowMs / tickMs);
    this.#next = new Int32Array(capacity).fill(NOBODY);
    this.#previous = new Int32Array(capacity).fill(NOBODY);
    this.#bucket = new Int32Array(capacity).fill(IDLE);
    this.#due = new Float64Array(capacity);
  }

  /** Sets or moves the deadline of an id; one in the past fires at the next tick. */
  arm(id: number, deadlineMs: number): void {
    if (id >= this.#due.length) this.#grow(id);
    const due = Math.max(Math.ceil(deadlineMs / this.#tickMs), this.#tick + 1);
    this.#due[id] = due;
    const bucket = Math.min(due, this.#tick + MASK) & MASK;
    if (this.#bucket[id] === bucket) return;
    this.cancel(id);
    this.#link(id, bucket);
  }

  cancel(id: number): void {
    if (id >= this.#due.length) return;
    const bucket = this.#bucket[id];
    if (bucket === IDLE) return;
    const next = this.#next[id];
    const previous = this.#previous[id];
    if (next !== NOBODY) this.#previous[next] = previous;
    if (previous !== NOBODY) this.#next[previous] = next;
    else this.#heads[bucket] = next;
    this.#bucket[id] = IDLE;
    if (this.#heads[bucket] === NOBODY) this.#clearBit(bucket);
  }

  /** Calls back with each id that is due, no longer armed; the callback may arm and cancel any id. */
  expire(nowMs: number, due: (id: number) => void): void {
    const now = Math.floor(nowMs / this.#tickMs);
    for (;;) {
      const tick = this.#nextBusyTick();
      if (tick > now) break;
      this.#tick = tick;
      // What is armed meanwhile lands in later buckets, so this ends.
      const bucket = tick & MASK;
      for (let id = this.#heads[bucket]; id !== NOBODY; id = this.#heads[bucket]) {
        this.cancel(id);
        if (this.#due[id] > tick) this.#link(id, Math.min(this.#due[id], tick + MASK) & MASK);
        else due(id);
      }
    }
    if (now > this.#tick) this.#tick = now;
  }

  /** When `expire` is to be called next: Infinity if nothing is armed; always later than the last `expire`. */
  nextDeadline(): number {
    return this.#nextBusyTick() * this.#tickMs;
  }

  #link(id: number, bucket: number): void {
    const head = this.#heads[bucket];
    if (head !== NOBODY) this.#previous[head] = id;
    this.#next[id] = head;
    this.#previous[id] = NOBODY;
    this.#heads[bucket] = id;
    this.#bucket[id] = bucket;
    this.#busy[bucket >> 5] |= 1 << (bucket & 31);
    this.#middle[bucket >> 10] |= 1 << ((bucket >> 5) & 31);
    this.#summit[bucket >> 15] |= 1 << ((bucket >> 10) & 31);
  }

  /** Makes room for `id`; never shrinks. */
  #grow(id: number): void {
    const capacity = 2 ** Math.ceil(Math.log2(id + 1));
    this.#next = grown(this.#next, new Int32Array(capacity));
    this.#previous = grown(this.#previous, new Int32Array(capacity));
    this.#bucket = grown(this.#bucket, new Int32Array(capacity).fill(IDLE));
    this.#due = grown(this.#due, new Float64Array(capacity));
  }

  #clearBit(bucket: number): void {
    this.#busy[bucket >> 5] &= ~(1 << (bucket & 31));
    if (this.#busy[bucket >> 5] !== 0) return;
    this.#middle[bucket >> 10] &= ~(1 << ((bucket >> 5) & 31));
    if (this.#middle[bucket >> 10] !== 0) return;
    this.#summit[bucket >> 15] &= ~(1 << ((bucket >> 10) & 31));
  }

  /** The tick of the first busy bucket from now on, Infinity if there is none. */
  #nextBusyTick(): number {
    const from = (this.#tick + 1) & MASK;
    let bucket = this.#busyFrom(from);
    if (bucket === BUCKETS) bucket = this.#busyFrom(0);
    return bucket === BUCKETS ? Number.POSITIVE_INFINITY : this.#tick + 1 + ((bucket - from) & MASK);
  }

  /** The first busy bucket at or after `from`, BUCKETS if there is none. */
  #busyFrom(from: number): number {
    const inWord = bitFrom(this.#busy[from >> 5], from & 31);
    if (inWord < 32) return (from & ~31) + inWord;
    const word = (from >> 5) + 1;
    const inMiddle = word < this.#busy.length ? bitFrom(this.#middle[word >> 5], word & 31) : 32;
    if (inMiddle < 32) return this.#first((word & ~31) + inMiddle);
    for (let block = (word >> 5) + 1; block < this.#middle.length; block = (block & ~31) + 32) {
      const inSummit = bitFrom(this.#summit[block >> 5], block & 31);
      if (inSummit === 32) continue;
      const found = (block & ~31) + inSummit;
      return this.#first(found * 32 + bitFrom(this.#middle[found], 0));
    }
    return BUCKETS;
  }

  /** The first busy bucket of a word of `#busy` that has one. */
  #first(word: number): number {
    return word * 32 + bitFrom(this.#busy[word], 0);
  }
}

/** The lowest bit set in `word` at or above `position` (0..31), 32 if none. */
function bitFrom(word: number, position: number): number {
  const rest = word & (-1 << position);
  return rest === 0 ? 32 : 31 - Math.clz32(rest & -rest);
}

function grown<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
