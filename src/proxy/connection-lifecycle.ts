/**
 * The states of a client's connection, and every way from one to another: docs/internals/connection.md draws them, each
 * method below is one of its arrows, and nothing else writes `state` in a row of a client's connection. The work of a state
 * is done elsewhere: waiting is admission.ts, hearing and securing client-side.ts, connecting server-side.ts,
 * relaying pair.ts.
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import { NONE, type Settings } from '../core/configuration.js';
import { REFUSAL } from '../core/meters.js';
import type { ServerTable } from '../core/server-table.js';
import type { TimerWheel } from '../core/timer-wheel.js';
import type { Engine } from '../engine/engine.js';
import type { Ending } from '../weblog/record.js';
import type { Admission } from './admission.js';
import type { ClientSide } from './client-side.js';
import { INTRODUCING } from './connection-flag.js';
import type { ConnectionLog } from './connection-log.js';
import { type ConnectionTable, STATE } from './connection-table.js';
import { HEAR_ON, HEARD } from './first-bytes.js';
import { IDLE_UNREAD, type IdleWatch, IN_USE } from './idle-watch.js';
import type { IdlerPool } from './idler-pool.js';
import type { OwnerTable } from './owner-table.js';
import type { Pair } from './pair.js';
import { refusalAnswer } from './refusal-answer.js';
import { RELAY_BROKEN, RELAY_GOES_ON, RELAY_REFUSED } from './relay.js';
import { NOBODY, type ServerSide, SHORT, UNDER_WAY } from './server-side.js';

/** How long a client that is refused may go on talking: closing at once would reset it and lose the answer. */
const LINGER_MS = 2000;

export interface LifecycleParts {
  readonly engine: Engine;
  readonly table: ConnectionTable;
  readonly owners: OwnerTable;
  readonly wheel: TimerWheel;
  readonly servers: ServerTable;
  readonly admission: Admission;
  readonly clientSide: ClientSide;
  readonly serverSide: ServerSide;
  readonly pair: Pair;
  readonly idle: IdleWatch;
  readonly idlers: IdlerPool;
  readonly log: ConnectionLog;
  /** There are others, whose connects this worker does not see. */
  readonly hasOtherWorkers: boolean;
}

export class ConnectionLifecycle {
  readonly #engine: Engine;
  readonly #table: ConnectionTable;
  readonly #owners: OwnerTable;
  readonly #wheel: TimerWheel;
  readonly #servers: ServerTable;
  readonly #admission: Admission;
  readonly #clientSide: ClientSide;
  readonly #serverSide: ServerSide;
  readonly #pair: Pair;
  readonly #idle: IdleWatch;
  readonly #idlers: IdlerPool;
  readonly #log: ConnectionLog;
  readonly #hasOtherWorkers: boolean;
  #settings: Settings;

  constructor(parts: LifecycleParts) {
    this.#engine = parts.engine;
    this.#table = parts.table;
    this.#owners = parts.owners;
    this.#wheel = parts.wheel;
    this.#servers = parts.servers;
    this.#admission = parts.admission;
    this.#clientSide = parts.clientSide;
    this.#serverSide = parts.serverSide;
    this.#pair = parts.pair;
    this.#idle = parts.idle;
    this.#idlers = parts.idlers;
    this.#log = parts.log;
    this.#hasOtherWorkers = parts.hasOtherWorkers;
    this.#settings = parts.servers.settings;
  }

  configure(settings: Settings): void {
    this.#settings = settings;
  }

