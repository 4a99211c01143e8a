/**
 * One worker's TCP proxy: what is made of the engine's reports and the main thread's orders. A report means one thing or
 * another by the state of its connection; connection-lifecycle.ts has what follows from it, and names who does the work.
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import type { Endpoint } from '../core/address.js';
import { Balancer } from '../core/balancer.js';
import { ClientTable } from '../core/client-table.js';
import { type Configuration, NONE } from '../core/configuration.js';
import { REFUSAL } from '../core/meters.js';
import { ServerState } from '../core/server-state.js';
import { ServerTable } from '../core/server-table.js';
import { TimerWheel } from '../core/timer-wheel.js';
import { ERRNO } from '../sys/errno.js';
import type { TlsHandler, TlsKeys, TlsLayer } from '../tls/tls-layer.js';
import { LogRing } from '../weblog/log-ring.js';
import { Admission } from './admission.js';
import { ClientSide } from './client-side.js';
import { FROM_UNIX, INTRODUCING } from './connection-flag.js';
import { ConnectionLifecycle } from './connection-lifecycle.js';
import { ConnectionLog } from './connection-log.js';
import { ConnectionTable, STATE } from './connection-table.js';
import { dummyAnswer } from './dummy.js';
import { FirstBytes } from './first-bytes.js';
import { IdleWatch } from './idle-watch.js';
import { IdlerPool } from './idler-pool.js';
import { Introductions } from './introductions.js';
import { Mail, type Orders, type Post } from './mail.js';
import type { WorkerStart } from './messages.js';
import { OwnerTable } from './owner-table.js';
import { Pair } from './pair.js';
import { RELAY_GOES_ON } from './relay.js';
import { ServerSide } from './server-side.js';
import { TlsLog } from './tls-peer.js';
import { Transparency } from './transparency.js';

/** Deadlines are in seconds, so a tenth of one is close enough. */
const TICK_MS = 100;
const FIRST_TIMERS = 1024;

export class TcpProxy implements TlsHandler, Orders {
  readonly #start: WorkerStart;
  readonly #post: Post;
  readonly #keys: TlsKeys;
  readonly #mail: Mail;
  readonly #table: ConnectionTable;
  readonly #owners = new OwnerTable();
  readonly #servers: ServerTable;
  readonly #clients: ClientTable;
  readonly #balancer: Balancer;
  readonly #log: ConnectionLog;
  readonly #tlsLog: TlsLog;
  #engine!: TlsLayer;
  #wheel!: TimerWheel;
  #admission!: Admission;
  #firstBytes!: FirstBytes;
  #introductions!: Introductions;
  #clientSide!: ClientSide;
  #serverSide!: ServerSide;
  #pair!: Pair;
  #idle!: IdleWatch;
  #idlers!: IdlerPool;
  #lifecycle!: ConnectionLifecycle;
  #wakeAt = Infinity;

  constructor(start: WorkerStart, post: Post, keys: TlsKeys) {
    this.#start = start;
    this.#post = post;
    this.#keys = keys;
    this.#mail = new Mail(start, post);
    this.#table = new ConnectionTable(start.connections);
    this.#servers = new ServerTable(new ServerState(start.servers));
    this.#clients = new ClientTable(start.clients);
    this.#balancer = new Balancer(this.#servers, this.#clients);
    this.#log = new ConnectionLog(new LogRing(start.log), this.#table, false);
    this.#tlsLog = new TlsLog(this.#table, post);
  }

