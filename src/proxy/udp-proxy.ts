/**
 * One worker's UDP proxy: what is made of the engine's reports and the main thread's orders. A client's datagrams belong to
 * a session, which has one server and one socket to it: udp-lifecycle.ts says when sessions begin, move and end,
 * udp-sender.ts sends. docs/internals/udp.md tells it in order.
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import { Acl } from '../core/acl.js';
import type { Endpoint, IpEndpoint } from '../core/address.js';
import { Balancer } from '../core/balancer.js';
import { ClientTable } from '../core/client-table.js';
import { type Configuration, NONE } from '../core/configuration.js';
import { ServerState } from '../core/server-state.js';
import { ServerTable } from '../core/server-table.js';
import { TimerWheel } from '../core/timer-wheel.js';
import { isNetworkError } from '../engine/datagrams/network-error.js';
import type { DatagramHandler, Datagrams } from '../engine/datagrams.js';
import { isWildcard } from '../sys/datagram-socket.js';
import { ERRNO } from '../sys/errno.js';
import { LogRing } from '../weblog/log-ring.js';
import type { ProxyHeader } from '../wire/proxy-protocol/header.js';
import { ConnectionLog } from './connection-log.js';
import { ConnectionTable } from './connection-table.js';
import { DatagramHeaders } from './datagram-headers.js';
import { KEPT_BYTES, KeptDatagrams } from './kept-datagrams.js';
import { Mail, type Orders, type Post } from './mail.js';
import type { WorkerStart } from './messages.js';
import { OwnAddresses } from './own-addresses.js';
import { OwnerTable } from './owner-table.js';
import { Transparency } from './transparency.js';
import { DROP, Drops } from './udp-drops.js';
import { UdpFailover } from './udp-failover.js';
import { UdpLifecycle } from './udp-lifecycle.js';
import { UdpSender } from './udp-sender.js';
import { UdpServerSide } from './udp-server-side.js';
import { UdpSessionTable } from './udp-session-table.js';
import { UdpTraffic } from './udp-traffic.js';

const TICK_MS = 100;
const FIRST_TIMERS = 2048;

export class UdpProxy implements DatagramHandler, Orders {
  readonly #start: WorkerStart;
  readonly #post: Post;
  readonly #mail: Mail;
  readonly #rows: ConnectionTable;
  readonly #sessions: UdpSessionTable;
  readonly #owners = new OwnerTable();
  readonly #servers: ServerTable;
  readonly #clients: ClientTable;
  readonly #balancer: Balancer;
  readonly #traffic: UdpTraffic;
  readonly #log: ConnectionLog;
  readonly #drops: Drops;
  readonly #ownAddresses = new OwnAddresses();
  #engine!: Datagrams;
  #headers!: DatagramHeaders;
  #sender!: UdpSender;
  #serverSide!: UdpServerSide;
  #lifecycle!: UdpLifecycle;
  #failover!: UdpFailover;
  /** Two timers a session: silence (even), and an expected answer (odd). */
  #wheel!: TimerWheel;
  /** Who begins each datagram with a PROXY header; undefined: nobody does. */
  #proxies: Acl | undefined;
  /** Each datagram is chosen for anew. */
  #spreads = false;
  /** Answers that end a session, for each datagram of its client; 0: none do. */
  #responses = 0;
  #timeoutMs = 0;
  #listener = NONE;
  #nextListener = NONE;
  #wakeAt = Infinity;
  /** The client that a proxy names, during one datagram. */
  readonly #peer = new Int32Array(4);

  /** `key0` and `key1` (32 bits each) are random and kept to ourselves. */
  constructor(start: WorkerStart, post: Post, key0: number, key1: number) {
    this.#start = start;
    this.#post = post;
    this.#mail = new Mail(start, post);
    this.#rows = new ConnectionTable(start.connections);
    this.#sessions = new UdpSessionTable(this.#rows, key0, key1);
    this.#servers = new ServerTable(new ServerState(start.servers));
    this.#clients = new ClientTable(start.clients);
    this.#balancer = new Balancer(this.#servers, this.#clients);
    this.#traffic = new UdpTraffic(this.#sessions, this.#servers.state, this.#clients);
    this.#log = new ConnectionLog(new LogRing(start.log), this.#rows, true);
    this.#drops = new Drops(start.drops);
  }

  /** To be called once, before the engine runs. */
  attach(engine: Datagrams): void {
    const { transparency, heard, threads, connectionCapacity: capacity } = this.#start;
    const common = {
      engine,
      sessions: this.#sessions,
      owners: this.#owners,
      servers: this.#servers,
      clients: this.#clients,
      balancer: this.#balancer,
      headers: new DatagramHeaders(engine.memory, KEPT_BYTES),
      traffic: this.#traffic,
      wheel: new TimerWheel(FIRST_TIMERS, TICK_MS, engine.now()),
      drops: this.#drops,
      log: this.#log,
      post: this.#post,
    };
    const sender = new UdpSender({ ...common, kept: new KeptDatagrams(engine.memory) });
    const serverSide = new UdpServerSide({
      ...common,
      transparency: new Transparency(transparency),
      makeRoom: (row) => this.#lifecycle.makeRoom(row),
    });
    const lifecycle = new UdpLifecycle({ ...common, sender, serverSide, threads, capacity });
    const heardMs = new Float64Array(heard);
    this.#failover = new UdpFailover({ ...common, sender, serverSide, lifecycle, heardMs });
    this.#engine = engine;
    this.#headers = common.headers;
    this.#sender = sender;
    this.#serverSide = serverSide;
    this.#lifecycle = lifecycle;
    this.#wheel = common.wheel;
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
      this.#lifecycle.endAll();
      this.#engine.close(this.#listener);
    }
    this.#listener = listener;
    const bound = this.#engine.boundTo(listener) as IpEndpoint;
    this.#sender.bound = bound;
    this.#post.send({ type: 'listening', endpoint: bound });
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
    if (row !== NONE && this.#serverSide.hasLost(row)) {
      this.#lifecycle.finish(row, 'ordered');
      row = NONE;
    }
    if (row === NONE) {
      if (this.#isLoop()) this.#drops.add(DROP.loop);
      else row = this.#lifecycle.open(peer, port, via, key, header, server);
    } else if (this.#serverSide.isAvoided(row) && !this.#lifecycle.rehome(row)) return;
    if (row !== NONE) this.#sender.forward(row, at, length);
  }

  /** A sender with the listener's own port that has its address too: an answer would come back as a question. */
  #isLoop(): boolean {
    const { words, port } = this.#engine.sender;
    const { bound } = this.#sender;
    if (bound === undefined || port !== bound.port) return false;
    if (isWildcard(bound)) return this.#ownAddresses.has(words, this.#engine.now());
    return bound.address.every((word, i) => word === words[i]);
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
    this.#failover.heard(row, now);
    const answers = sessions.answers[row] + 1;
    sessions.answers[row] = answers;
    if (this.#responses > 0 && answers >= this.#responses * sessions.requests[row]) {
      this.#lifecycle.finish(row, 'answered');
    }
  }

  failed(socket: number, error: number): void {
    const row = this.#owners.of(socket);
    if (row !== NONE && isNetworkError(error) && this.#failover.serverFailed(row, error)) this.#sender.sendKept(row);
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
      const hasMoved = this.#failover.serverFailed(tag, error);
      if (hasMoved || (isAboutEarlier && this.#sessions.isOpen(tag))) this.#sender.sendAgain(tag, at, length);
    } else {
      this.#drops.add(DROP.unsent);
      this.#sender.unsent(tag);
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

  readonly #expired = (timer: number): void => {
    const row = timer >> 1;
    if ((timer & 1) === 0) this.#lifecycle.checkSilence(row);
    else this.#failover.checkAnswer(row);
  };

  turn(nowMs: number): void {
    this.#sessions.rest();
    if (this.#mail.hasCome()) this.readMail();
    if (this.#failover.isSweeping()) this.#failover.sweep();
    const soon = this.#failover.isSweeping() ? nowMs : Infinity;
    const wakeAt = Math.min(this.#wheel.nextDeadline(), this.#traffic.dueMs(), soon);
    if (wakeAt !== this.#wakeAt) {
      this.#wakeAt = wakeAt;
      this.#engine.wakeAt(wakeAt);
    }
  }

  /** Does what the main thread has written, all of it. */
  readMail(): void {
    this.#mail.read(this);
  }

  configure(configuration: Configuration): void {
    const { settings } = configuration;
    const { configuration: before } = this.#mail;
    const timeoutMs = settings.udpTimeoutSec * 1000;
    const isShorter = timeoutMs < this.#timeoutMs;
    const introduced = this.#sender.introduces;
    this.#timeoutMs = timeoutMs;
    this.#responses = settings.udpResponses;
    this.#spreads = settings.roundRobin && !settings.hash && !settings.weight;
    this.#proxies = settings.proxyAcl === NONE ? undefined : new Acl(configuration.acls[settings.proxyAcl]);
    this.#balancer.configure(configuration);
    this.#log.configure(settings, this.#engine.now());
    this.#serverSide.configure(configuration);
    this.#lifecycle.configure(settings);
    this.#failover.expectMs = settings.udpExpectSec * 1000;
    this.#sender.configure(configuration);
    // Its sockets have the addresses of before, or nobody knows what to say of its client; the next datagram of each
    // begins another session.
    if (settings.transparent !== before.settings.transparent || introduced !== this.#sender.introduces) {
      this.#lifecycle.endAll();
    }
    if (isShorter || configuration.acls !== before.acls || settings.clientAcl !== before.settings.clientAcl) {
      this.#lifecycle.review();
    }
  }

  listen(endpoint: Endpoint, descriptor: number | undefined): void {
    this.#nextListener =
      descriptor === undefined ? this.#engine.listen(endpoint) : this.#engine.adopt(descriptor, endpoint);
  }

  closeByHand(row: number): void {
    if (row < this.#rows.highWater && this.#sessions.isOpen(row)) this.#lifecycle.finish(row, 'ordered');
  }

  nudged(): void {
    this.#lifecycle.shareOut();
  }

  stop(): void {
    this.#lifecycle.endAll();
    this.#traffic.tell();
    if (this.#listener !== NONE) this.#engine.close(this.#listener);
    this.#listener = NONE;
    this.#engine.stop();
  }
}