  /** It has its place (waiting, hearing or securing -> hearing, securing, dummy, connecting, relaying, waiting or free). */
  admit(connection: number): void {
    this.#table.state[connection] = STATE.connecting;
    if (this.#clientSide.mustBeHeard(connection)) this.#hear(connection);
    else if (this.#clientSide.isCovered(connection)) this.#secure(connection);
    else if (this.#settings.dummy) this.#beDummy(connection);
    else this.#sought(connection, this.#serverSide.seek(connection));
  }

  /** Its first bytes come before a server (connecting or securing -> hearing). */
  #hear(connection: number): void {
    this.#table.state[connection] = STATE.hearing;
    this.#clientSide.hear(connection);
  }

  /** Some of them have come, or no more are to be waited for (hearing -> hearing, free, or as `admit`). */
  heard(connection: number, verdict: number, length: number): void {
    if (verdict === HEAR_ON) {
      this.#engine.receive(this.#table.clientSocket[connection]);
    } else if (verdict !== HEARD) {
      this.finish(connection, false, length < 0 ? 'client_reset' : 'refused');
    } else {
      this.#clientSide.heard(connection);
      this.admit(connection);
    }
  }

  /** Its handshake comes first, unless nobody would serve it (connecting -> securing or free). */
  #secure(connection: number): void {
    if (!this.#clientSide.isServed(connection)) {
      this.#refuse(connection);
      return;
    }
    this.#table.state[connection] = STATE.securing;
    this.#clientSide.secure(connection);
  }

  /** Its handshake has ended (securing -> hearing, free, or as `admit`). */
  secured(connection: number, result: number): void {
    if (result < 0) {
      this.#servers.state.meters.refused(REFUSAL.no_tls);
      this.finish(connection, false, 'refused');
    } else if (this.#clientSide.secured(connection)) {
      this.#hear(connection);
    } else {
      this.admit(connection);
    }
  }

  /** Its handshake has not ended in time (securing -> free). */
  handshakeIsLate(connection: number): void {
    this.#clientSide.handshakeIsLate(connection);
    this.#servers.state.meters.refused(REFUSAL.tls_too_slow);
    this.finish(connection, true, 'refused');
  }

  /** We answer it ourselves (connecting -> dummy). */
  #beDummy(connection: number): void {
    this.#table.state[connection] = STATE.dummy;
    this.#idle.begin(connection);
    this.#engine.receive(this.#table.clientSocket[connection]);
  }

  /** A server has taken it, or will not (-errno) (connecting -> relaying, connecting, waiting or free). */
  reached(connection: number, result: number): void {
    this.#wheel.cancel(connection);
    if (result < 0) {
      this.#sought(connection, this.#serverSide.failed(connection, result));
      return;
    }
    this.#serverSide.succeeded(connection);
    this.#beginRelay(connection);
    this.#engine.receive(this.#table.serverSocket[connection]);
    this.#open(connection);
  }

  /** What the search for a server has come to (connecting -> connecting, relaying, waiting or free). */
  #sought(connection: number, found: number): void {
    if (found >= 0) {
      this.#join(connection, found);
    } else if (found === NOBODY) {
      this.#refuse(connection);
    } else if (found !== UNDER_WAY) {
      this.#wait(connection);
      // Where it is other workers that connect to a server that is busy, nobody tells when they have ended.
      if (found === SHORT || this.#hasOtherWorkers) this.#admission.retryLater();
    }
  }

