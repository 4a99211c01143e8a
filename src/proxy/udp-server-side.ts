/**
 * The server side of a UDP session: its socket, connected to a server where a place has been taken, and which server is
 * next when that one cannot serve it.
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import type { Endpoint } from '../core/address.js';
import type { Balancer } from '../core/balancer.js';
import type { ClientTable } from '../core/client-table.js';
import { ABUSE_SLOT, type Configuration, EMERGENCY_SLOT, NONE } from '../core/configuration.js';
import type { ServerTable } from '../core/server-table.js';
import type { Datagrams } from '../engine/datagrams.js';
import { ERRNO } from '../sys/errno.js';
import { causeOf, isOurFault, isShortage } from './connect-error.js';
import type { ConnectionLog } from './connection-log.js';
import type { OwnerTable } from './owner-table.js';
import { ServerEpochs } from './server-epochs.js';
import { REFUSED, type Transparency } from './transparency.js';
import { DROP, type Drops } from './udp-drops.js';
import type { UdpSessionTable } from './udp-session-table.js';
import type { UdpTraffic } from './udp-traffic.js';

export interface UdpServerSideParts {
  readonly engine: Datagrams;
  readonly sessions: UdpSessionTable;
  readonly owners: OwnerTable;
  readonly servers: ServerTable;
  readonly clients: ClientTable;
  readonly balancer: Balancer;
  readonly traffic: UdpTraffic;
  readonly log: ConnectionLog;
  readonly drops: Drops;
  readonly transparency: Transparency;
  /** Ends another session, as descriptors or ports have run out; false if there is none but `row`. */
  readonly makeRoom: (row: number) => boolean;
}

export class UdpServerSide {
  readonly #engine: Datagrams;
  readonly #sessions: UdpSessionTable;
  readonly #owners: OwnerTable;
  readonly #servers: ServerTable;
  readonly #clients: ClientTable;
  readonly #balancer: Balancer;
  readonly #traffic: UdpTraffic;
  readonly #log: ConnectionLog;
  readonly #drops: Drops;
  readonly #transparency: Transparency;
  readonly #makeRoom: (row: number) => boolean;
  readonly #epochs = new ServerEpochs();

  constructor(parts: UdpServerSideParts) {
    this.#engine = parts.engine;
    this.#sessions = parts.sessions;
    this.#owners = parts.owners;
    this.#servers = parts.servers;
    this.#clients = parts.clients;
    this.#balancer = parts.balancer;
    this.#traffic = parts.traffic;
    this.#log = parts.log;
    this.#drops = parts.drops;
    this.#transparency = parts.transparency;
    this.#makeRoom = parts.makeRoom;
  }

  configure(configuration: Configuration): void {
    this.#epochs.configure(configuration);
    this.#transparency.configure(configuration.settings);
  }

  /** Another server, or none, stands in the slot of the one that the session came to. */
  hasLost(row: number): boolean {
    return this.#sessions.epoch[row] !== this.#epochs.of(this.#sessions.rows.server[row]);
  }

  /** Its server is blacklisted. */
  isAvoided(row: number): boolean {
    const until = this.#servers.state.blacklistedUntil(this.#sessions.rows.server[row]);
    return until !== 0 && until > this.#engine.now() && !this.#servers.settings.stubborn;
  }

  /**
   * Connects the session to `server`, where a place has been taken, or to the next one if that cannot be reached at all.
   * False: to none, and why is counted.
   */
  connect(row: number, server: number): boolean {
    const address = this.#sessions.rows.address(row);
    for (let at = server; ; ) {
      const socket = this.#connectTo(row, at);
      if (socket >= 0) {
        this.#enter(row, at, socket);
        return true;
      }
      this.#servers.leave(at);
      // A server that may not be used for this client (`transparent strict`) is not to blame, and the next one may do.
      const isRefused = socket === -ERRNO.EAFNOSUPPORT;
      if (!isRefused && (isShortage(socket) || isOurFault(socket))) {
        this.#drops.add(DROP.no_socket);
        return false;
      }
      const now = this.#engine.now();
      if (!isRefused) this.#servers.state.meters.connectFailed(at, causeOf(socket), -socket, now);
      const next = this.#balancer.failover(at, server, address, false, now);
      if (next < 0) {
        this.#drops.add(isRefused ? DROP.no_server : DROP.unreachable);
        return false;
      }
      if (!isRefused) this.#servers.failed(at, now);
      this.#servers.settled(next);
      at = next;
    }
  }

  /** The next server for a session, with a place taken there; negative if there is none. */
  next(row: number): number {
    const { rows } = this.#sessions;
    const server = rows.server[row];
    // Where a walk began ends it; an answer and a new datagram begin another.
    if (rows.firstServer[row] === NONE) rows.firstServer[row] = server;
    const address = rows.address(row);
    const next = this.#balancer.failover(server, rows.firstServer[row], address, false, this.#engine.now());
    if (next >= 0) this.#servers.settled(next);
    return next;
  }

  /** Gives place and socket back; `ending` is one of ENDINGS. */
  leave(row: number, ending: number): void {
    const { rows } = this.#sessions;
    const socket = rows.serverSocket[row];
    this.#traffic.tellOf(row);
    if (socket === NONE) return;
    const lastedMs = this.#engine.now() - rows.sinceMs[row];
    this.#servers.state.meters.sessionEnded(rows.server[row], ending, lastedMs);
    this.#servers.leave(rows.server[row]);
    this.#owners.clear(socket);
    rows.serverSocket[row] = NONE;
    rows.server[row] = NONE;
    this.#engine.close(socket);
  }

  /** A socket to the server, or -errno; where descriptors have run out the oldest session gives up its own. */
  #connectTo(row: number, server: number): number {
    const endpoint = this.#servers.spec(server).endpoint as Endpoint;
    const port = this.#sessions.rows.peerPort[row];
    const socket = this.#connectAs(row, endpoint, port);
    if (socket !== -ERRNO.EMFILE && socket !== -ERRNO.ENFILE && socket !== -ERRNO.EAGAIN) return socket;
    return this.#makeRoom(row) ? this.#connectAs(row, endpoint, port) : socket;
  }

  /** With the local end that `transparent` and `source` give it; a client's port that is taken gives way to any. */
  #connectAs(row: number, endpoint: Endpoint, port: number): number {
    const source = this.#transparency.sourceFor(endpoint, this.#sessions.rows.address(row), port, false);
    if (source === REFUSED) return -ERRNO.EAFNOSUPPORT;
    const socket = this.#engine.connect(endpoint, source);
    if (socket >= 0 || source?.kind !== 'foreign') return socket;
    return this.#transparency.failed(socket, source.port !== 0) ? this.#connectAs(row, endpoint, 0) : socket;
  }

  /** The session is at this server from now on. */
  #enter(row: number, server: number, socket: number): void {
    const { rows } = this.#sessions;
    const now = this.#engine.now();
    rows.server[row] = server;
    rows.serverSocket[row] = socket;
    this.#sessions.epoch[row] = this.#epochs.of(server);
    this.#owners.set(socket, row);
    rows.sinceMs[row] = now;
    this.#servers.state.addConnect(server);
    if (this.#log.isOn) this.#log.reached(row, this.#servers.spec(server).endpoint, now);
    const client = rows.client[row];
    if (client !== NONE && server !== EMERGENCY_SLOT && server !== ABUSE_SLOT) {
      this.#clients.assign(client, server, rows.clientGeneration[row]);
    }
  }
}
