/**
 * What operators are shown beyond the counts that decisions need: why connects failed, how long connecting and sessions
 * took, how sessions ended, who was refused. Counted once a connection, never once a byte, in memory that all threads
 * share. A server has a record of 40 counters of 64 bits:
 *
 *   0-12 connect times by class   13 their sum (ms)   14-26 session times by class   27 their sum (ms)
 *   28-33 failed connects by cause                    34-37 sessions by ending       38-39 the last failure
 *
 * The last failure is three 32-bit cells: its errno, and its time (ms, two halves of 32 bits).
 */
import { MAX_SERVERS } from './configuration.js';
import { Counters, GUARD_BYTES } from './counters.js';

/** Upper bounds of the classes, ms, inclusive; a last class is for whatever takes longer. */
export const CONNECT_CLASSES_MS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000] as const;
export const SESSION_CLASSES_MS = [
  10, 50, 100, 500, 1000, 5000, 30_000, 60_000, 300_000, 1_800_000, 7_200_000, 86_400_000,
] as const;

/** Why connects fail. `local`: on this host, before the server was reached; it blames nobody. */
export const CAUSES = ['refused', 'timeout', 'unreachable', 'reset', 'local', 'other'] as const;
export type Cause = (typeof CAUSES)[number];

/** How sessions end: in order, by a reset or an error of either side, by `idle_timeout`, by `close N` or the end of pen. */
export const ENDINGS = ['closed', 'broken', 'idle', 'ordered'] as const;
export type Ending = (typeof ENDINGS)[number];

