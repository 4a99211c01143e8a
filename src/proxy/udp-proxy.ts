/**
 * One worker's UDP proxy: what happens to a datagram. docs/internals/udp.md tells it in order. A client's datagrams belong
 * to a session, which has one server and one socket to it; the engine reports, the balancer chooses, this file decides
 * when sessions begin, move and end.
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import { Acl } from '../core/acl.js';
import type { Endpoint, IpEndpoint } from '../core/address.js';
import { Balancer } from '../core/balancer.js';
import { ClientTable } from '../core/client-table.js';
import { ABUSE_SLOT, type Configuration, EMERGENCY_SLOT, NONE, type Settings } from '../core/configuration.js';
import { ENDINGS } from '../core/meters.js';
import { ServerState } from '../core/server-state.js';
import { ServerTable } from '../core/server-table.js';
import { TimerWheel } from '../core/timer-wheel.js';
import { isNetworkError } from '../engine/datagrams/network-error.js';
import type { DatagramHandler, Datagrams } from '../engine/datagrams.js';
import { isWildcard } from '../sys/datagram-socket.js';
import { ERRNO } from '../sys/errno.js';
import { LogRing } from '../weblog/log-ring.js';
import type { Ending } from '../weblog/record.js';
import type { ProxyHeader } from '../wire/proxy-protocol/header.js';
import { causeOf, isOurFault, isShortage } from './connect-error.js';
import { ConnectionLog } from './connection-log.js';
import { ConnectionTable } from './connection-table.js';
import { DatagramHeaders } from './datagram-headers.js';
import { KEPT_BYTES, KeptDatagrams } from './kept-datagrams.js';
import { Mail, type Orders, type Post } from './mail.js';
import type { WorkerStart } from './messages.js';
import { OwnAddresses } from './own-addresses.js';
import { OwnerTable } from './owner-table.js';
import { ServerEpochs } from './server-epochs.js';
import { SessionRoom } from './session-room.js';
import { REFUSED, Transparency } from './transparency.js';
import { DROP, Drops } from './udp-drops.js';
import { UdpSender } from './udp-sender.js';
import { UdpSessionTable } from './udp-session-table.js';
import { UdpTraffic } from './udp-traffic.js';

const TICK_MS = 100;
const FIRST_TIMERS = 2048;
/** Silence is how a session of datagrams ends in order; broken is one whose server failed. */
const CLOSED = ENDINGS.indexOf('closed');
const BROKEN = ENDINGS.indexOf('broken');
/** Rows that are looked at, and sessions that are moved, a turn when a server has failed. */
const SWEEP_ROWS = 8192;
const SWEEP_MOVES = 256;
/** The main thread is not asked for a place more often, however many datagrams want one. */
const ASK_MS = 10;

export class UdpProxy implements DatagramHandler, Orders {
  #engine!: Datagrams;
  #sender!: UdpSender;
  #headers!: DatagramHeaders;
  /** Who begins each datagram with a PROXY header; undefined: nobody does. */
  #proxies: Acl | undefined;
  readonly #post: Post;
  readonly #mail: Mail;
  readonly #rows: ConnectionTable;
  readonly #sessions: UdpSessionTable;
  readonly #state: ServerState;
  readonly #servers: ServerTable;
  readonly #clients: ClientTable;
  readonly #balancer: Balancer;
  readonly #traffic: UdpTraffic;
  readonly #log: ConnectionLog;
  readonly #drops: Drops;
  readonly #transparency: Transparency;
  readonly #epochs = new ServerEpochs();
  /** When each server was last heard of, by any worker, by slot. */
  readonly #heardMs: Float64Array;
  readonly #threads: number;
  readonly #capacity: number;
  /** Two timers a session: silence, and an expected answer. */
  #wheel!: TimerWheel;
  #settings: Settings;
  #timeoutMs = 0;
  #expectMs = 0;
  /** Each datagram is chosen for anew. */
  #spreads = false;
  readonly #owners = new OwnerTable();
  #listener = NONE;
  #nextListener = NONE;
  #bound: IpEndpoint | undefined;
  readonly #ownAddresses = new OwnAddresses();
  /** Row that the search for sessions of failed servers goes on from; NONE: there is no search. */
  #sweepAt = NONE;
  #askAgainMs = 0;
  readonly #room = new SessionRoom();
  #wakeAt = Infinity;
  /** The client that a proxy names, during one datagram. */
  readonly #peer = new Int32Array(4);

