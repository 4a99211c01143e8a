/**
 * One worker's proxy: what happens to a connection from accept to close. docs/internals/connection.md draws the
 * state machine; `#enter...` and `#leave...` below are its arrows. The engine reports, the balancer chooses, the
 * relay moves bytes; this file is what ties them together and the only one that changes a connection's state.
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import type { Endpoint } from '../core/address.js';
import { Balancer } from '../core/balancer.js';
import { ClientTable } from '../core/client-table.js';
import { type Configuration, NONE, type Settings } from '../core/configuration.js';
import { REFUSAL } from '../core/meters.js';
import { ServerState } from '../core/server-state.js';
import { ServerTable } from '../core/server-table.js';
import { TimerWheel } from '../core/timer-wheel.js';
import { ERRNO } from '../sys/errno.js';
import type { TlsHandler, TlsKeys, TlsLayer } from '../tls/tls-layer.js';
import { LogRing } from '../weblog/log-ring.js';
import type { Ending } from '../weblog/record.js';
import { Admission } from './admission.js';
import { ClientSide } from './client-side.js';
import { FROM_UNIX, INTRODUCING } from './connection-flag.js';
import { ConnectionLog } from './connection-log.js';
import { ConnectionTable, STATE } from './connection-table.js';
import { dummyAnswer } from './dummy.js';
import { FirstBytes, HEAR_ON, HEARD } from './first-bytes.js';
import { IDLE_UNREAD, IdleWatch, IN_USE } from './idle-watch.js';
import { IdlerPool } from './idler-pool.js';
import { Introductions } from './introductions.js';
import { Mail, type Orders, type Post } from './mail.js';
import type { WorkerStart } from './messages.js';
import { OwnerTable } from './owner-table.js';
import { Pair } from './pair.js';
import { refusalAnswer } from './refusal-answer.js';
import { RELAY_BROKEN, RELAY_GOES_ON, RELAY_REFUSED } from './relay.js';
import { NOBODY, ServerSide, SHORT, UNDER_WAY } from './server-side.js';
import { TlsLog } from './tls-peer.js';
import { Transparency } from './transparency.js';

/** Deadlines are in seconds, so a tenth of one is close enough. */
const TICK_MS = 100;
const FIRST_TIMERS = 1024;
/** How long a client that is refused may go on talking: closing at once would reset it and lose the answer. */
const LINGER_MS = 2000;

export class TcpProxy implements TlsHandler, Orders {
  readonly #start: WorkerStart;
  #engine!: TlsLayer;
  #admission!: Admission;
  readonly #keys: TlsKeys;
  #idlers!: IdlerPool;
  readonly #post: Post;
  readonly #table: ConnectionTable;
  readonly #state: ServerState;
  readonly #servers: ServerTable;
  readonly #clients: ClientTable;
  readonly #balancer: Balancer;
  readonly #transparency: Transparency;
  #serverSide!: ServerSide;
  #pair!: Pair;
  #idle!: IdleWatch;
  #firstBytes!: FirstBytes;
  #clientSide!: ClientSide;
  #introductions!: Introductions;
  readonly #tlsLog: TlsLog;
  readonly #log: ConnectionLog;
  #wheel!: TimerWheel;
  readonly #mail: Mail;
  readonly #threads: number;
  #settings: Settings;
  readonly #owners = new OwnerTable();
  #wakeAt = Infinity;

  constructor(start: WorkerStart, post: Post, keys: TlsKeys) {
    this.#keys = keys;
    this.#post = post;
    this.#table = new ConnectionTable(start.connections);
    this.#state = new ServerState(start.servers);
    this.#servers = new ServerTable(this.#state);
    this.#clients = new ClientTable(start.clients);
    this.#balancer = new Balancer(this.#servers, this.#clients);
    this.#transparency = new Transparency(start.transparency);
    this.#log = new ConnectionLog(new LogRing(start.log), this.#table, false);
    this.#mail = new Mail(start, post);
    this.#tlsLog = new TlsLog(this.#table, post);
    this.#threads = start.threads;
    this.#settings = start.configuration.settings;
    this.#start = start;
  }