/** Why clients are turned away. */
export const REFUSALS = [
  /** By client_acl. */
  'denied',
  /** None takes them. */
  'no_server',
  /** No row for them. */
  'full',
  /** What came was no HTTP request, or one that can be read in two ways (answered 400). */
  'bad_request',
  /** The head of a request was longer than 15 kB (answered 431). */
  'head_too_large',
  /** ... or did not come within head_timeout (answered 408). */
  'head_too_slow',
  /** A proxy (proxy_acl) began with something else than a PROXY header. */
  'bad_proxy_header',
  /** ... or with no whole one within head_timeout. */
  'no_proxy_header',
  /** `peek`: the name of the server did not come within head_timeout. */
  'peek_too_slow',
  /** `peek`: the first 16 kB did not tell it. */
  'peek_too_long',
  /** The TLS handshake came to nothing. */
  'no_tls',
  /** ... or was not done within ssl_handshake_time. */
  'tls_too_slow',
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** Places in REFUSALS, for the hot path. */
export const REFUSAL = Object.fromEntries(REFUSALS.map((name, i) => [name, i])) as Readonly<Record<Refusal, number>>;

/** Counts a class, not cumulative, and what they sum up to. */
export interface Times {
  readonly classesMs: readonly number[];
  /** One longer than `classesMs`. */
  readonly counts: readonly number[];
  readonly sumMs: number;
}

export interface LastFailure {
  readonly errno: number;
  /** Of the monotonic clock. */
  readonly atMs: number;
}

export interface MetersMemory {
  readonly records: SharedArrayBuffer;
  /** Guard of the counters. */
  readonly guard: SharedArrayBuffer;
}

const RECORDS = MAX_SERVERS + 2;
const LONGS = 40;
const CONNECT = 0;
const SESSION = 14;
const FAILED = 28;
const ENDED = 34;
const LAST = 38;

/** Where what begins among the counts of a server; times are the classes and, behind them, their sum. */
export const COUNTS = { connectTimes: CONNECT, sessionTimes: SESSION, failures: FAILED, endings: ENDED } as const;
/** So many counts a server has. */
export const COUNTS_EACH = LAST;

/** Behind the servers' records: accepted connections, failed accepts, refusals by cause. */
const LISTENER = RECORDS * LONGS;
const ACCEPTED = LISTENER;
const ACCEPT_FAILED = LISTENER + 1;
const REFUSED = LISTENER + 2;
const LENGTH = REFUSED + REFUSALS.length;

/** A sum takes no more at once; 24 days are shown as 24 days. */
const LONGEST_MS = 2 ** 31 - 1;

export class Meters {
  readonly #counters: Counters;
  readonly #cells: Int32Array;

  constructor(memory: MetersMemory) {
    this.#counters = new Counters(memory.records, 0, LENGTH, new Int32Array(memory.guard));
    this.#cells = new Int32Array(memory.records);
  }

  static allocate(): MetersMemory {
    return {
      records: new SharedArrayBuffer(Counters.bytes(LENGTH)),
      guard: new SharedArrayBuffer(GUARD_BYTES),
    };
  }

  connected(slot: number, tookMs: number): void {
    this.#addTime(slot * LONGS + CONNECT, CONNECT_CLASSES_MS, tookMs);
  }

  /** `cause` is its place in CAUSES. */
  connectFailed(slot: number, cause: number, errno: number, nowMs: number): void {
    this.#counters.add(slot * LONGS + FAILED + cause, 1);
    const at = (slot * LONGS + LAST) * 2;
    // The time first, so that whoever sees the errno sees a time that is not older.
    Atomics.store(this.#cells, at + 1, nowMs % 2 ** 32);
    Atomics.store(this.#cells, at + 2, nowMs / 2 ** 32);
    Atomics.store(this.#cells, at, errno);
  }

  /** `ending` is its place in ENDINGS. */
  sessionEnded(slot: number, ending: number, tookMs: number): void {
    this.#counters.add(slot * LONGS + ENDED + ending, 1);
    this.#addTime(slot * LONGS + SESSION, SESSION_CLASSES_MS, tookMs);
  }

  accepted(): void {
    this.#counters.add(ACCEPTED, 1);
  }

  acceptFailed(): void {
    this.#counters.add(ACCEPT_FAILED, 1);
  }

  /** `why` is its place in REFUSALS. */
  refused(why: number): void {
    this.#counters.add(REFUSED + why, 1);
  }

  connectTimes(slot: number): Times {
    return this.#times(slot * LONGS + CONNECT, CONNECT_CLASSES_MS);
  }

  sessionTimes(slot: number): Times {
    return this.#times(slot * LONGS + SESSION, SESSION_CLASSES_MS);
  }

  failures(slot: number): Record<Cause, number> {
    return this.#named(slot * LONGS + FAILED, CAUSES);
  }

  /** Connects that failed, for whatever cause. */
  failureCount(slot: number): number {
    let sum = 0;
    for (let cause = 0; cause < CAUSES.length; cause++) sum += this.#counters.read(slot * LONGS + FAILED + cause);
    return sum;
  }

  /** What the connects that succeeded took together. */
  connectMs(slot: number): number {
    return this.#counters.read(slot * LONGS + CONNECT + CONNECT_CLASSES_MS.length + 1);
  }

  endings(slot: number): Record<Ending, number> {
    return this.#named(slot * LONGS + ENDED, ENDINGS);
  }

  /** All counts of the slot at their places (COUNTS), without an object: for who asks after thousands of servers. */
  readCounts(slot: number, into: Float64Array): void {
    for (let place = 0; place < COUNTS_EACH; place++) into[place] = this.#counters.read(slot * LONGS + place);
  }

  /** undefined if no connect there has failed yet. */
  lastFailure(slot: number): LastFailure | undefined {
    const at = (slot * LONGS + LAST) * 2;
    const errno = Atomics.load(this.#cells, at);
    if (errno === 0) return undefined;
    const low = Atomics.load(this.#cells, at + 1) >>> 0;
    return { errno, atMs: Atomics.load(this.#cells, at + 2) * 2 ** 32 + low };
  }

  /** The slot has another server. Times of connections that it still has to the one before are its own. */
  clear(slot: number): void {
    this.#counters.clear(slot * LONGS, LAST);
    Atomics.store(this.#cells, (slot * LONGS + LAST) * 2, 0);
  }

  acceptedCount(): number {
    return this.#counters.read(ACCEPTED);
  }

  acceptFailures(): number {
    return this.#counters.read(ACCEPT_FAILED);
  }

  refusals(): Record<Refusal, number> {
    return this.#named(REFUSED, REFUSALS);
  }

  #addTime(at: number, classesMs: readonly number[], tookMs: number): void {
    let place = 0;
    while (place < classesMs.length && tookMs > classesMs[place]) place++;
    this.#counters.add(at + place, 1);
    this.#counters.add(at + classesMs.length + 1, Math.max(0, Math.min(tookMs, LONGEST_MS)));
  }

  #times(at: number, classesMs: readonly number[]): Times {
    const counts = Array.from({ length: classesMs.length + 1 }, (_, place) => this.#counters.read(at + place));
    return { classesMs, counts, sumMs: this.#counters.read(at + classesMs.length + 1) };
  }

  #named<K extends string>(at: number, names: readonly K[]): Record<K, number> {
    return Object.fromEntries(names.map((name, place) => [name, this.#counters.read(at + place)])) as Record<K, number>;
  }
}
