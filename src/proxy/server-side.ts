/**
 * The server side of a connection: a server is chosen and connected to, the next one if that fails, and what is held there
 * is given back. Where that ends is said by a number; what follows from it is the caller's.
 *
 *        seek                    failed
 *         │ choose                 │ failover          BUSY: all are busy connecting
 *         ▼                        ▼                   SHORT: a descriptor or the like is missing here
 *     connect ◄── next server ── failed at once ─────► NOBODY: nobody takes it
 *      │    │
 *      │    └──► UNDER_WAY ──► `connected` of the engine: prepare, succeeded or failed
 *      └──► the row of an idler that was ready
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import type { Endpoint } from '../core/address.js';
import type { Balancer } from '../core/balancer.js';
import type { ClientTable } from '../core/client-table.js';
import { type Configuration, EMERGENCY_SLOT, LATER, NONE, type Settings } from '../core/configuration.js';
import type { ServerState } from '../core/server-state.js';
import type { ServerTable } from '../core/server-table.js';
import type { TimerWheel } from '../core/timer-wheel.js';
import { ERRNO } from '../sys/errno.js';
import type { TlsLayer } from '../tls/tls-layer.js';
import type { Ending } from '../weblog/record.js';
import { causeOf, isOurFault, isShortage } from './connect-error.js';
import { AS_CLIENT, AS_CLIENT_PORT } from './connection-flag.js';
import { type ConnectionTable, STATE } from './connection-table.js';
import { endingClass } from './ending-class.js';
import type { FirstBytes } from './first-bytes.js';
import type { IdlerPool } from './idler-pool.js';
import type { Introductions } from './introductions.js';
import type { OwnerTable } from './owner-table.js';
import { type ServerGroup, ServerGroups } from './server-groups.js';
import { peerOf } from './tls-peer.js';
import { REFUSED, type Transparency } from './transparency.js';

/** What a search has come to, if not to the row of an idler. */
export const UNDER_WAY = -1;
export const BUSY = -2;
export const SHORT = -3;
export const NOBODY = -4;

export interface ServerSideParts {
  readonly engine: TlsLayer;
  readonly table: ConnectionTable;
  readonly owners: OwnerTable;
  readonly wheel: TimerWheel;
  readonly servers: ServerTable;
  readonly clients: ClientTable;
  readonly balancer: Balancer;
  readonly transparency: Transparency;
  readonly idlers: IdlerPool;
  readonly firstBytes: FirstBytes;
  readonly introductions: Introductions;
}

export class ServerSide {
  readonly #engine: TlsLayer;
  readonly #table: ConnectionTable;
  readonly #owners: OwnerTable;
  readonly #wheel: TimerWheel;
  readonly #state: ServerState;
  readonly #servers: ServerTable;
  readonly #clients: ClientTable;
  readonly #balancer: Balancer;
  readonly #transparency: Transparency;
  readonly #idlers: IdlerPool;
  readonly #firstBytes: FirstBytes;
  readonly #introductions: Introductions;
  readonly #groups: ServerGroups;
  #settings: Settings;

  constructor(parts: ServerSideParts) {
    this.#engine = parts.engine;
    this.#table = parts.table;
    this.#owners = parts.owners;
    this.#wheel = parts.wheel;
    this.#state = parts.servers.state;
    this.#servers = parts.servers;
    this.#clients = parts.clients;
    this.#balancer = parts.balancer;
    this.#transparency = parts.transparency;
    this.#idlers = parts.idlers;
    this.#firstBytes = parts.firstBytes;
    this.#introductions = parts.introductions;
    this.#groups = new ServerGroups(parts.servers.state, parts.clients);
    this.#settings = parts.servers.settings;
  }

  configure(configuration: Configuration): void {
    this.#settings = configuration.settings;
    this.#transparency.configure(configuration.settings);
    this.#groups.configure(configuration);
  }