  /** To be called once, before the engine runs. */
  attach(engine: TlsLayer): void {
    this.#engine = engine;
    this.#wheel = new TimerWheel(FIRST_TIMERS, TICK_MS, engine.now());
    this.#admission = new Admission(this.#start, engine, this.#table, this.#state, this.#post);
    this.#idle = new IdleWatch(engine, this.#table, this.#wheel, (connection) => this.#pair.headDeadlineMs(connection));
    this.#firstBytes = new FirstBytes(engine, this.#state.meters);
    this.#introductions = new Introductions(engine, this.#table, this.#firstBytes);
    this.#idlers = new IdlerPool(engine, this.#table, this.#owners, this.#wheel, this.#servers, this.#balancer);
    this.#serverSide = new ServerSide({
      engine,
      table: this.#table,
      owners: this.#owners,
      wheel: this.#wheel,
      state: this.#state,
      servers: this.#servers,
      clients: this.#clients,
      balancer: this.#balancer,
      transparency: this.#transparency,
      idlers: this.#idlers,
      firstBytes: this.#firstBytes,
      introductions: this.#introductions,
    });
    this.#clientSide = new ClientSide({
      engine,
      table: this.#table,
      wheel: this.#wheel,
      servers: this.#servers,
      balancer: this.#balancer,
      firstBytes: this.#firstBytes,
      keys: this.#keys,
      tlsLog: this.#tlsLog,
      log: this.#log,
    });
    this.#pair = new Pair({
      engine,
      table: this.#table,
      servers: this.#servers,
      clients: this.#clients,
      idle: this.#idle,
      introductions: this.#introductions,
      log: this.#log,
    });
    this.configure(this.#mail.configuration);
  }

  listening(listener: number, result: number): void {
    this.#admission.listening(listener, result);
  }

  accepted(_listener: number, socket: number): void {
    if (this.#mail.hasCome()) this.readMail();
    const { meters } = this.#state;
    if (socket < 0) {
      meters.acceptFailed();
      this.#admission.retryLater();
      return;
    }
    meters.accepted();
    this.#admission.accepted();
    const connection = this.#table.allocate(STATE.waiting);
    if (connection === NONE) {
      meters.refused(REFUSAL.full);
      this.#engine.close(socket, true);
      return;
    }
    const peer = this.#engine.peer;
    this.#table.clientSocket[connection] = socket;
    this.#owners.set(socket, connection);
    // Four assignments: `set` would cost a call into the runtime.
    for (let i = 0; i < 4; i++) this.#table.peer[connection * 4 + i] = peer.words[i];
    this.#table.peerPort[connection] = peer.port;
    if (peer.isUnix) this.#table.flags[connection] = FROM_UNIX;
    if (this.#log.isOn) this.#log.opened(connection, this.#engine.now());
    if (this.#admission.tryEnter()) this.#admit(connection);
    else this.#admission.wait(connection);
  }

  connected(socket: number, result: number): void {
    this.#admission.mayAdmit = true;
    const connection = this.#owners.of(socket);
    const done = result < 0 ? result : this.#serverSide.prepare(connection);
    if (done !== 0) this.#reached(connection, done);
  }

  secured(socket: number, result: number): void {
    const connection = this.#owners.of(socket);
    const state = this.#table.state[connection];
    if (result < 0) this.#tlsLog.failed(connection, state === STATE.securing, this.#engine.tlsFailure(socket));
    if (state !== STATE.securing) {
      this.#admission.mayAdmit = true;
      this.#reached(connection, result);
    } else if (result < 0) {
      this.#state.meters.refused(REFUSAL.no_tls);
      this.#finish(connection, false, 'refused');
    } else {
      const isToBeHeard = this.#clientSide.secured(connection);
      if (isToBeHeard) this.#hear(connection);
      else this.#admit(connection);
    }
  }

  /** A server has taken the connection, or will not. */
  #reached(connection: number, result: number): void {
    const state = this.#table.state[connection];
    if (state === STATE.reaching) {
      this.#idlers.connected(connection, result, this.#engine.now());
      return;
    }
    this.#wheel.cancel(connection);
    if (result < 0) this.#sought(connection, this.#serverSide.failed(connection, result));
    else this.#connectSucceeded(connection);
  }

  received(socket: number, buffer: number, length: number): void {
    const connection = this.#owners.of(socket);
    const state = this.#table.state[connection];
    if (state === STATE.relaying) {
      if (this.#idle.timeoutMs > 0 && length > 0) this.#table.lastActiveMs[connection] = this.#engine.now();
      this.#relayReceived(connection, socket, buffer, length);
    } else if (state === STATE.hearing) {
      this.#heard(connection, this.#firstBytes.received(connection, buffer, length), length);
    } else if (state === STATE.dummy) {
      this.#answerDummy(connection, socket, buffer, length);
    } else if (state === STATE.idler) {
      this.#idlers.received(connection, buffer, length, this.#engine.now());
    } else {
      if (buffer >= 0) this.#engine.release(buffer);
      if (state !== STATE.refusing) return;
      if (length > 0) this.#engine.receive(socket);
      else this.#finish(connection, false, 'refused');
    }
  }

  #relayReceived(connection: number, socket: number, buffer: number, length: number): void {
    const verdict = this.#pair.received(connection, socket, buffer, length);
    if (verdict !== RELAY_GOES_ON) this.#relayEnded(connection, socket, verdict);
  }

  /** The pair has ended, by what `socket` reported last. */
  #relayEnded(connection: number, socket: number, verdict: number): void {
    if (verdict === RELAY_REFUSED) this.#answerRefusal(connection);
    else this.#finish(connection, verdict === RELAY_BROKEN, this.#pair.endingOf(connection, socket, verdict));
  }

  sent(socket: number, result: number): void {
    const connection = this.#owners.of(socket);
    if (this.#table.state[connection] === STATE.relaying) {
      if (this.#idle.timeoutMs > 0 && result === 0) this.#table.lastActiveMs[connection] = this.#engine.now();
      const flags = this.#table.flags[connection];
      if ((flags & INTRODUCING) !== 0 && socket === this.#table.serverSocket[connection]) {
        this.#introduced(connection, result);
        return;
      }
      const verdict = this.#pair.sent(connection, socket, result);
      if (verdict !== RELAY_GOES_ON) this.#relayEnded(connection, socket, verdict);
    } else if (this.#table.state[connection] === STATE.connecting) {
      this.#introduced(connection, result);
    } else if (result < 0) {
      this.#finish(connection, false, 'client_reset');
    } else if (this.#table.state[connection] === STATE.refusing) {
      this.#engine.shutdown(socket);
    } else {
      this.#engine.receive(socket);
    }
  }

  timer(nowMs: number): void {
    this.#wakeAt = Infinity;
    this.#wheel.expire(nowMs, this.#expired);
    this.#admission.timer(nowMs);
  }

  turn(nowMs: number): void {
    if (this.#mail.hasCome()) this.readMail();
    if (this.#admission.beginTurn()) this.#admitWaiting();
    this.#admission.grant();
    this.#idlers.fill(nowMs);
    const wakeAt = Math.min(this.#wheel.nextDeadline(), this.#admission.wakeAt(), this.#idlers.wakeAt());
    if (wakeAt !== this.#wakeAt) {
      this.#wakeAt = wakeAt;
      this.#engine.wakeAt(wakeAt);
    }
  }

  #admitWaiting(): void {
    for (let connection = this.#admission.next(); connection !== NONE; connection = this.#admission.next()) {
      this.#admit(connection);
    }
  }

  /** A connection has its place (waiting -> connecting, dummy or free). */
  #admit(connection: number): void {
    this.#table.state[connection] = STATE.connecting;
    if (this.#clientSide.mustBeHeard(connection)) this.#hear(connection);
    else if (this.#clientSide.isCovered(connection)) this.#secure(connection);
    else if (this.#settings.dummy) this.#beDummy(connection);
    else this.#sought(connection, this.#serverSide.seek(connection));
  }

  /** Its first bytes come before a server (-> hearing). */
  #hear(connection: number): void {
    this.#table.state[connection] = STATE.hearing;
    this.#clientSide.hear(connection);
  }

  /** The client's handshake comes first, unless it is one that nobody would serve (connecting -> securing). */
  #secure(connection: number): void {
    if (!this.#clientSide.isServed(connection)) {
      this.#refuse(connection);
      return;
    }
    this.#table.state[connection] = STATE.securing;
    this.#clientSide.secure(connection);
  }

  /** We answer it ourselves (connecting -> dummy). */
  #beDummy(connection: number): void {
    this.#table.state[connection] = STATE.dummy;
    this.#idle.begin(connection);
    this.#engine.receive(this.#table.clientSocket[connection]);
  }

  /** What the search for a server has come to (connecting -> relaying, waiting or free). */
  #sought(connection: number, found: number): void {
    if (found >= 0) {
      this.#relayFromIdler(connection, found);
    } else if (found === NOBODY) {
      this.#refuse(connection);
    } else if (found !== UNDER_WAY) {
      this.#wait(connection);
      // Where it is other workers that connect to a server that is busy, nobody tells when they have ended.
      if (found === SHORT || this.#threads > 1) this.#admission.retryLater();
    }
  }

  /** Nobody takes it (-> free). */
  #refuse(connection: number): void {
    const isAdmitted = this.#clientSide.isAdmitted(connection);
    this.#state.meters.refused(isAdmitted ? REFUSAL.no_server : REFUSAL.denied);
    this.#finish(connection, false, isAdmitted ? 'no_server' : 'denied');
  }

  /** Its place goes back and it queues again (-> waiting). */
  #wait(connection: number): void {
    this.#table.server[connection] = NONE;
    this.#table.state[connection] = STATE.waiting;
    this.#admission.leave();
    this.#admission.wait(connection);
  }

  #connectSucceeded(connection: number): void {
    this.#serverSide.succeeded(connection);
    this.#beginRelay(connection);
    this.#engine.receive(this.#table.serverSocket[connection]);
    this.#open(connection);
  }

  /** Both sides are connected (connecting -> relaying). */
  #beginRelay(connection: number): void {
    this.#table.state[connection] = STATE.relaying;
    this.#pair.begin(connection);
  }

  /** A kept connection becomes this client's server side, with whatever the server has said already. */
  #relayFromIdler(connection: number, idler: number): void {
    this.#serverSide.join(connection, idler);
    const socket = this.#table.serverSocket[connection];
    this.#beginRelay(connection);
    const early = this.#idlers.takeEarlyBytes(idler);
    this.#open(connection);
    // Without early bytes the idler's receive is still under way and its end will be this connection's.
    if (early === undefined) return;
    if (this.#table.state[connection] === STATE.relaying) {
      this.#relayReceived(connection, socket, early.buffer, early.length);
    } else this.#engine.release(early.buffer);
  }

  /** Some of them have come, or no more are to be waited for (hearing -> connecting or free). */
  #heard(connection: number, verdict: number, length = 0): void {
    if (verdict === HEAR_ON) {
      this.#engine.receive(this.#table.clientSocket[connection]);
      return;
    }
    if (verdict !== HEARD) {
      this.#finish(connection, false, length < 0 ? 'client_reset' : 'refused');
      return;
    }
    this.#clientSide.heard(connection);
    this.#admit(connection);
  }

  /** What is to come before the client's next bytes: our PROXY header, then what the client has said already. */
  #open(connection: number): void {
    const { proxy, tls } = this.#servers.spec(this.#table.server[connection]);
    // To a server that speaks TLS it has gone before.
    const sent = proxy === 'off' || tls !== 'off' ? 1 : this.#introductions.sendHeader(connection, proxy);
    if (sent < 0) this.#finish(connection, true, 'shortage');
    else if (sent === 0) this.#table.flags[connection] |= INTRODUCING;
    else this.#passOpening(connection);
  }

  /** Our PROXY header has been sent, or could not be. */
  #introduced(connection: number, result: number): void {
    const isConnecting = this.#table.state[connection] === STATE.connecting;
    this.#table.flags[connection] &= ~INTRODUCING;
    if (isConnecting && result < 0) this.#reached(connection, result);
    else if (isConnecting) this.#serverSide.secure(connection);
    else if (result < 0) this.#relayEnded(connection, this.#table.serverSocket[connection], RELAY_BROKEN);
    else this.#passOpening(connection);
  }

  /** The client's turn: what it has said already, and then itself. */
  #passOpening(connection: number): void {
    const socket = this.#table.clientSocket[connection];
    const opening = this.#clientSide.takeOpening(connection);
    if (opening === undefined) this.#engine.receive(socket);
    else this.#relayReceived(connection, socket, opening.buffer, opening.length);
  }

  /** The client is told why, with nobody else left to be told (relaying -> refusing). */
  #answerRefusal(connection: number): void {
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
      this.#finish(connection, true, 'shortage');
      return;
    }
    this.#wheel.arm(connection, this.#engine.now() + LINGER_MS);
    if (!isReceiving) this.#engine.receive(socket);
    const length = refusalAnswer(this.#engine.bytes(buffer), status);
    if (this.#engine.send(socket, buffer, length)) this.#engine.shutdown(socket);
  }

  /** The one end of every connection: gives back what it holds, whatever state it is in (-> free). */
  #finish(connection: number, reset: boolean, how: Ending): void {
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

  readonly #expired = (connection: number): void => {
    const state = this.#table.state[connection];
    if (state === STATE.connecting) this.#sought(connection, this.#serverSide.failed(connection, -ERRNO.ETIMEDOUT));
    else if (state === STATE.securing) this.#tooSlow(connection);
    else if (state === STATE.reaching) this.connected(this.#table.serverSocket[connection], -ERRNO.ETIMEDOUT);
    else if (state === STATE.hearing) this.#heard(connection, this.#firstBytes.late(connection));
    else if (state === STATE.refusing) this.#finish(connection, false, 'refused');
    else if (this.#pair.headDeadlineMs(connection) <= this.#engine.now()) this.#headIsLate(connection);
    else this.#checkIdleness(connection);
  };

  #tooSlow(connection: number): void {
    this.#clientSide.tooSlow(connection);
    this.#state.meters.refused(REFUSAL.tls_too_slow);
    this.#finish(connection, true, 'refused');
  }

  #headIsLate(connection: number): void {
    const verdict = this.#pair.headIsLate(connection);
    if (verdict !== RELAY_GOES_ON) this.#relayEnded(connection, NONE, verdict);
    else this.#idle.begin(connection);
  }

  #checkIdleness(connection: number): void {
    const verdict = this.#idle.check(connection);
    if (verdict !== IN_USE) this.#finish(connection, verdict === IDLE_UNREAD, 'idle');
  }

  #answerDummy(connection: number, socket: number, buffer: number, length: number): void {
    if (length <= 0) {
      this.#finish(connection, false, length === 0 ? 'client' : 'client_reset');
      return;
    }
    if (this.#idle.timeoutMs > 0) this.#table.lastActiveMs[connection] = this.#engine.now();
    this.#engine.release(buffer);
    const answer = this.#engine.acquire();
    if (answer < 0) this.#finish(connection, true, 'shortage');
    else if (this.#engine.send(socket, answer, dummyAnswer(this.#engine.bytes(answer)))) this.#engine.receive(socket);
  }

  /** Does what the main thread has written, all of it. */
  readMail(): void {
    this.#admission.mayAdmit = true;
    this.#mail.read(this);
  }

  configure(configuration: Configuration): void {
    const before = this.#settings.idleTimeoutSec;
    const { settings } = configuration;
    this.#settings = settings;
    this.#idle.timeoutMs = settings.idleTimeoutSec * 1000;
    this.#admission.configure(settings);
    this.#balancer.configure(configuration);
    this.#serverSide.configure(configuration);
    this.#introductions.configure(configuration);
    this.#clientSide.configure(configuration);
    this.#pair.configure(settings);
    this.#log.configure(settings, this.#engine.now());
    this.#idlers.wanted = this.#admission.idlerShare;
    this.#idlers.dropUnwanted(this.#engine.now());
    if (before !== settings.idleTimeoutSec && settings.idleTimeoutSec > 0) {
      for (let connection = 0; connection < this.#table.highWater; connection++) {
        const state = this.#table.state[connection];
        if (state === STATE.relaying || state === STATE.dummy) this.#idle.begin(connection);
      }
    }
  }

  listen(endpoint: Endpoint, descriptor: number | undefined): void {
    this.#admission.listen(endpoint, descriptor);
  }

  closeByHand(connection: number): void {
    const state = this.#table.state[connection];
    if (state === STATE.idler || state === STATE.reaching) this.#idlers.drop(connection, this.#engine.now());
    else if (state !== STATE.free) this.#finish(connection, false, 'ordered');
  }

  /** Reading the mail is enough: places are looked for after it. */
  nudged(): void {}

  stop(): void {
    for (let connection = 0; connection < this.#table.highWater; connection++) this.closeByHand(connection);
    this.#admission.close();
    this.#engine.stop();
  }
}
