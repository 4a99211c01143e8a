/**
 * Who has been here, and on which server: the memory behind affinity and `recent`. A bounded table shared by all
 * threads under one lock, exact LRU: a hash table with chains finds a client, a doubly linked list through the
 * records keeps them by last visit, and both change in a handful of stores, however many there are.
 *
 *   record (72 bytes)  cells 0-3 address   4 next in chain   5 newer   6 older   7 server   8 generation   9 visit
 *                      doubles at cell 10: last seen (ms)    connects  sent      received
 *
 * Links hold slot + 1, so that zeroed memory is an empty table. Everything is reserved at its greatest size; what
 * no client has touched costs no memory. Hot path: positional numbers; the lock is held for well under 1 us.
 */
import type { IpWords } from './address.js';
import { MAX_CLIENTS, NONE } from './configuration.js';
import { acquire, release } from './lock.js';
import { halfSipHash } from './siphash.js';

export interface ClientTableMemory {
  readonly records: SharedArrayBuffer;
  readonly buckets: SharedArrayBuffer;
  readonly header: SharedArrayBuffer;
}

export interface ClientRecord {
  readonly slot: number;
  readonly address: IpWords;
  readonly connects: number;
  readonly sent: number;
  readonly received: number;
  readonly server: number;
  readonly lastSeenMs: number;
}

const CELLS = 18;
const CHAIN = 4;
const NEWER = 5;
const OLDER = 6;
const SERVER = 7;
const GENERATION = 8;
const VISIT = 9;

const DOUBLES = CELLS / 2;
const LAST_SEEN = 5;
const CONNECTS = 6;
const SENT = 7;
const RECEIVED = 8;

/** Cells of the header; the lock has a cache line of its own. */
const LOCK = 0;
const SIZE = 16;
const CAPACITY = 17;
const NEWEST = 18;
const OLDEST = 19;
const VISITS = 20;
const KEY_0 = 21;
const KEY_1 = 22;
const HEADER_CELLS = 32;

/** Fixed, at one a client when full: never a rehash, which would stop everybody. */
const BUCKETS = MAX_CLIENTS;

/** Records copied while the lock is held once: about 20 us. */
const BATCH = 256;

export class ClientTable {
  /** The generation of the slot that the last `visit` of this object returned, read before anybody could change it. */
  visitGeneration = 0;
  readonly #header: Int32Array;
  readonly #buckets: Int32Array;
  readonly #cells: Int32Array;
  readonly #doubles: Float64Array;
  readonly #key0: number;
  readonly #key1: number;
  readonly #scratch = new Int32Array(4);

  constructor(memory: ClientTableMemory) {
    this.#header = new Int32Array(memory.header);
    this.#buckets = new Int32Array(memory.buckets);
    this.#cells = new Int32Array(memory.records);
    this.#doubles = new Float64Array(memory.records);
    this.#key0 = this.#header[KEY_0];
    this.#key1 = this.#header[KEY_1];
  }

  /** `seed` (a whole number below 2^53, random and kept to ourselves) keeps clients from choosing their bucket. */
  static allocate(seed: number): ClientTableMemory {
    const header = new SharedArrayBuffer(HEADER_CELLS * 4);
    const cells = new Int32Array(header);
    cells[KEY_0] = seed % 2 ** 32;
    cells[KEY_1] = seed / 2 ** 32;
    return {
      header,
      records: new SharedArrayBuffer(MAX_CLIENTS * CELLS * 4),
      buckets: new SharedArrayBuffer(BUCKETS * 4),
    };
  }