  /** `key0` and `key1` (32 bits each) are random and kept to ourselves. */
  constructor(start: WorkerStart, post: Post, key0: number, key1: number) {
    this.#post = post;
    this.#mail = new Mail(start, post);
    this.#rows = new ConnectionTable(start.connections);
    this.#sessions = new UdpSessionTable(this.#rows, key0, key1);
    this.#state = new ServerState(start.servers);
    this.#servers = new ServerTable(this.#state);
    this.#clients = new ClientTable(start.clients);
    this.#balancer = new Balancer(this.#servers, this.#clients);
    this.#traffic = new UdpTraffic(this.#sessions, this.#state, this.#clients);
    this.#log = new ConnectionLog(new LogRing(start.log), this.#rows, true);
    this.#drops = new Drops(start.drops);
    this.#transparency = new Transparency(start.transparency);
    this.#heardMs = new Float64Array(start.heard);
    this.#threads = start.threads;
    this.#capacity = start.connectionCapacity;
    this.#settings = start.configuration.settings;
  }

  /** To be called once, before the engine runs. */
  attach(engine: Datagrams): void {
    this.#engine = engine;
    this.#headers = new DatagramHeaders(engine.memory, KEPT_BYTES);
    this.#wheel = new TimerWheel(FIRST_TIMERS, TICK_MS, engine.now());
    this.#sender = new UdpSender({
      engine,
      sessions: this.#sessions,
      servers: this.#servers,
      headers: this.#headers,
      kept: new KeptDatagrams(engine.memory),
      traffic: this.#traffic,
      log: this.#log,
      wheel: this.#wheel,
    });
    this.configure(this.#mail.configuration);
  }

  listening(listener: number, result: number): void {
    if (listener !== this.#nextListener) return;
    this.#nextListener = NONE;
    if (result < 0) {
      this.#post.send({ type: 'listenFailed', errno: -result });
      return;
    }
    if (this.#listener !== NONE) {
      // Their clients wait for answers from the old address.
      this.#endAll();
      this.#engine.close(this.#listener);
    }
    this.#listener = listener;
    this.#bound = this.#engine.boundTo(listener) as IpEndpoint;
    this.#post.send({ type: 'listening', endpoint: this.#bound });
  }

  arrived(_listener: number, at: number, length: number): void {
    if (this.#mail.hasCome()) this.readMail();
    const { words, port } = this.#engine.sender;
    if (this.#proxies?.permits(words)) this.#arrivedByProxy(at, length);
    else this.#take(words, port, this.#engine.local, port, undefined, at, length);
  }

  /** The sender is a proxy, which says in a header whose datagram this is; the answer goes to where it came from. */
  #arrivedByProxy(at: number, length: number): void {
    const read = this.#headers.read(at, length);
    if (read === undefined) {
      this.#drops.add(DROP.bad_proxy_header);
      return;
    }
    const { words, port } = this.#engine.sender;
    const { header } = read;
    const isKnown = header.family === 'ip';
    for (let i = 0; i < 4; i++) this.#peer[i] = isKnown ? header.source[i] : words[i];
    const peerPort = isKnown ? header.sourcePort : port;
    const key = (port << 16) | peerPort;
    this.#take(this.#peer, peerPort, words, key, header, at + read.length, length - read.length);
  }

  /**
   * A datagram of the client `peer`. What tells its session from others beside that are `via` and `key`: the local address
   * that it was sent to and the client's port, or the proxy's address and both ports.
   */
  #take(
    peer: Int32Array,
    port: number,
    via: Int32Array,
    key: number,
    header: ProxyHeader | undefined,
    at: number,
    length: number,
  ): void {
    let server = NONE;
    if (this.#spreads) {
      server = this.#balancer.pick(peer, port, this.#engine.now());
      if (server === NONE) {
        this.#drops.add(this.#balancer.admits(peer, false) ? DROP.no_server : DROP.denied);
        return;
      }
    }
    let row = this.#sessions.find(peer, key, via, server);
    if (row !== NONE && this.#hasLostServer(row)) {
      this.#finish(row, 'ordered');
      row = NONE;
    }
    if (row === NONE) row = this.#open(peer, port, via, key, header, server);
    else if (this.#isAvoided(row) && !this.#rehome(row)) return;
    if (row !== NONE) this.#sender.forward(row, at, length);
  }

  answered(socket: number, at: number, length: number): void {
    const row = this.#owners.of(socket);
    if (row === NONE) return;
    const now = this.#engine.now();
    const sessions = this.#sessions;
    const rows = this.#rows;
    this.#engine.reply(this.#listener, row, at, length);
    sessions.waitingSinceMs[row] = 0;
    sessions.keptAt[row] = NONE;
    rows.firstServer[row] = NONE;
    rows.lastActiveMs[row] = now;
    sessions.touch(row);
    this.#traffic.received(row, length, now);
    if (this.#log.isOn) this.#log.serverSentDatagram(row, length);
    if (this.#expectMs > 0) this.#heardMs[rows.server[row]] = now;
    const answers = sessions.answers[row] + 1;
    sessions.answers[row] = answers;
    const { udpResponses } = this.#settings;
    if (udpResponses > 0 && answers >= udpResponses * sessions.requests[row]) this.#finish(row, 'answered');
  }

  failed(socket: number, error: number): void {
    const row = this.#owners.of(socket);
    if (row !== NONE && isNetworkError(error) && this.#serverFailed(row, error)) this.#sender.sendKept(row);
  }

  unsent(tag: number, isReply: boolean, at: number, length: number, error: number): void {
    if (isReply || !this.#sessions.isOpen(tag)) {
      this.#drops.add(DROP.unsent);
      return;
    }
    if (this.#headers.has(at)) {
      at += this.#headers.lengthOf(tag);
      length -= this.#headers.lengthOf(tag);
    }
    if (error === -ERRNO.ECANCELED) {
      // The session has moved meanwhile.
      this.#sender.sendAgain(tag, at, length);
    } else if (isNetworkError(error)) {
      // What the error is about was sent before, if anything was; this one has not been tried. With nothing before it
      // there is no way to the server, and trying again would not end.
      const isAboutEarlier = this.#sessions.waitingSinceMs[tag] !== 0;
      const hasMoved = this.#serverFailed(tag, error);
      if (hasMoved || (isAboutEarlier && this.#sessions.isOpen(tag))) this.#sender.sendAgain(tag, at, length);
    } else {
      this.#drops.add(DROP.unsent);
    }
  }

  truncated(): void {
    this.#drops.add(DROP.truncated);
  }

  timer(nowMs: number): void {
    this.#wakeAt = Infinity;
    this.#wheel.expire(nowMs, this.#expired);
    if (nowMs >= this.#traffic.dueMs()) this.#traffic.tell();
  }

  turn(nowMs: number): void {
    this.#sessions.rest();
    if (this.#mail.hasCome()) this.readMail();
    if (this.#sweepAt !== NONE) this.#sweep();
    const soon = this.#sweepAt === NONE ? Infinity : nowMs;
    const wakeAt = Math.min(this.#wheel.nextDeadline(), this.#traffic.dueMs(), soon);
    if (wakeAt !== this.#wakeAt) {
      this.#wakeAt = wakeAt;
      this.#engine.wakeAt(wakeAt);
    }
  }

  /** A session for the client of the datagram at hand, at `wanted` or at the server of its own; NONE: counted why not. */
  #open(
    peer: Int32Array,
    port: number,
    via: Int32Array,
    key: number,
    header: ProxyHeader | undefined,
    wanted: number,
  ): number {
    const balancer = this.#balancer;
    const now = this.#engine.now();
    const { sender } = this.#engine;
    if (sender.port === this.#bound?.port && this.#isOurs(sender.words, now)) {
      this.#drops.add(DROP.loop);
      return NONE;
    }
    const isAdmitted = balancer.admits(peer, false);
    if (!isAdmitted && !this.#servers.holds(ABUSE_SLOT)) {
      this.#drops.add(DROP.denied);
      return NONE;
    }
    if (!this.#takePlace()) return NONE;
    // Clients that client_acl denies are not remembered: they would push out those that are served.
    const client = isAdmitted ? this.#clients.visit(peer, now, this.#settings.trackingSec * 1000) : NONE;
    const generation = this.#clients.visitGeneration;
    const server =
      wanted === NONE ? balancer.choose(client, peer, port, false, now) : balancer.enter(wanted, peer, now);
    if (server < 0) {
      this.#state.releaseConnection();
      this.#drops.add(DROP.no_server);
      return NONE;
    }
    this.#servers.settled(server);
    const row = this.#sessions.open(peer, key, via, wanted);
    if (row === NONE) {
      this.#servers.leave(server);
      this.#state.releaseConnection();
      this.#drops.add(DROP.no_place);
      return NONE;
    }
    this.#rows.client[row] = client;
    this.#rows.clientGeneration[row] = generation;
    this.#rows.lastActiveMs[row] = now;
    if (this.#log.isOn) this.#log.opened(row, now);
    this.#sender.introduce(row, header, this.#bound as IpEndpoint);
    if (!this.#settle(row, server)) return NONE;
    this.#engine.keepPath(row);
    if (client !== NONE) this.#clients.addConnect(client, generation);
    this.#wheel.arm(2 * row, now + this.#timeoutMs);
    return row;
  }

  /** A sender with the listener's own port that has its address too: an answer would come back as a question. */
  #isOurs(peer: Int32Array, nowMs: number): boolean {
    const { address } = this.#bound as IpEndpoint;
    if (isWildcard(this.#bound as IpEndpoint)) return this.#ownAddresses.has(peer, nowMs);
    return address.every((word, i) => word === peer[i]);
  }

  /** One of the -x places; if they are all taken the session that was silent longest makes room. */
  #takePlace(): boolean {
    const room = this.#room.at(this.#engine.now());
    while (this.#sessions.size >= room) this.#evict();
    for (;;) {
      if (this.#state.tryTakeConnection(this.#limit())) return true;
      if (this.#sessions.size === 0) break;
      this.#evict();
    }
    // All of them are other workers': one that has more than its share is asked to give one up.
    this.#drops.add(DROP.no_place);
    const now = this.#engine.now();
    if (now >= this.#askAgainMs) {
      this.#askAgainMs = now + ASK_MS;
      this.#post.send({ type: 'placesFree' });
    }
    return false;
  }

  nudged(): void {
    if (this.#sessions.size <= Math.floor(this.#limit() / this.#threads)) return;
    this.#evict();
  }

  /** Ends the session that was silent longest; there is one. */
  #evict(): void {
    this.#drops.add(DROP.evicted);
    this.#finish(this.#sessions.oldest(), 'shortage');
  }

  #limit(): number {
    return Math.min(this.#settings.connectionsMax, this.#capacity);
  }

  /**
   * Connects the session to `server`, where a place has been taken, or to the next one if that cannot be reached at all.
   * False: the session has ended, and why is counted.
   */
  #settle(row: number, server: number): boolean {
    const first = server;
    const address = this.#rows.address(row);
    for (let at = server; ; ) {
      const socket = this.#connect(row, at);
      if (socket >= 0) {
        this.#enter(row, at, socket);
        return true;
      }
      this.#servers.leave(at);
      // A server that may not be used for this client (`transparent strict`) is not to blame, and the next one may do.
      const isRefused = socket === -ERRNO.EAFNOSUPPORT;
      if (!isRefused && (isShortage(socket) || isOurFault(socket))) {
        this.#drops.add(DROP.no_socket);
        break;
      }
      const now = this.#engine.now();
      if (!isRefused) this.#state.meters.connectFailed(at, causeOf(socket), -socket, now);
      const next = this.#balancer.failover(at, first, address, false, now);
      if (next < 0) {
        this.#drops.add(isRefused ? DROP.no_server : DROP.unreachable);
        break;
      }
      if (!isRefused) this.#servers.failed(at, now);
      this.#servers.settled(next);
      at = next;
    }
    this.#finish(row, 'no_server');
    return false;
  }

  /** A socket to the server, or -errno; where descriptors have run out the oldest session gives up its own. */
  #connect(row: number, server: number): number {
    const endpoint = this.#servers.spec(server).endpoint as Endpoint;
    const socket = this.#connectAs(row, endpoint, this.#rows.peerPort[row]);
    if (socket !== -ERRNO.EMFILE && socket !== -ERRNO.ENFILE && socket !== -ERRNO.EAGAIN) return socket;
    this.#room.hasRunOut(this.#sessions.size, this.#engine.now());
    if (this.#sessions.oldest() === row) return socket;
    this.#evict();
    return this.#connectAs(row, endpoint, this.#rows.peerPort[row]);
  }

  /** With the local end that `transparent` and `source` give it; a client's port that is taken gives way to any. */
  #connectAs(row: number, endpoint: Endpoint, port: number): number {
    const source = this.#transparency.sourceFor(endpoint, this.#rows.address(row), port, false);
    if (source === REFUSED) return -ERRNO.EAFNOSUPPORT;
    const socket = this.#engine.connect(endpoint, source);
    if (socket >= 0 || source?.kind !== 'foreign') return socket;
    return this.#transparency.failed(socket, source.port !== 0) ? this.#connectAs(row, endpoint, 0) : socket;
  }

  /** The session is at this server from now on. */
  #enter(row: number, server: number, socket: number): void {
    const rows = this.#rows;
    rows.server[row] = server;
    rows.serverSocket[row] = socket;
    this.#sessions.epoch[row] = this.#epochs.of(server);
    this.#owners.set(socket, row);
    rows.sinceMs[row] = this.#engine.now();
    this.#state.addConnect(server);
    if (this.#log.isOn) this.#log.reached(row, this.#servers.spec(server).endpoint, this.#engine.now());
    const client = rows.client[row];
    if (client !== NONE && server !== EMERGENCY_SLOT && server !== ABUSE_SLOT) {
      this.#clients.assign(client, server, rows.clientGeneration[row]);
    }
  }

  /** Another server, or none, stands in the slot of the one that it came to. */
  #hasLostServer(row: number): boolean {
    return this.#sessions.epoch[row] !== this.#epochs.of(this.#rows.server[row]);
  }

  /** Its server is blacklisted. */
  #isAvoided(row: number): boolean {
    const until = this.#state.blacklistedUntil(this.#rows.server[row]);
    return until !== 0 && until > this.#engine.now() && !this.#settings.stubborn;
  }

  /**
   * The server of this session has failed: it is blacklisted and its sessions move to others. The last server is not
   * given up (`error` is -errno): there is nobody to take its place, and it may be back for the next datagram. True if this session moved.
   */
  #serverFailed(row: number, error: number): boolean {
    const rows = this.#rows;
    const server = rows.server[row];
    const now = this.#engine.now();
    this.#state.meters.connectFailed(server, causeOf(error), -error, now);
    const next = this.#nextServer(row);
    if (next < 0) {
      this.#drops.add(DROP.unreachable);
      this.#state.addFailure(server);
      this.#sessions.waitingSinceMs[row] = 0;
      return false;
    }
    const wasListed = this.#state.blacklistedUntil(server) > now;
    this.#servers.failed(server, now);
    if (!wasListed) this.#sweepAt = 0;
    return this.#move(row, next);
  }

  /** Another server for a session whose own cannot serve it any more; if there is none the session ends. */
  #rehome(row: number): boolean {
    const next = this.#nextServer(row);
    if (next >= 0) return this.#move(row, next);
    this.#drops.add(DROP.no_server);
    this.#finish(row, 'no_server');
    return false;
  }

  /** The next server for a session, with a place taken there; negative if there is none. */
  #nextServer(row: number): number {
    const rows = this.#rows;
    const server = rows.server[row];
    // Where a walk began ends it; an answer and a new datagram begin another.
    if (rows.firstServer[row] === NONE) rows.firstServer[row] = server;
    const address = this.#rows.address(row);
    const next = this.#balancer.failover(server, rows.firstServer[row], address, false, this.#engine.now());
    if (next >= 0) this.#servers.settled(next);
    return next;
  }

  /** To `next`, where a place has been taken. False: the session has ended. */
  #move(row: number, next: number): boolean {
    this.#leaveServer(row, BROKEN);
    this.#sessions.changeServer(row, next);
    return this.#settle(row, next);
  }

  /** Moves the sessions of servers that have failed, some a turn, so that those of others need not wait. */
  #sweep(): void {
    const end = Math.min(this.#rows.highWater, this.#sweepAt + SWEEP_ROWS);
    let moves = 0;
    let row = this.#sweepAt;
    for (; row < end && moves < SWEEP_MOVES; row++) {
      if (!this.#sessions.isOpen(row) || !this.#isAvoided(row)) continue;
      moves++;
      const isWaiting = this.#sessions.waitingSinceMs[row] !== 0;
      if (this.#rehome(row) && isWaiting) this.#sender.sendKept(row);
    }
    this.#sweepAt = row < this.#rows.highWater ? row : NONE;
  }

  /** The one end of every session: gives back what it holds. */
  #finish(row: number, how: Ending): void {
    if (this.#log.isOn) this.#log.ended(row, how, this.#engine.now());
    this.#leaveServer(row, CLOSED);
    this.#wheel.cancel(2 * row);
    this.#wheel.cancel(2 * row + 1);
    this.#headers.end(row);
    this.#sessions.close(row);
    this.#state.releaseConnection();
  }

  #leaveServer(row: number, ending: number): void {
    const rows = this.#rows;
    const socket = rows.serverSocket[row];
    this.#traffic.tellOf(row);
    if (socket === NONE) return;
    this.#state.meters.sessionEnded(rows.server[row], ending, this.#engine.now() - rows.sinceMs[row]);
    this.#servers.leave(rows.server[row]);
    this.#owners.clear(socket);
    rows.serverSocket[row] = NONE;
    rows.server[row] = NONE;
    this.#engine.close(socket);
  }

  readonly #expired = (timer: number): void => {
    const row = timer >> 1;
    if ((timer & 1) === 0) this.#checkSilence(row);
    else this.#checkAnswer(row);
  };

  #checkSilence(row: number): void {
    const until = this.#rows.lastActiveMs[row] + this.#timeoutMs;
    // A session that outlives this must not keep the emergency server for ever.
    if (until > this.#engine.now() && this.#rows.server[row] !== EMERGENCY_SLOT) this.#wheel.arm(2 * row, until);
    else this.#finish(row, 'idle');
  }

  /** A server that has answered somebody since is well; a client's question may be one that nobody answers. */
  #checkAnswer(row: number): void {
    const since = this.#sessions.waitingSinceMs[row];
    if (since === 0 || this.#expectMs === 0) return;
    const now = this.#engine.now();
    if (since + this.#expectMs > now) {
      this.#wheel.arm(2 * row + 1, since + this.#expectMs);
    } else if (this.#heardMs[this.#rows.server[row]] > since) {
      this.#sessions.waitingSinceMs[row] = 0;
    } else if (this.#serverFailed(row, -ERRNO.ETIMEDOUT)) {
      this.#sender.sendKept(row);
      this.#sessions.waitingSinceMs[row] = now;
      this.#wheel.arm(2 * row + 1, now + this.#expectMs);
    }
  }

  /** Does what the main thread has written, all of it. */
  readMail(): void {
    this.#mail.read(this);
  }

  configure(configuration: Configuration): void {
    const { settings } = configuration;
    const timeoutMs = settings.udpTimeoutSec * 1000;
    const isShorter = timeoutMs < this.#timeoutMs;
    this.#settings = settings;
    this.#timeoutMs = timeoutMs;
    this.#expectMs = settings.udpExpectSec * 1000;
    this.#spreads = settings.roundRobin && !settings.hash && !settings.weight;
    this.#balancer.configure(configuration);
    this.#log.configure(configuration.settings, this.#engine.now());
    this.#epochs.configure(configuration);
    this.#transparency.configure(settings);
    const { configuration: before } = this.#mail;
    this.#proxies = settings.proxyAcl === NONE ? undefined : new Acl(configuration.acls[settings.proxyAcl]);
    const introduced = this.#sender.introduces;
    this.#sender.configure(configuration);
    // Its sockets have the addresses of before, or nobody knows what to say of its client; the next datagram of each
    // begins another session.
    if (settings.transparent !== before.settings.transparent || introduced !== this.#sender.introduces) {
      this.#endAll();
    }
    if (isShorter || configuration.acls !== before.acls || settings.clientAcl !== before.settings.clientAcl) {
      this.#reviewSessions();
    }
  }

  /** Ends those that would not be there under the present settings. */
  #reviewSessions(): void {
    for (let row = 0; row < this.#rows.highWater; row++) {
      if (!this.#sessions.isOpen(row)) continue;
      const isDenied = !this.#balancer.admits(this.#rows.address(row), false);
      if (isDenied !== (this.#rows.server[row] === ABUSE_SLOT)) this.#finish(row, 'denied');
      else this.#checkSilence(row);
    }
  }

  listen(endpoint: Endpoint, descriptor: number | undefined): void {
    this.#nextListener =
      descriptor === undefined ? this.#engine.listen(endpoint) : this.#engine.adopt(descriptor, endpoint);
  }

  closeByHand(row: number): void {
    if (row < this.#rows.highWater && this.#sessions.isOpen(row)) this.#finish(row, 'ordered');
  }

  stop(): void {
    this.#endAll();
    this.#traffic.tell();
    if (this.#listener !== NONE) this.#engine.close(this.#listener);
    this.#listener = NONE;
    this.#engine.stop();
  }

  #endAll(): void {
    for (let row = this.#sessions.oldest(); row !== NONE; row = this.#sessions.oldest()) this.#finish(row, 'ordered');
  }
}
