/**
 * What has been learnt about servers, shared by all threads and kept when the configuration changes. A server
 * has a record of 64 bytes, a cache line, so that threads busy with different servers do not disturb each other:
 *
 *   cell  0 connections   1 connects pending   2 blacklisted (0, 1, 2)   3 turn of its group
 *   cells 4-5 blacklisted until (64-bit)       6-7 sent   8-9 received   10-11 connects   12-13 failures   14 draining
 *
 * Blacklisted is 1 for a server that failed, 2 for one that an operator has taken out.
 *
 * Reserved for MAX_SERVERS and the two servers outside the table; memory is committed when it is touched.
 */
import { MAX_SERVERS } from './configuration.js';
import { Counters, GUARD_BYTES } from './counters.js';
import { Meters, type MetersMemory } from './meters.js';

export interface ServerStateMemory {
  readonly records: SharedArrayBuffer;
  readonly totals: SharedArrayBuffer;
  readonly meters: MetersMemory;
}

const RECORDS = MAX_SERVERS + 2;
const RECORD_BYTES = 64;
const CELLS = RECORD_BYTES / 4;
const PENDING = 1;
const BLACKLISTED = 2;
/** Values of BLACKLISTED. */
const FAILED = 1;
const ORDERED = 2;
const TURN = 3;
const DRAINING = 14;

/** Positions of the 64-bit fields in a record, in units of eight bytes. */
const LONGS = RECORD_BYTES / 8;
const UNTIL = 2;
const SENT = 3;
const RECEIVED = 4;
const CONNECTS = 5;
const FAILURES = 6;

/** In `totals`: connections in use, and after it the guard of the counters. */
const IN_USE = 0;
const TOTALS_BYTES = 4 + GUARD_BYTES;

export class ServerState {
  /** Counts for people, which no decision needs. */
  readonly meters: Meters;
  readonly #cells: Int32Array;
  readonly #longs: BigInt64Array;
  readonly #counters: Counters;
  readonly #totals: Int32Array;

  constructor(memory: ServerStateMemory) {
    this.#cells = new Int32Array(memory.records);
    this.#longs = new BigInt64Array(memory.records);
    this.#counters = new Counters(memory.records, 0, RECORDS * LONGS, new Int32Array(memory.totals, 4));
    this.#totals = new Int32Array(memory.totals);
    this.meters = new Meters(memory.meters);
  }

  static allocate(): ServerStateMemory {
    return {
      records: new SharedArrayBuffer(RECORDS * RECORD_BYTES),
      totals: new SharedArrayBuffer(TOTALS_BYTES),
      meters: Meters.allocate(),
    };
  }

  connections(slot: number): number {
    return Atomics.load(this.#cells, slot * CELLS);
  }

  /** Connects in progress. */
  pending(slot: number): number {
    return Atomics.load(this.#cells, slot * CELLS + PENDING);
  }

  /** Takes a place for a connection and its connect, unless `limit` or `pendingLimit` (0 = none) is reached. */
  tryEnter(slot: number, limit: number, pendingLimit: number): boolean {
    if (!addBelow(this.#cells, slot * CELLS, limit)) return false;
    if (addBelow(this.#cells, slot * CELLS + PENDING, pendingLimit)) return true;
    this.leave(slot);
    return false;
  }

  settled(slot: number): void {
    Atomics.sub(this.#cells, slot * CELLS + PENDING, 1);
  }

  leave(slot: number): void {
    Atomics.sub(this.#cells, slot * CELLS, 1);
  }

  /** Milliseconds of the monotonic clock, 0 = not blacklisted. */
  blacklistedUntil(slot: number): number {
    // The flag spares the servers that are well, which is all of them mostly, the BigInt.
    if (Atomics.load(this.#cells, slot * CELLS + BLACKLISTED) === 0) return 0;
    return Number(Atomics.load(this.#longs, slot * LONGS + UNTIL));
  }

  /** `isOrdered`: by an operator, so that no success takes it back before its time. 0 ms: not any more. */
  setBlacklistedUntil(slot: number, ms: number, isOrdered = false): void {
    if (ms > 0) Atomics.store(this.#longs, slot * LONGS + UNTIL, BigInt(Math.ceil(ms)));
    // After the time: who sees the flag sees the time that belongs to it.
    Atomics.store(this.#cells, slot * CELLS + BLACKLISTED, ms > 0 ? (isOrdered ? ORDERED : FAILED) : 0);
  }

  /** It is, or was until its time was over, blacklisted by an operator. */
  isOrderedOut(slot: number): boolean {
    return Atomics.load(this.#cells, slot * CELLS + BLACKLISTED) === ORDERED;
  }

  /** An operator has it take no new connection, not even of a returning client. */
  isDraining(slot: number): boolean {
    return Atomics.load(this.#cells, slot * CELLS + DRAINING) !== 0;
  }

  setDraining(slot: number, draining: boolean): void {
    Atomics.store(this.#cells, slot * CELLS + DRAINING, draining ? 1 : 0);
  }

  addSent(slot: number, bytes: number): void {
    this.#counters.add(slot * LONGS + SENT, bytes);
  }

  addReceived(slot: number, bytes: number): void {
    this.#counters.add(slot * LONGS + RECEIVED, bytes);
  }

  addConnect(slot: number): void {
    this.#counters.add(slot * LONGS + CONNECTS, 1);
  }

  addFailure(slot: number): void {
    this.#counters.add(slot * LONGS + FAILURES, 1);
  }

  sent(slot: number): number {
    return this.#counters.read(slot * LONGS + SENT);
  }

  received(slot: number): number {
    return this.#counters.read(slot * LONGS + RECEIVED);
  }

  connects(slot: number): number {
    return this.#counters.read(slot * LONGS + CONNECTS);
  }

  failures(slot: number): number {
    return this.#counters.read(slot * LONGS + FAILURES);
  }

  /**
   * The slot has another server, whose counts begin at 0. What connections to the one before still bring is counted as its
   * own: to tell them apart would cost every byte something.
   */
  clearCounts(slot: number): void {
    this.#counters.clear(slot * LONGS + SENT, FAILURES + 1 - SENT);
    this.meters.clear(slot);
  }

  connectionsInUse(): number {
    return Atomics.load(this.#totals, IN_USE);
  }

  /** Takes one of `limit` connections over all threads; never more, not for an instant. */
  tryTakeConnection(limit: number): boolean {
    return limit > 0 && addBelow(this.#totals, IN_USE, limit);
  }

  releaseConnection(): void {
    Atomics.sub(this.#totals, IN_USE, 1);
  }

  /**
   * Whose turn it is among `n` servers: 1, 2 ... n-1, 0, 1 ... over all threads. Groups that take turns apart
   * (one priority, say) each have the cursor of their first server.
   */
  nextInTurn(n: number, leader = 0): number {
    const index = leader * CELLS + TURN;
    for (;;) {
      const turn = Atomics.load(this.#cells, index);
      const next = (turn + 1) % n;
      if (Atomics.compareExchange(this.#cells, index, turn, next) === turn) return next;
    }
  }
}

/** Adds one to a cell that is below `limit` (0 = no limit). Not add-and-undo: that would refuse others meanwhile. */
function addBelow(cells: Int32Array, index: number, limit: number): boolean {
  for (;;) {
    const before = Atomics.load(cells, index);
    if (limit > 0 && before >= limit) return false;
    if (Atomics.compareExchange(cells, index, before, before + 1) === before) return true;
  }
}
