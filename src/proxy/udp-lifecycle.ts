/**
 * UDP sessions from their first datagram to their last: they begin when a client without one says something, move when
 * their server cannot serve them any more, and end by silence, for want of room, or because nobody takes them.
 *
 *   datagram ──► open ──► at a server ──► finish
 *                           │      ▲
 *                           └ move ┘ (udp-failover.ts says when)
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import type { Balancer } from '../core/balancer.js';
import type { ClientTable } from '../core/client-table.js';
import { ABUSE_SLOT, EMERGENCY_SLOT, NONE, type Settings } from '../core/configuration.js';
import { ENDINGS } from '../core/meters.js';
import type { ServerTable } from '../core/server-table.js';
import type { TimerWheel } from '../core/timer-wheel.js';
import type { Datagrams } from '../engine/datagrams.js';
import type { Ending } from '../weblog/record.js';
import type { ProxyHeader } from '../wire/proxy-protocol/header.js';
import type { ConnectionLog } from './connection-log.js';
import type { DatagramHeaders } from './datagram-headers.js';
import type { Post } from './mail.js';
import { SessionRoom } from './session-room.js';
import { DROP, type Drops } from './udp-drops.js';
import type { UdpSender } from './udp-sender.js';
import type { UdpServerSide } from './udp-server-side.js';
import type { UdpSessionTable } from './udp-session-table.js';

/** Silence is how a session of datagrams ends in order; broken is one whose server failed. */
const CLOSED = ENDINGS.indexOf('closed');
const BROKEN = ENDINGS.indexOf('broken');
/** The main thread is not asked for a place more often, however many datagrams want one. */
const ASK_MS = 10;

export interface UdpLifecycleParts {
  readonly engine: Datagrams;
  readonly sessions: UdpSessionTable;
  readonly servers: ServerTable;
  readonly clients: ClientTable;
  readonly balancer: Balancer;
  readonly serverSide: UdpServerSide;
  readonly sender: UdpSender;
  readonly headers: DatagramHeaders;
  readonly wheel: TimerWheel;
  readonly drops: Drops;
  readonly log: ConnectionLog;
  readonly post: Post;
  readonly threads: number;
  readonly capacity: number;
}

export class UdpLifecycle {
  readonly #engine: Datagrams;
  readonly #sessions: UdpSessionTable;
  readonly #servers: ServerTable;
  readonly #clients: ClientTable;
  readonly #balancer: Balancer;
  readonly #serverSide: UdpServerSide;
  readonly #sender: UdpSender;
  readonly #headers: DatagramHeaders;
  readonly #wheel: TimerWheel;
  readonly #drops: Drops;
  readonly #log: ConnectionLog;
  readonly #post: Post;
  readonly #threads: number;
  readonly #capacity: number;
  readonly #room = new SessionRoom();
  #trackingMs = 0;
  #timeoutMs = 0;
  /** Sessions of all workers together. */
  #limit = 0;
  #askAgainMs = 0;

  constructor(parts: UdpLifecycleParts) {
    this.#engine = parts.engine;
    this.#sessions = parts.sessions;
    this.#servers = parts.servers;
    this.#clients = parts.clients;
    this.#balancer = parts.balancer;
    this.#serverSide = parts.serverSide;
    this.#sender = parts.sender;
    this.#headers = parts.headers;
    this.#wheel = parts.wheel;
    this.#drops = parts.drops;
    this.#log = parts.log;
    this.#post = parts.post;
    this.#threads = parts.threads;
    this.#capacity = parts.capacity;
  }

  configure(settings: Settings): void {
    this.#trackingMs = settings.trackingSec * 1000;
    this.#timeoutMs = settings.udpTimeoutSec * 1000;
    this.#limit = Math.min(settings.connectionsMax, this.#capacity);
  }