  /** To be called once, before the engine runs. */
  attach(engine: TlsLayer): void {
    const { state } = this.#servers;
    const wheel = new TimerWheel(FIRST_TIMERS, TICK_MS, engine.now());
    const firstBytes = new FirstBytes(engine, state.meters);
    const common = {
      engine,
      table: this.#table,
      owners: this.#owners,
      wheel,
      servers: this.#servers,
      clients: this.#clients,
      balancer: this.#balancer,
      firstBytes,
      introductions: new Introductions(engine, this.#table, firstBytes),
      admission: new Admission(this.#start, engine, this.#table, state, this.#post),
      idle: new IdleWatch(engine, this.#table, wheel, (connection) => this.#pair.headDeadlineMs(connection)),
      idlers: new IdlerPool(engine, this.#table, this.#owners, wheel, this.#servers, this.#balancer),
      log: this.#log,
    };
    const clientSide = new ClientSide({ ...common, keys: this.#keys, tlsLog: this.#tlsLog });
    const serverSide = new ServerSide({ ...common, transparency: new Transparency(this.#start.transparency) });
    const pair = new Pair(common);
    const hasOtherWorkers = this.#start.threads > 1;
    this.#lifecycle = new ConnectionLifecycle({ ...common, clientSide, serverSide, pair, hasOtherWorkers });
    this.#engine = engine;
    this.#wheel = wheel;
    this.#admission = common.admission;
    this.#firstBytes = firstBytes;
    this.#introductions = common.introductions;
    this.#clientSide = clientSide;
    this.#serverSide = serverSide;
    this.#pair = pair;
    this.#idle = common.idle;
    this.#idlers = common.idlers;
    this.configure(this.#mail.configuration);
  }

  listening(listener: number, result: number): void {
    this.#admission.listening(listener, result);
  }

  accepted(_listener: number, socket: number): void {
    if (this.#mail.hasCome()) this.readMail();
    const { meters } = this.#servers.state;
    if (socket < 0) {
      meters.acceptFailed();
      this.#admission.retryLater();
      return;
    }
    meters.accepted();
    this.#admission.accepted();
    const table = this.#table;
    const connection = table.allocate(STATE.waiting);
    if (connection === NONE) {
      meters.refused(REFUSAL.full);
      this.#engine.close(socket, true);
      return;
    }
    const peer = this.#engine.peer;
    table.clientSocket[connection] = socket;
    this.#owners.set(socket, connection);
    // Four assignments: `set` would cost a call into the runtime.
    for (let i = 0; i < 4; i++) table.peer[connection * 4 + i] = peer.words[i];
    table.peerPort[connection] = peer.port;
    if (peer.isUnix) table.flags[connection] = FROM_UNIX;
    if (this.#log.isOn) this.#log.opened(connection, this.#engine.now());
    if (this.#admission.tryEnter()) this.#lifecycle.admit(connection);
    else this.#admission.wait(connection);
  }

  connected(socket: number, result: number): void {
    const connection = this.#owners.of(socket);
    const done = result < 0 ? result : this.#serverSide.prepare(connection);
    this.#admission.mayAdmit = true;
    if (done !== 0) this.#reached(connection, done);
  }

  secured(socket: number, result: number): void {
    const connection = this.#owners.of(socket);
    const isClient = this.#table.state[connection] === STATE.securing;
    if (result < 0) this.#tlsLog.failed(connection, isClient, this.#engine.tlsFailure(socket));
    if (isClient) {
      this.#lifecycle.secured(connection, result);
    } else {
      this.#admission.mayAdmit = true;
      this.#reached(connection, result);
    }
  }

  /** A server has taken the connection or idler, or will not (-errno). */
  #reached(connection: number, result: number): void {
    if (this.#table.state[connection] !== STATE.reaching) this.#lifecycle.reached(connection, result);
    else this.#idlers.connected(connection, result, this.#engine.now());
  }

  received(socket: number, buffer: number, length: number): void {
    const connection = this.#owners.of(socket);
    const state = this.#table.state[connection];
    if (state === STATE.relaying) {
      if (this.#idle.timeoutMs > 0 && length > 0) this.#table.lastActiveMs[connection] = this.#engine.now();
      const verdict = this.#pair.received(connection, socket, buffer, length);
      if (verdict !== RELAY_GOES_ON) this.#lifecycle.ended(connection, socket, verdict);
    } else if (state === STATE.hearing) {
      this.#lifecycle.heard(connection, this.#firstBytes.received(connection, buffer, length), length);
    } else if (state === STATE.dummy) {
      this.#answerDummy(connection, socket, buffer, length);
    } else if (state === STATE.idler) {
      this.#idlers.received(connection, buffer, length, this.#engine.now());
    } else {
      if (buffer >= 0) this.#engine.release(buffer);
      if (state !== STATE.refusing) return;
      if (length > 0) this.#engine.receive(socket);
      else this.#lifecycle.finish(connection, false, 'refused');
    }
  }

  sent(socket: number, result: number): void {
    const connection = this.#owners.of(socket);
    const state = this.#table.state[connection];
    if (state === STATE.relaying) {
      if (this.#idle.timeoutMs > 0 && result === 0) this.#table.lastActiveMs[connection] = this.#engine.now();
      if ((this.#table.flags[connection] & INTRODUCING) !== 0 && socket === this.#table.serverSocket[connection]) {
        this.#lifecycle.introduced(connection, result);
        return;
      }
      const verdict = this.#pair.sent(connection, socket, result);
      if (verdict !== RELAY_GOES_ON) this.#lifecycle.ended(connection, socket, verdict);
    } else if (state === STATE.connecting) {
      this.#lifecycle.introduced(connection, result);
    } else if (result < 0) {
      this.#lifecycle.finish(connection, false, 'client_reset');
    } else if (state === STATE.refusing) {
      this.#engine.shutdown(socket);
    } else {
      this.#engine.receive(socket);
    }
  }

  #answerDummy(connection: number, socket: number, buffer: number, length: number): void {
    if (length <= 0) {
      this.#lifecycle.finish(connection, false, length === 0 ? 'client' : 'client_reset');
      return;
    }
    if (this.#idle.timeoutMs > 0) this.#table.lastActiveMs[connection] = this.#engine.now();
    this.#engine.release(buffer);
    const answer = this.#engine.acquire();
    if (answer < 0) this.#lifecycle.finish(connection, true, 'shortage');
    else if (this.#engine.send(socket, answer, dummyAnswer(this.#engine.bytes(answer)))) this.#engine.receive(socket);
  }

  timer(nowMs: number): void {
    this.#wakeAt = Infinity;
    this.#wheel.expire(nowMs, this.#expired);
    this.#admission.timer(nowMs);
  }

  /** The deadline of a connection has come. */
  readonly #expired = (connection: number): void => {
    const state = this.#table.state[connection];
    if (state === STATE.connecting) {
      this.#lifecycle.reached(connection, -ERRNO.ETIMEDOUT);
    } else if (state === STATE.reaching) {
      this.#admission.mayAdmit = true;
      this.#idlers.connected(connection, -ERRNO.ETIMEDOUT, this.#engine.now());
    } else if (state === STATE.hearing) {
      this.#lifecycle.heard(connection, this.#firstBytes.late(connection), 0);
    } else if (state === STATE.securing) {
      this.#lifecycle.handshakeIsLate(connection);
    } else if (state === STATE.refusing) {
      this.#lifecycle.finish(connection, false, 'refused');
    } else {
      this.#lifecycle.overdue(connection);
    }
  };

  turn(nowMs: number): void {
    if (this.#mail.hasCome()) this.readMail();
    const admission = this.#admission;
    if (admission.beginTurn()) {
      for (let row = admission.next(); row !== NONE; row = admission.next()) this.#lifecycle.admit(row);
    }
    admission.grant();
    this.#idlers.fill(nowMs);
    const wakeAt = Math.min(this.#wheel.nextDeadline(), admission.wakeAt(), this.#idlers.wakeAt());
    if (wakeAt !== this.#wakeAt) {
      this.#wakeAt = wakeAt;
      this.#engine.wakeAt(wakeAt);
    }
  }

  /** Does what the main thread has written, all of it. */
  readMail(): void {
    this.#admission.mayAdmit = true;
    this.#mail.read(this);
  }

  configure(configuration: Configuration): void {
    const { settings } = configuration;
    const idleTimeoutMs = settings.idleTimeoutSec * 1000;
    const isNewTimeout = idleTimeoutMs !== this.#idle.timeoutMs;
    this.#idle.timeoutMs = idleTimeoutMs;
    this.#admission.configure(settings);
    this.#balancer.configure(configuration);
    this.#serverSide.configure(configuration);
    this.#introductions.configure(configuration);
    this.#clientSide.configure(configuration);
    this.#lifecycle.configure(settings);
    this.#pair.configure(settings);
    this.#log.configure(settings, this.#engine.now());
    this.#idlers.wanted = this.#admission.idlerShare;
    this.#idlers.dropUnwanted(this.#engine.now());
    if (!isNewTimeout) return;
    for (let connection = 0; connection < this.#table.highWater; connection++) {
      const state = this.#table.state[connection];
      if (state === STATE.relaying || state === STATE.dummy) this.#idle.begin(connection);
    }
  }

  listen(endpoint: Endpoint, descriptor: number | undefined): void {
    this.#admission.listen(endpoint, descriptor);
  }

  closeByHand(connection: number): void {
    const state = this.#table.state[connection];
    if (state === STATE.idler || state === STATE.reaching) this.#idlers.drop(connection, this.#engine.now());
    else if (state !== STATE.free) this.#lifecycle.finish(connection, false, 'ordered');
  }

  /** Reading the mail is enough: places are looked for after it. */
  nudged(): void {}

  stop(): void {
    for (let connection = 0; connection < this.#table.highWater; connection++) this.closeByHand(connection);
    this.#admission.close();
    this.#engine.stop();
  }
}