  /** Finds a server for a connection that has none yet. */
  seek(connection: number): number {
    const table = this.#table;
    const now = this.#engine.now();
    const isUnix = table.isUnix(connection);
    const address = table.address(connection);
    const group = this.#groupOf(connection);
    // Clients that client_acl denies are not remembered: they would push out those that are served.
    const isTracked = !isUnix && this.#balancer.admits(address, isUnix);
    const client = isTracked ? this.#clients.visit(address, now, this.#settings.trackingSec * 1000) : NONE;
    if (client !== NONE) {
      table.client[connection] = client;
      table.clientGeneration[connection] = this.#clients.visitGeneration;
    }
    const balancer = group?.balancer ?? this.#balancer;
    const server = balancer.choose(client, address, table.peerPort[connection], isUnix, now);
    table.firstServer[connection] = server;
    if (server >= 0 && server !== EMERGENCY_SLOT) return this.#connect(connection, server, true);
    // Every place may be taken by connections that are kept for just this moment.
    const idler = this.#idlers.takeAny(address, isUnix, group?.servers ?? this.#servers);
    if (idler !== NONE) {
      if (server === EMERGENCY_SLOT) this.#giveBackPlace(server);
      table.server[connection] = table.server[idler];
      return idler;
    }
    if (server === EMERGENCY_SLOT) return this.#connect(connection, server, true);
    return server === LATER ? BUSY : NOBODY;
  }

  /** A kept connection becomes this one's; the idler's row is free then. */
  join(connection: number, idler: number): void {
    const socket = this.#table.serverSocket[idler];
    this.#table.serverSocket[idler] = NONE;
    this.#table.release(idler);
    this.#table.serverSocket[connection] = socket;
    this.#owners.set(socket, connection);
  }

  /**
   * What a server that speaks TLS wants once it is connected: our PROXY header, before TLS as everybody expects it who
   * takes both, then the handshake. 1: nothing; 0: `sent` or `secured` will tell; else -errno.
   */
  prepare(connection: number): number {
    const { proxy, tls } = this.#servers.spec(this.#table.server[connection]);
    if (tls === 'off') return 1;
    if (proxy !== 'off' && this.#table.state[connection] === STATE.connecting) {
      const sent = this.#introductions.sendHeader(connection, proxy);
      if (sent <= 0) return sent;
    }
    this.secure(connection);
    return 0;
  }

  /** Our PROXY header before the client's first byte, unless it has gone before TLS. As `prepare`, but for `secured`. */
  introduce(connection: number): number {
    const { proxy, tls } = this.#servers.spec(this.#table.server[connection]);
    return proxy === 'off' || tls !== 'off' ? 1 : this.#introductions.sendHeader(connection, proxy);
  }

  /** The deadline of the connect is the handshake's too. */
  secure(connection: number): void {
    const spec = this.#servers.spec(this.#table.server[connection]);
    this.#engine.connectTls(this.#table.serverSocket[connection], peerOf(spec));
  }

  /** The server has taken it. */
  succeeded(connection: number): void {
    const server = this.#table.server[connection];
    const now = this.#engine.now();
    this.#servers.settled(server);
    this.#servers.succeeded(server, now);
    this.#state.meters.connected(server, now - this.#table.sinceMs[connection]);
    const { tcpNodelay, keepalive } = this.#settings;
    if (tcpNodelay || keepalive) this.#engine.setOptions(this.#table.serverSocket[connection], tcpNodelay, keepalive);
  }

  /** The connect has failed (-errno), or took too long: on to another server. */
  failed(connection: number, result: number): number {
    const server = this.#table.server[connection];
    this.close(connection, false);
    const next = this.#next(connection, result);
    return next < 0 ? next : this.#connect(connection, next, next !== server);
  }

  /** Gives its place back; the ending counts where it was relayed. */
  leave(connection: number, how: Ending): void {
    const table = this.#table;
    const server = table.server[connection];
    if (server === NONE) return;
    if (table.state[connection] === STATE.connecting) this.#servers.settled(server);
    this.#servers.leave(server);
    table.server[connection] = NONE;
    if (table.state[connection] === STATE.relaying) {
      this.#state.meters.sessionEnded(server, endingClass(how), this.#engine.now() - table.sinceMs[connection]);
    }
  }