  /** A session for the client of the datagram at hand, at `wanted` or at the server of its own; NONE: counted why not. */
  open(
    peer: Int32Array,
    port: number,
    via: Int32Array,
    key: number,
    header: ProxyHeader | undefined,
    wanted: number,
  ): number {
    const balancer = this.#balancer;
    const now = this.#engine.now();
    const { rows } = this.#sessions;
    const isAdmitted = balancer.admits(peer, false);
    if (!isAdmitted && !this.#servers.holds(ABUSE_SLOT)) {
      this.#drops.add(DROP.denied);
      return NONE;
    }
    if (!this.#takePlace()) return NONE;
    // Clients that client_acl denies are not remembered: they would push out those that are served.
    const client = isAdmitted ? this.#clients.visit(peer, now, this.#trackingMs) : NONE;
    const generation = this.#clients.visitGeneration;
    const server =
      wanted === NONE ? balancer.choose(client, peer, port, false, now) : balancer.enter(wanted, peer, now);
    if (server < 0) {
      this.#servers.state.releaseConnection();
      this.#drops.add(DROP.no_server);
      return NONE;
    }
    this.#servers.settled(server);
    const row = this.#sessions.open(peer, key, via, wanted);
    if (row === NONE) {
      this.#servers.leave(server);
      this.#servers.state.releaseConnection();
      this.#drops.add(DROP.no_place);
      return NONE;
    }
    rows.client[row] = client;
    rows.clientGeneration[row] = generation;
    rows.lastActiveMs[row] = now;
    if (this.#log.isOn) this.#log.opened(row, now);
    this.#sender.introduce(row, header);
    if (!this.#connect(row, server)) return NONE;
    this.#engine.keepPath(row);
    if (client !== NONE) this.#clients.addConnect(client, generation);
    this.#wheel.arm(2 * row, now + this.#timeoutMs);
    return row;
  }

  /** To `next`, where a place has been taken. False: the session has ended, and why is counted. */
  move(row: number, next: number): boolean {
    this.#serverSide.leave(row, BROKEN);
    this.#sessions.changeServer(row, next);
    return this.#connect(row, next);
  }

  /** Another server for a session whose own cannot serve it any more; if there is none the session ends. */
  rehome(row: number): boolean {
    const next = this.#serverSide.next(row);
    if (next >= 0) return this.move(row, next);
    this.#drops.add(DROP.no_server);
    this.finish(row, 'no_server');
    return false;
  }

  /** Nothing has been heard of its client and server for the time that it may be silent, or it only seems so. */
  checkSilence(row: number): void {
    const { rows } = this.#sessions;
    const until = rows.lastActiveMs[row] + this.#timeoutMs;
    // A session that outlives this must not keep the emergency server for ever.
    if (until > this.#engine.now() && rows.server[row] !== EMERGENCY_SLOT) this.#wheel.arm(2 * row, until);
    else this.finish(row, 'idle');
  }

  /** Descriptors or ports have run out: another session than `row` gives up its own. False: there is none. */
  makeRoom(row: number): boolean {
    this.#room.hasRunOut(this.#sessions.size, this.#engine.now());
    if (this.#sessions.oldest() === row) return false;
    this.#evict();
    return true;
  }

  /** Another worker is short of places: one of ours makes room if we have more than our share. */
  shareOut(): void {
    if (this.#sessions.size > Math.floor(this.#limit / this.#threads)) this.#evict();
  }

  /** Ends those that would not be there under the present settings. */
  review(): void {
    const { rows } = this.#sessions;
    for (let row = 0; row < rows.highWater; row++) {
      if (!this.#sessions.isOpen(row)) continue;
      const isDenied = !this.#balancer.admits(rows.address(row), false);
      if (isDenied !== (rows.server[row] === ABUSE_SLOT)) this.finish(row, 'denied');
      else this.checkSilence(row);
    }
  }

  endAll(): void {
    for (let row = this.#sessions.oldest(); row !== NONE; row = this.#sessions.oldest()) this.finish(row, 'ordered');
  }

  /** The one end of every session: gives back what it holds. */
  finish(row: number, how: Ending): void {
    if (this.#log.isOn) this.#log.ended(row, how, this.#engine.now());
    this.#serverSide.leave(row, CLOSED);
    this.#wheel.cancel(2 * row);
    this.#wheel.cancel(2 * row + 1);
    this.#headers.end(row);
    this.#sessions.close(row);
    this.#servers.state.releaseConnection();
  }

  #connect(row: number, server: number): boolean {
    if (this.#serverSide.connect(row, server)) return true;
    this.finish(row, 'no_server');
    return false;
  }

  /** One of the -x places; if they are all taken the session that was silent longest makes room. */
  #takePlace(): boolean {
    const now = this.#engine.now();
    const room = this.#room.at(now);
    while (this.#sessions.size >= room) this.#evict();
    for (;;) {
      if (this.#servers.state.tryTakeConnection(this.#limit)) return true;
      if (this.#sessions.size === 0) break;
      this.#evict();
    }
    // All of them are other workers': one that has more than its share is asked to give one up.
    this.#drops.add(DROP.no_place);
    if (now >= this.#askAgainMs) {
      this.#askAgainMs = now + ASK_MS;
      this.#post.send({ type: 'placesFree' });
    }
    return false;
  }

  /** Ends the session that was silent longest; there is one. */
  #evict(): void {
    this.#drops.add(DROP.evicted);
    this.finish(this.#sessions.oldest(), 'shortage');
  }
}
