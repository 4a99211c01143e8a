/**
 * The client side of a connection until it has a server: what is to be heard of it first (`proxy_acl`, `peek`), its TLS,
 * and that what it has said is passed on.
 */
import { Acl } from '../core/acl.js';
import type { Balancer } from '../core/balancer.js';
import { ABUSE_SLOT, type Configuration, NONE, type Settings } from '../core/configuration.js';
import type { ServerTable } from '../core/server-table.js';
import type { TimerWheel } from '../core/timer-wheel.js';
import type { TlsKeys, TlsLayer } from '../tls/tls-layer.js';
import { FROM_UNIX, OPENED, SECURED } from './connection-flag.js';
import type { ConnectionLog } from './connection-log.js';
import type { ConnectionTable } from './connection-table.js';
import type { FirstBytes, Opening } from './first-bytes.js';
import type { TlsLog } from './tls-peer.js';

export interface ClientSideParts {
  readonly engine: TlsLayer;
  readonly table: ConnectionTable;
  readonly wheel: TimerWheel;
  readonly servers: ServerTable;
  readonly balancer: Balancer;
  readonly firstBytes: FirstBytes;
  readonly keys: TlsKeys;
  readonly tlsLog: TlsLog;
  readonly log: ConnectionLog;
}

export class ClientSide {
  readonly #engine: TlsLayer;
  readonly #table: ConnectionTable;
  readonly #wheel: TimerWheel;
  readonly #servers: ServerTable;
  readonly #balancer: Balancer;
  readonly #firstBytes: FirstBytes;
  readonly #keys: TlsKeys;
  readonly #tlsLog: TlsLog;
  readonly #log: ConnectionLog;
  #settings: Settings;
  #handshakeMs = 0;

  constructor(parts: ClientSideParts) {
    this.#engine = parts.engine;
    this.#table = parts.table;
    this.#wheel = parts.wheel;
    this.#servers = parts.servers;
    this.#balancer = parts.balancer;
    this.#firstBytes = parts.firstBytes;
    this.#keys = parts.keys;
    this.#tlsLog = parts.tlsLog;
    this.#log = parts.log;
    this.#settings = parts.servers.settings;
  }

  configure({ settings, acls, tls, tickets }: Configuration): void {
    this.#settings = settings;
    this.#firstBytes.peeks = settings.peek;
    this.#firstBytes.proxies = settings.proxyAcl === NONE ? undefined : new Acl(acls[settings.proxyAcl]);
    this.#keys.configure(tls, tickets);
    this.#handshakeMs = (tls?.handshakeSec ?? 0) * 1000;
  }

  /** `client_acl` lets it use the servers. */
  isAdmitted(connection: number): boolean {
    return this.#balancer.admits(this.#table.address(connection), this.#table.isUnix(connection));
  }

  /** It is to speak TLS, and has not yet. */
  isCovered(connection: number): boolean {
    return this.#keys.isServing && (this.#table.flags[connection] & SECURED) === 0;
  }

  /** Somebody would serve it, be it the abuse server. */
  isServed(connection: number): boolean {
    return this.isAdmitted(connection) || this.#servers.spec(ABUSE_SLOT).endpoint !== undefined;
  }

  /** Its first bytes are to be heard, and have not been: `hear` is to be next. */
  mustBeHeard(connection: number): boolean {
    const table = this.#table;
    if ((table.flags[connection] & OPENED) !== 0) return false;
    const isUnix = table.isUnix(connection);
    const address = table.address(connection);
    const isCovered = this.isCovered(connection);
    if (!this.#firstBytes.wants(address, isUnix, isCovered)) return false;
    table.flags[connection] |= OPENED;
    this.#firstBytes.begin(connection, address, isUnix, isCovered);
    return true;
  }

  /** Its first bytes are waited for, so long. */
  hear(connection: number): void {
    const { headTimeoutSec } = this.#settings;
    if (headTimeoutSec > 0) this.#wheel.arm(connection, this.#engine.now() + headTimeoutSec * 1000);
    this.#engine.receive(this.#table.clientSocket[connection]);
  }

  /** They have come: a proxy's client is the one that the proxy names. */
  heard(connection: number): void {
    const table = this.#table;
    this.#wheel.cancel(connection);
    const header = this.#firstBytes.get(connection)?.header;
    if (header?.family === 'ip') {
      for (let i = 0; i < 4; i++) table.peer[connection * 4 + i] = header.source[i];
      table.peerPort[connection] = header.sourcePort;
      table.flags[connection] &= ~FROM_UNIX;
    } else if (header?.family === 'unix') {
      table.flags[connection] |= FROM_UNIX;
    }
  }

  /** Its handshake begins, perhaps with what has come behind a PROXY header. */
  secure(connection: number): void {
    this.#wheel.arm(connection, this.#engine.now() + this.#handshakeMs);
    const socket = this.#table.clientSocket[connection];
    const opening = this.#firstBytes.get(connection);
    if (opening === undefined || opening.buffer === NONE) {
      this.#engine.acceptTls(socket);
      return;
    }
    const { buffer, length } = opening;
    opening.buffer = NONE;
    opening.length = 0;
    this.#engine.acceptTls(socket, buffer, 0, length);
  }

  /** Its handshake is done, and what it says can be read. True: it is to be heard for its name. */
  secured(connection: number): boolean {
    const table = this.#table;
    const socket = table.clientSocket[connection];
    this.#wheel.cancel(connection);
    table.flags[connection] |= SECURED;
    if (this.#settings.debug > 0) this.#tlsLog.secured(connection, this.#engine.tlsInfo(socket));
    if (this.#log.isOn) this.#log.secured(connection, this.#engine.tlsInfo(socket));
    const name = this.#engine.serverName(socket);
    const address = table.address(connection);
    const isToBeHeard = this.#firstBytes.uncover(connection, address, table.isUnix(connection), name);
    if (this.#firstBytes.get(connection) !== undefined) table.flags[connection] |= OPENED;
    return isToBeHeard;
  }

  /** Its handshake has not ended in time. */
  handshakeIsLate(connection: number): void {
    this.#keys.failed(true);
    this.#tlsLog.failed(connection, true, 'handshake not done in time');
  }

  /** What it said before it had a server, whose buffer is the caller's from now on; undefined: nothing. */
  takeOpening(connection: number): Opening | undefined {
    if ((this.#table.flags[connection] & OPENED) === 0) return undefined;
    const opening = this.#firstBytes.take(connection);
    if (opening === undefined || opening.length > 0) return opening;
    if (opening.buffer !== NONE) this.#engine.release(opening.buffer);
    return undefined;
  }

  /** Gives back what is kept of its first bytes. */
  end(connection: number): void {
    if ((this.#table.flags[connection] & OPENED) !== 0) this.#firstBytes.end(connection);
  }
}
