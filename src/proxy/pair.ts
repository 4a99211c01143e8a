/**
 * Connected pairs: which of the two relays moves their bytes, what the log and the clients' table are told of them, and
 * how an end is to be called.
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import type { ClientTable } from '../core/client-table.js';
import { ABUSE_SLOT, EMERGENCY_SLOT, NONE, type Settings } from '../core/configuration.js';
import type { ServerTable } from '../core/server-table.js';
import type { TlsLayer } from '../tls/tls-layer.js';
import type { Ending } from '../weblog/record.js';
import { DOWN_ENDED, HTTP, SERVER_FIRST, UP_ENDED } from './connection-flag.js';
import type { ConnectionLog } from './connection-log.js';
import type { ConnectionTable } from './connection-table.js';
import { HttpRelay } from './http-relay.js';
import type { IdleWatch } from './idle-watch.js';
import type { Introductions } from './introductions.js';
import { RELAY_BROKEN, Relay } from './relay.js';

export interface PairParts {
  readonly engine: TlsLayer;
  readonly table: ConnectionTable;
  readonly servers: ServerTable;
  readonly clients: ClientTable;
  readonly idle: IdleWatch;
  readonly introductions: Introductions;
  readonly log: ConnectionLog;
}

export class Pair {
  readonly #engine: TlsLayer;
  readonly #table: ConnectionTable;
  readonly #servers: ServerTable;
  readonly #clients: ClientTable;
  readonly #relay: Relay;
  readonly #http: HttpRelay;
  readonly #idle: IdleWatch;
  readonly #introductions: Introductions;
  readonly #log: ConnectionLog;
  #settings: Settings;

  constructor(parts: PairParts) {
    this.#engine = parts.engine;
    this.#table = parts.table;
    this.#servers = parts.servers;
    this.#clients = parts.clients;
    this.#relay = new Relay(parts.engine, parts.table, parts.servers.state, parts.clients);
    this.#http = new HttpRelay(
      parts.engine,
      parts.table,
      this.#relay,
      parts.servers.state.meters,
      parts.idle.watchHead,
    );
    this.#idle = parts.idle;
    this.#introductions = parts.introductions;
    this.#log = parts.log;
    this.#settings = parts.servers.settings;
  }

  configure(settings: Settings): void {
    const { fastClose, headTimeoutSec } = settings;
    this.#settings = settings;
    this.#http.headTimeoutMs = headTimeoutSec === 0 ? Infinity : headTimeoutSec * 1000;
    this.#relay.endsAtOnce =
      (fastClose === 'up' || fastClose === 'both' ? DOWN_ENDED : 0) |
      (fastClose === 'down' || fastClose === 'both' ? UP_ENDED : 0);
  }

  /** Both sides are connected. */
  begin(connection: number): void {
    const table = this.#table;
    const { tcpNodelay, keepalive, http } = this.#settings;
    const server = table.server[connection];
    const client = table.client[connection];
    const generation = table.clientGeneration[connection];
    table.sinceMs[connection] = this.#engine.now();
    if (tcpNodelay || keepalive) this.#engine.setOptions(table.clientSocket[connection], tcpNodelay, keepalive);
    if (client !== NONE) {
      this.#clients.addConnect(client, generation);
      if (server !== EMERGENCY_SLOT && server !== ABUSE_SLOT) this.#clients.assign(client, server, generation);
    }
    this.#idle.begin(connection);
    if (http) {
      table.flags[connection] |= HTTP;
      this.#http.begin(connection, this.#introductions.forwarding(connection));
    }
    if (this.#log.isOn) this.#log.reached(connection, this.#servers.spec(server).endpoint, this.#engine.now());
  }

  /** What becomes of the pair (relay.ts) as `socket` has received; so for all that follow. */
  received(connection: number, socket: number, buffer: number, length: number): number {
    if (length > 0 && this.#log.isOn) this.#tell(connection, socket, buffer, length);
    const relay = (this.#table.flags[connection] & HTTP) === 0 ? this.#relay : this.#http;
    return relay.received(connection, socket, buffer, length);
  }

  sent(connection: number, socket: number, result: number): number {
    const relay = (this.#table.flags[connection] & HTTP) === 0 ? this.#relay : this.#http;
    return relay.sent(connection, socket, result);
  }

  /** When the head of a request must be whole, Infinity if none has begun. */
  headDeadlineMs(connection: number): number {
    return (this.#table.flags[connection] & HTTP) === 0 ? Infinity : this.#http.headDeadlineMs(connection);
  }

  /** The head of a request has taken too long. */
  headIsLate(connection: number): number {
    return this.#http.headIsLate(connection);
  }

  /** The status that a client is to be told whose request is refused. */
  refusal(connection: number): number {
    return this.#http.refusal(connection);
  }

  /** The name of an end that `socket` has brought about, the relay having said `verdict`. */
  endingOf(connection: number, socket: number, verdict: number): Ending {
    const flags = this.#table.flags[connection];
    if (verdict !== RELAY_BROKEN) return (flags & SERVER_FIRST) !== 0 ? 'server' : 'client';
    if ((flags & HTTP) !== 0 && this.#http.refuses(connection)) return 'refused';
    return socket === this.#table.clientSocket[connection] ? 'client_reset' : 'server_reset';
  }

  /** Gives back what the relay holds; true if the client's socket is being received from (`http`). */
  end(connection: number): boolean {
    return (this.#table.flags[connection] & HTTP) !== 0 && this.#http.end(connection);
  }

  #tell(connection: number, socket: number, buffer: number, length: number): void {
    const bytes = this.#engine.bytes(buffer);
    const now = this.#engine.now();
    if (socket === this.#table.clientSocket[connection]) this.#log.clientSent(connection, bytes, length, now);
    else this.#log.serverSent(connection, bytes, length, now);
  }
}