  close(connection: number, reset: boolean): void {
    const socket = this.#table.serverSocket[connection];
    if (socket === NONE) return;
    this.#owners.clear(socket);
    this.#table.serverSocket[connection] = NONE;
    this.#engine.close(socket, reset);
  }

  /** The servers that it may have, if not all: clients that have said nothing are like those that ask for no name. */
  #groupOf(connection: number): ServerGroup | undefined {
    if (!this.#settings.peek || !this.#groups.hasNames) return undefined;
    return this.#groups.find(this.#firstBytes.get(connection)?.name);
  }

  /** A place at `server` has been taken. A loop, as a table may be full of servers that fail at once. */
  #connect(connection: number, server: number, keepsPort: boolean): number {
    for (let at = server, keeps = keepsPort; ; ) {
      this.#table.server[connection] = at;
      const idler = this.#idlers.take(at);
      if (idler !== NONE) {
        this.#giveBackPlace(at);
        return idler;
      }
      const result = this.#begin(connection, at, keeps);
      if (result >= 0) return UNDER_WAY;
      const next = this.#next(connection, result);
      if (next < 0) return next;
      keeps = next !== at;
      at = next;
    }
  }

  /** The socket of a connect that is under way, or -errno. */
  #begin(connection: number, server: number, keepsPort: boolean): number {
    const table = this.#table;
    const endpoint = this.#servers.spec(server).endpoint as Endpoint;
    const port = keepsPort ? table.peerPort[connection] : 0;
    const address = table.address(connection);
    const source = this.#transparency.sourceFor(endpoint, address, port, table.isUnix(connection));
    let flags = table.flags[connection] & ~(AS_CLIENT | AS_CLIENT_PORT);
    if (source !== undefined && source !== REFUSED && source.kind === 'foreign') {
      flags |= source.port === 0 ? AS_CLIENT : AS_CLIENT | AS_CLIENT_PORT;
    }
    table.flags[connection] = flags;
    const socket = source === REFUSED ? -ERRNO.EAFNOSUPPORT : this.#engine.connect(endpoint, source);
    if (socket < 0) return socket;
    const now = this.#engine.now();
    table.serverSocket[connection] = socket;
    this.#owners.set(socket, connection);
    table.sinceMs[connection] = now;
    this.#wheel.arm(connection, now + this.#settings.connectTimeoutSec * 1000);
    return socket;
  }

  /**
   * The server to try after a failure, with a place taken there; the same one if it was only the client's port that is
   * taken; or what the search has come to.
   */
  #next(connection: number, result: number): number {
    const table = this.#table;
    const now = this.#engine.now();
    const failed = table.server[connection];
    const flags = table.flags[connection];
    const isAsClient = (flags & AS_CLIENT) !== 0;
    if (isAsClient && this.#transparency.failed(result, (flags & AS_CLIENT_PORT) !== 0)) return failed;
    this.#state.meters.connectFailed(failed, causeOf(result), -result, now);
    this.#servers.settled(failed);
    this.#servers.leave(failed);
    table.server[connection] = NONE;
    // Not the server's fault: there will be a descriptor again, or room in a Unix server's queue.
    if (isShortage(result)) return SHORT;
    // A shortage on this host (ports, buffers, routes of our own address) says nothing about the server.
    if (!isOurFault(result)) this.#servers.failed(failed, now);
    const address = table.address(connection);
    const balancer = this.#groupOf(connection)?.balancer ?? this.#balancer;
    const next = balancer.failover(failed, table.firstServer[connection], address, table.isUnix(connection), now);
    return next === LATER ? BUSY : next === NONE ? NOBODY : next;
  }

  /** A place that was taken for a connect which is not to be made. */
  #giveBackPlace(server: number): void {
    this.#servers.settled(server);
    this.#servers.leave(server);
  }
}
