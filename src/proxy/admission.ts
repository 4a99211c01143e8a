/**
 * Who may come in, and when: the listener, the grants that it has, the places of `-x`, and the line of those that have
 * been accepted and have no place.
 *
 *   listen queue ──grant──► accepted ──► a place is free ─────────────────────────► in
 *                              │                                                     ▲
 *                              └──► line ──► a place is free, or it has to try again ┘
 *
 * Several workers share the places. Each accepts its share of those that are left; one that runs short raises a flag,
 * and whoever gives a place back sees it and has the others nudged.
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import type { Endpoint } from '../core/address.js';
import { NONE, type Settings } from '../core/configuration.js';
import type { ServerState } from '../core/server-state.js';
import type { Engine } from '../engine/engine.js';
import { type ConnectionTable, STATE } from './connection-table.js';
import type { Post } from './mail.js';
import type { WorkerStart } from './messages.js';
import { WaitingLine } from './waiting-line.js';

/** Waiting connections that are tried a turn: one may have to wait again, and the next one need not. */
const WAITING_TRIES = 32;
/** How long to wait when the system was out of descriptors or memory and nothing of ours has been closed. */
const RETRY_MS = 100;

/** What a worker is told at its start that matters here. */
type Start = Pick<WorkerStart, 'shortage' | 'threads' | 'place' | 'connectionCapacity' | 'configuration'>;

export class Admission {
  /** Something has changed that those who wait may have waited for. */
  mayAdmit = false;
  /** Idlers that this worker is to keep. */
  idlerShare = 0;
  readonly #engine: Engine;
  readonly #table: ConnectionTable;
  readonly #state: ServerState;
  readonly #post: Post;
  /** Not 0 if some worker is short of places. */
  readonly #shortage: Int32Array;
  readonly #threads: number;
  readonly #place: number;
  readonly #capacity: number;
  #settings: Settings;
  /** Connections of all workers together. */
  #limit = 0;
  #listener = NONE;
  #nextListener = NONE;
  /** Grants given to the listener and not used yet. */
  #granted = 0;
  /** Accepted connections without a place. */
  readonly #line = new WaitingLine();
  #tries = 0;
  /** Of those tried this turn, how many stand in line again. */
  #returned = 0;
  /** A turn was too short for the line, and nothing need happen before the next. */
  #goesOn = false;
  #retryAt = Infinity;

  constructor(start: Start, engine: Engine, table: ConnectionTable, state: ServerState, post: Post) {
    this.#engine = engine;
    this.#table = table;
    this.#state = state;
    this.#post = post;
    this.#shortage = new Int32Array(start.shortage);
    this.#threads = start.threads;
    this.#place = start.place;
    this.#capacity = start.connectionCapacity;
    this.#settings = start.configuration.settings;
  }

  configure(settings: Settings): void {
    // Kept connections need descriptors too: at most half of those that there are. None can have a client's address.
    const idlers = settings.transparent === 'off' ? Math.min(settings.idlers, this.#capacity) : 0;
    this.#settings = settings;
    this.#limit = Math.min(settings.connectionsMax, this.#capacity - Math.ceil(idlers / 2));
    this.idlerShare = Math.floor((idlers + this.#threads - 1 - this.#place) / this.#threads);
  }

  listen(endpoint: Endpoint, descriptor: number | undefined): void {
    this.#nextListener =
      descriptor === undefined
        ? this.#engine.listen(endpoint, this.#settings.listenBacklog)
        : this.#engine.adopt(descriptor, endpoint);
  }

  /** A `listen` has ended: if it came to something, the listener before is closed. */
  listening(listener: number, result: number): void {
    if (listener !== this.#nextListener) return;
    this.#nextListener = NONE;
    if (result < 0) {
      this.#post.send({ type: 'listenFailed', errno: -result });
      return;
    }
    this.close();
    this.#listener = listener;
    this.#granted = 0;
    this.grant();
    this.#post.send({ type: 'listening', endpoint: this.#engine.boundTo(listener) });
  }

  close(): void {
    if (this.#listener !== NONE) this.#engine.closeListener(this.#listener);
    this.#listener = NONE;
  }

  /** A client has been accepted: a grant is used. */
  accepted(): void {
    this.#granted--;
  }

  /** A place for one that has just been accepted. False: it is to `wait`. */
  tryEnter(): boolean {
    return this.#line.length === 0 && this.#state.tryTakeConnection(this.#limit);
  }

  /** It stands in line until `next` gives it a place. */
  wait(connection: number): void {
    this.#returned++;
    this.#line.push(connection);
  }

  /** A place is given back. */
  leave(): void {
    this.mayAdmit = true;
    this.#state.releaseConnection();
    if (this.#threads > 1 && Atomics.exchange(this.#shortage, 0, 0) !== 0) this.#post.send({ type: 'placesFree' });
  }

  /** The system is out of something, or it is other workers that are waited for: those in line are to try again soon. */
  retryLater(): void {
    if (this.#retryAt === Infinity) this.#retryAt = this.#engine.now() + RETRY_MS;
  }

  /** When `timer` is to be called; Infinity = never. */
  wakeAt(): number {
    return this.#goesOn ? 0 : this.#retryAt;
  }

  timer(nowMs: number): void {
    if (this.#goesOn) {
      this.#goesOn = false;
      this.mayAdmit = true;
    }
    if (nowMs < this.#retryAt) return;
    this.#retryAt = Infinity;
    this.mayAdmit = true;
    if (this.#listener !== NONE) this.#engine.grantAccept(this.#listener, 0, this.#settings.acceptBatch);
  }

  /** False: `next` would have nobody. */
  beginTurn(): boolean {
    if (!this.mayAdmit || this.#retryAt !== Infinity) return false;
    this.mayAdmit = false;
    this.#goesOn = false;
    this.#tries = WAITING_TRIES;
    this.#returned = 0;
    return true;
  }

  /** The next one in line, in the order they came, with a place; NONE: no more this turn. */
  next(): number {
    const line = this.#line;
    while (this.#tries > 0 && line.length > 0) {
      this.#tries--;
      const connection = line.first;
      // Closed meanwhile (`close N`), or a row that has been used again.
      const hasGone = this.#table.state[connection] !== STATE.waiting;
      if (!hasGone && (this.#retryAt !== Infinity || !this.#state.tryTakeConnection(this.#limit))) break;
      line.leave();
      if (!hasGone) return connection;
    }
    // Those behind need not wait for an event that may never come, unless all before them do: then it would be asked for
    // ever.
    this.#goesOn = this.#tries === 0 && line.length > 0 && this.#returned < WAITING_TRIES;
    return NONE;
  }

  /**
   * Lets the engine accept as many as there are places for: the rest waits in the kernel's queue. Of the places that
   * are left each worker grants its share, so that together they accept hardly more than can be served.
   */
  grant(): void {
    if (this.#listener === NONE) return;
    const left = this.#limit - this.#state.connectionsInUse();
    const places = Math.ceil(left / this.#threads) - this.#granted - this.#line.length;
    if (places > 0) {
      this.#granted += places;
      this.#engine.grantAccept(this.#listener, places, this.#settings.acceptBatch);
    } else if (this.#threads > 1 && (this.#granted === 0 || this.#line.length > 0) && this.#shortage[0] === 0) {
      Atomics.store(this.#shortage, 0, 1);
      // A place given back just before that was not announced to us.
      if (this.#state.connectionsInUse() < this.#limit) this.retryLater();
    }
  }
}