  get capacity(): number {
    return Atomics.load(this.#header, CAPACITY);
  }

  /** Makes room for `capacity` clients, MAX_CLIENTS at most; never shrinks. */
  grow(capacity: number): void {
    acquire(this.#header, LOCK);
    const wanted = Math.min(capacity, MAX_CLIENTS);
    if (wanted > this.#header[CAPACITY]) Atomics.store(this.#header, CAPACITY, wanted);
    release(this.#header, LOCK);
  }

  /** Clients in the table. */
  size(): number {
    return Atomics.load(this.#header, SIZE);
  }

  /**
   * The slot of a client, who becomes the most recently seen one. Who is not there is put there, in the place of
   * the least recently seen if the table is full. The server is forgotten if the last visit is more than
   * `trackingMs` ago (0 = never). NONE if the capacity is 0.
   */
  visit(address: ArrayLike<number>, nowMs: number, trackingMs: number): number {
    const bucket = this.#bucket(address);
    acquire(this.#header, LOCK);
    let slot = this.#lookUp(bucket, address);
    if (slot === NONE) {
      slot = this.#claim();
      if (slot !== NONE) this.#insert(slot, bucket, address);
    } else {
      this.#unlink(slot);
      const lastSeen = this.#doubles[slot * DOUBLES + LAST_SEEN];
      if (trackingMs > 0 && nowMs - lastSeen > trackingMs) Atomics.store(this.#cells, slot * CELLS + SERVER, NONE);
    }
    if (slot !== NONE) {
      this.#pushNewest(slot, nowMs);
      this.visitGeneration = this.#cells[slot * CELLS + GENERATION];
    }
    release(this.#header, LOCK);
    return slot;
  }

  /** The slot of a client, or NONE; leaves no trace. */
  find(address: ArrayLike<number>): number {
    const bucket = this.#bucket(address);
    acquire(this.#header, LOCK);
    const slot = this.#lookUp(bucket, address);
    release(this.#header, LOCK);
    return slot;
  }

  /** The server a client used last, or NONE. */
  server(slot: number): number {
    return Atomics.load(this.#cells, slot * CELLS + SERVER);
  }

  /** Remembers a client's server; with a `generation`, only while the slot is still that client's. */
  assign(slot: number, server: number, generation?: number): void {
    acquire(this.#header, LOCK);
    if (this.#isOf(slot, generation)) Atomics.store(this.#cells, slot * CELLS + SERVER, server);
    release(this.#header, LOCK);
  }

  /** Another number whenever the slot is given to another client. */
  generation(slot: number): number {
    return Atomics.load(this.#cells, slot * CELLS + GENERATION);
  }

  addConnect(slot: number, generation?: number): void {
    acquire(this.#header, LOCK);
    if (this.#isOf(slot, generation)) this.#doubles[slot * DOUBLES + CONNECTS] += 1;
    release(this.#header, LOCK);
  }

  /** Adds bytes to a client's counts, unless the slot has become another's. */
  addTraffic(slot: number, generation: number, sent: number, received: number): void {
    acquire(this.#header, LOCK);
    if (this.#isOf(slot, generation)) {
      this.#doubles[slot * DOUBLES + SENT] += sent;
      this.#doubles[slot * DOUBLES + RECEIVED] += received;
    }
    release(this.#header, LOCK);
  }

  /** What is known of the client in a slot, undefined if the slot has none. */
  at(slot: number): ClientRecord | undefined {
    if (!(slot >= 0 && slot < this.size())) return undefined;
    acquire(this.#header, LOCK);
    const record = this.#copy(slot);
    release(this.#header, LOCK);
    return record;
  }

  /**
   * Slots of the clients seen at or after that time, most recent first. No record is copied and no object made, so that a
   * million take about a tenth of a second; the lock is free between batches, all together are not one instant.
   */
  recentSlots(sinceMs: number): Int32Array {
    const size = this.size();
    const keys = new Float64Array(size);
    let found = 0;
    for (let start = 0; start < size; start += BATCH) {
      acquire(this.#header, LOCK);
      for (let slot = start; slot < Math.min(start + BATCH, size); slot++) {
        if (this.#doubles[slot * DOUBLES + LAST_SEEN] < sinceMs) continue;
        keys[found] = (this.#cells[slot * CELLS + VISIT] >>> 0) * MAX_CLIENTS + slot;
        found += 1;
      }
      release(this.#header, LOCK);
    }
    // No visit that was seen is after this one, so ages do not wrap where numbers of visits have.
    const last = Atomics.load(this.#header, VISITS);
    for (let at = 0; at < found; at++) {
      const visit = Math.floor(keys[at] / MAX_CLIENTS);
      keys[at] += (((last - visit) >>> 0) - visit) * MAX_CLIENTS;
    }
    return Int32Array.from(keys.subarray(0, found).sort(), (key) => key % MAX_CLIENTS);
  }

  /**
   * The clients seen last, most recent first, `limit` at most: along the list, a batch at a time. Who is seen again
   * while the lock is free moves to the head, so the walk may have to begin again, but never more often than batches.
   */
  newest(limit: number): ClientRecord[] {
    const found = new Map<number, { record: ClientRecord; visit: number }>();
    let last = NONE;
    let lastVisit = 0;
    for (let batch = 0; batch < 2 * Math.ceil(limit / BATCH) && found.size < limit; batch++) {
      acquire(this.#header, LOCK);
      const isThere = last !== NONE && this.#cells[last * CELLS + VISIT] === lastVisit;
      let slot = (isThere ? this.#cells[last * CELLS + OLDER] : this.#header[NEWEST]) - 1;
      for (let steps = 0; steps < BATCH && slot !== NONE; steps++) {
        last = slot;
        lastVisit = this.#cells[slot * CELLS + VISIT];
        found.set(slot, { record: this.#copy(slot), visit: lastVisit });
        slot = this.#cells[slot * CELLS + OLDER] - 1;
      }
      release(this.#header, LOCK);
      if (slot === NONE) break;
    }
    return byVisit([...found.values()]).slice(0, limit);
  }

  /** Those of `count` slots from `start` on that have a client, copied a batch at a time; a piece of a walk over all, in no order. */
  slice(start: number, count: number): ClientRecord[] {
    const records: ClientRecord[] = [];
    const end = Math.min(start + count, this.size());
    for (let batch = start; batch < end; batch += BATCH) {
      acquire(this.#header, LOCK);
      for (let slot = batch; slot < Math.min(batch + BATCH, end); slot++) records.push(this.#copy(slot));
      release(this.#header, LOCK);
    }
    return records;
  }

  /** The slot is in use, and by the client of that generation if one is given. */
  #isOf(slot: number, generation: number | undefined): boolean {
    if (!(slot >= 0 && slot < this.#header[SIZE])) return false;
    return generation === undefined || this.#cells[slot * CELLS + GENERATION] === generation;
  }

  #bucket(address: ArrayLike<number>): number {
    return halfSipHash(address, 4, this.#key0, this.#key1) % BUCKETS;
  }

  #lookUp(bucket: number, address: ArrayLike<number>): number {
    const cells = this.#cells;
    for (let slot = this.#buckets[bucket] - 1; slot !== NONE; slot = cells[slot * CELLS + CHAIN] - 1) {
      const at = slot * CELLS;
      if (
        cells[at + 3] === address[3] &&
        cells[at + 2] === address[2] &&
        cells[at + 1] === address[1] &&
        cells[at] === address[0]
      ) {
        return slot;
      }
    }
    return NONE;
  }

  /** A slot nobody is in: the next new one, or the least recently seen client's. */
  #claim(): number {
    const size = this.#header[SIZE];
    if (size < this.#header[CAPACITY]) {
      Atomics.store(this.#header, SIZE, size + 1);
      return size;
    }
    const slot = this.#header[OLDEST] - 1;
    if (slot === NONE) return NONE;
    this.#unlink(slot);
    this.#unchain(slot);
    return slot;
  }

  #insert(slot: number, bucket: number, address: ArrayLike<number>): void {
    const at = slot * CELLS;
    for (let i = 0; i < 4; i++) this.#cells[at + i] = address[i];
    this.#cells[at + CHAIN] = this.#buckets[bucket];
    this.#buckets[bucket] = slot + 1;
    Atomics.store(this.#cells, at + SERVER, NONE);
    Atomics.add(this.#cells, at + GENERATION, 1);
    this.#doubles.fill(0, slot * DOUBLES + CONNECTS, slot * DOUBLES + RECEIVED + 1);
  }

  #pushNewest(slot: number, nowMs: number): void {
    const header = this.#header;
    const at = slot * CELLS;
    this.#doubles[slot * DOUBLES + LAST_SEEN] = nowMs;
    header[VISITS] += 1;
    this.#cells[at + VISIT] = header[VISITS];
    this.#cells[at + NEWER] = 0;
    this.#cells[at + OLDER] = header[NEWEST];
    if (header[NEWEST] !== 0) this.#cells[(header[NEWEST] - 1) * CELLS + NEWER] = slot + 1;
    else header[OLDEST] = slot + 1;
    header[NEWEST] = slot + 1;
  }

  /** Takes a slot out of the list by age. */
  #unlink(slot: number): void {
    const newer = this.#cells[slot * CELLS + NEWER];
    const older = this.#cells[slot * CELLS + OLDER];
    if (newer !== 0) this.#cells[(newer - 1) * CELLS + OLDER] = older;
    else this.#header[NEWEST] = older;
    if (older !== 0) this.#cells[(older - 1) * CELLS + NEWER] = newer;
    else this.#header[OLDEST] = newer;
  }

  /** Takes a slot out of its bucket's chain. */
  #unchain(slot: number): void {
    const at = slot * CELLS;
    const next = this.#cells[at + CHAIN];
    for (let i = 0; i < 4; i++) this.#scratch[i] = this.#cells[at + i];
    const bucket = this.#bucket(this.#scratch);
    if (this.#buckets[bucket] === slot + 1) {
      this.#buckets[bucket] = next;
      return;
    }
    let before = this.#buckets[bucket] - 1;
    while (this.#cells[before * CELLS + CHAIN] !== slot + 1) before = this.#cells[before * CELLS + CHAIN] - 1;
    this.#cells[before * CELLS + CHAIN] = next;
  }

  #copy(slot: number): ClientRecord {
    const at = slot * CELLS;
    const double = slot * DOUBLES;
    const [a, b, c, d] = this.#cells.subarray(at, at + 4);
    return {
      slot,
      address: [a, b, c, d],
      connects: this.#doubles[double + CONNECTS],
      sent: this.#doubles[double + SENT],
      received: this.#doubles[double + RECEIVED],
      server: this.#cells[at + SERVER],
      lastSeenMs: this.#doubles[double + LAST_SEEN],
    };
  }
}

/** Most recent first. Visits of one millisecond are told apart by their number, which may have wrapped. */
function byVisit(found: { record: ClientRecord; visit: number }[]): ClientRecord[] {
  found.sort((a, b) => b.record.lastSeenMs - a.record.lastSeenMs || (b.visit - a.visit) | 0);
  return found.map(({ record }) => record);
}