  /** Its place goes back and it stands in line again (connecting -> waiting). */
  #wait(connection: number): void {
    this.#table.state[connection] = STATE.waiting;
    this.#admission.leave();
    this.#admission.wait(connection);
  }

  /** Nobody takes it (connecting -> free). */
  #refuse(connection: number): void {
    const isAdmitted = this.#clientSide.isAdmitted(connection);
    this.#servers.state.meters.refused(isAdmitted ? REFUSAL.no_server : REFUSAL.denied);
    this.finish(connection, false, isAdmitted ? 'no_server' : 'denied');
  }

  /** A kept connection becomes its server side, with what the server has said already (connecting -> relaying). */
  #join(connection: number, idler: number): void {
    this.#serverSide.join(connection, idler);
    const socket = this.#table.serverSocket[connection];
    this.#beginRelay(connection);
    const early = this.#idlers.takeEarlyBytes(idler);
    this.#open(connection);
    // Without early bytes the idler's receive is still under way and its end will be this connection's.
    if (early === undefined) return;
    if (this.#table.state[connection] === STATE.relaying) {
      this.#received(connection, socket, early.buffer, early.length);
    } else this.#engine.release(early.buffer);
  }

  /** Both sides are connected (connecting -> relaying). */
  #beginRelay(connection: number): void {
    this.#table.state[connection] = STATE.relaying;
    this.#pair.begin(connection);
  }

  /** What is to come before the client's next bytes: our PROXY header, then what the client has said already. */
  #open(connection: number): void {
    const sent = this.#serverSide.introduce(connection);
    if (sent < 0) this.finish(connection, true, 'shortage');
    else if (sent === 0) this.#table.flags[connection] |= INTRODUCING;
    else this.#passOpening(connection);
  }

  /** Our PROXY header has been sent, or could not be (connecting or relaying). */
  introduced(connection: number, result: number): void {
    const isConnecting = this.#table.state[connection] === STATE.connecting;
    this.#table.flags[connection] &= ~INTRODUCING;
    if (isConnecting && result < 0) this.reached(connection, result);
    else if (isConnecting) this.#serverSide.secure(connection);
    else if (result < 0) this.ended(connection, this.#table.serverSocket[connection], RELAY_BROKEN);
    else this.#passOpening(connection);
  }

  /** The client's turn: what it has said already, and then itself. */
  #passOpening(connection: number): void {
    const socket = this.#table.clientSocket[connection];
    const opening = this.#clientSide.takeOpening(connection);
    if (opening === undefined) this.#engine.receive(socket);
    else this.#received(connection, socket, opening.buffer, opening.length);
  }

  #received(connection: number, socket: number, buffer: number, length: number): void {
    const verdict = this.#pair.received(connection, socket, buffer, length);
    if (verdict !== RELAY_GOES_ON) this.ended(connection, socket, verdict);
  }

  /** The pair has ended, by what `socket` reported last (relaying -> refusing or free). */
  ended(connection: number, socket: number, verdict: number): void {
    if (verdict === RELAY_REFUSED) this.#tellRefusal(connection);
    else this.finish(connection, verdict === RELAY_BROKEN, this.#pair.endingOf(connection, socket, verdict));
  }

  /** The client is told why, with nobody else left to be told (relaying -> refusing). */
  #tellRefusal(connection: number): void {
    const socket = this.#table.clientSocket[connection];
    const status = this.#pair.refusal(connection);
    const isReceiving = this.#pair.end(connection);
    this.#wheel.cancel(connection);
    this.#serverSide.close(connection, false);
    this.#serverSide.leave(connection, 'refused');
    if (this.#log.isOn) this.#log.answered(connection, status);
    this.#table.state[connection] = STATE.refusing;
    const buffer = this.#engine.acquire();
    if (buffer < 0) {
      this.finish(connection, true, 'shortage');
      return;
    }
    this.#wheel.arm(connection, this.#engine.now() + LINGER_MS);
    if (!isReceiving) this.#engine.receive(socket);
    const length = refusalAnswer(this.#engine.bytes(buffer), status);
    if (this.#engine.send(socket, buffer, length)) this.#engine.shutdown(socket);
  }

  /** The deadline of one that is in use has come: a head's, or that of silence (relaying or dummy -> refusing or free). */
  overdue(connection: number): void {
    if (this.#pair.headDeadlineMs(connection) <= this.#engine.now()) {
      const verdict = this.#pair.headIsLate(connection);
      if (verdict !== RELAY_GOES_ON) this.ended(connection, NONE, verdict);
      else this.#idle.begin(connection);
      return;
    }
    const verdict = this.#idle.check(connection);
    if (verdict !== IN_USE) this.finish(connection, verdict === IDLE_UNREAD, 'idle');
  }

  /** The one end of every connection: gives back what it holds, whatever state it is in (-> free). */
  finish(connection: number, reset: boolean, how: Ending): void {
    if (this.#log.isOn) this.#log.ended(connection, how, this.#engine.now());
    const state = this.#table.state[connection];
    const clientSocket = this.#table.clientSocket[connection];
    this.#wheel.cancel(connection);
    this.#serverSide.leave(connection, how);
    this.#pair.end(connection);
    this.#clientSide.end(connection);
    this.#serverSide.close(connection, reset);
    if (clientSocket !== NONE) {
      this.#owners.clear(clientSocket);
      this.#engine.close(clientSocket, reset);
    }
    this.#table.release(connection);
    if (state !== STATE.waiting) this.#admission.leave();
  }
}
