/**
 * The relay: bytes of a connected pair, both ways, until both ways have ended. A direction is always in one of
 * three positions, so at most one buffer of it is under way and its order is kept:
 *
 *        ┌────────► receiving ──data──► sending ──sent──┐
 *        └──────────────────────────────────────────────┘
 *                       │ end of stream
 *                       ▼
 *                     ended      (the other side's sending direction is shut down, its receiving goes on)
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import type { ClientTable } from '../core/client-table.js';
import type { ServerState } from '../core/server-state.js';
import type { TlsLayer } from '../tls/tls-layer.js';
import { DOWN_ENDED, SERVER_FIRST, UP_ENDED, UP_REFUSED } from './connection-flag.js';
import type { ConnectionTable } from './connection-table.js';

const BOTH_ENDED = UP_ENDED | DOWN_ENDED;

/** What becomes of the pair after an event. */
export const RELAY_GOES_ON = 0;
export const RELAY_OVER = 1;
/** One side failed: the other is told by a reset, so that it does not take what it got for the whole. */
export const RELAY_BROKEN = 2;
/** The client is to be told why before it is closed (HttpRelay). */
export const RELAY_REFUSED = 3;

export class Relay {
  readonly #engine: TlsLayer;
  readonly #table: ConnectionTable;
  readonly #servers: ServerState;
  readonly #clients: ClientTable;
  /** Directions whose end closes the pair at once (`tcp_fastclose`). */
  endsAtOnce = 0;

  constructor(engine: TlsLayer, table: ConnectionTable, servers: ServerState, clients: ClientTable) {
    this.#engine = engine;
    this.#table = table;
    this.#servers = servers;
    this.#clients = clients;
  }

  received(connection: number, socket: number, buffer: number, length: number): number {
    const fromClient = socket === this.#table.clientSocket[connection];
    const other = fromClient ? this.#table.serverSocket[connection] : this.#table.clientSocket[connection];
    if (length > 0) {
      this.count(connection, fromClient, length);
      if (this.#engine.send(other, buffer, length)) this.#engine.receive(socket);
      return RELAY_GOES_ON;
    }
    // A server that would not hear the rest ends with a reset, its answer being complete all the same.
    if (length < 0)
      return !fromClient && (this.#table.flags[connection] & UP_REFUSED) !== 0 ? RELAY_OVER : RELAY_BROKEN;
    const ended = fromClient ? UP_ENDED : DOWN_ENDED;
    let flags = this.#table.flags[connection] | ended;
    if ((flags & BOTH_ENDED) === DOWN_ENDED) flags |= SERVER_FIRST;
    this.#table.flags[connection] = flags;
    // What may have been cut on its way must not become the whole for who could tell.
    if (this.#engine.isCut(socket)) this.#engine.endWithoutNotice(other);
    if ((flags & BOTH_ENDED) === BOTH_ENDED || (this.endsAtOnce & ended) !== 0) return RELAY_OVER;
    this.#engine.shutdown(other);
    return RELAY_GOES_ON;
  }

  /** `socket` has taken the whole buffer, so its counterpart may be read again. */
  sent(connection: number, socket: number, result: number): number {
    const toServer = socket === this.#table.serverSocket[connection];
    if (result < 0) {
      if (!toServer) return RELAY_BROKEN;
      if ((this.#table.flags[connection] & DOWN_ENDED) !== 0) return RELAY_OVER;
      // The server hears no more, but what it has said already is still to be delivered.
      this.#table.flags[connection] |= UP_ENDED | UP_REFUSED | SERVER_FIRST;
      return RELAY_GOES_ON;
    }
    this.#engine.receive(toServer ? this.#table.clientSocket[connection] : this.#table.serverSocket[connection]);
    return RELAY_GOES_ON;
  }

  count(connection: number, fromClient: boolean, length: number): void {
    const server = this.#table.server[connection];
    const client = this.#table.client[connection];
    const generation = this.#table.clientGeneration[connection];
    if (fromClient) {
      this.#servers.addSent(server, length);
      if (client >= 0) this.#clients.addTraffic(client, generation, 0, length);
    } else {
      this.#servers.addReceived(server, length);
      if (client >= 0) this.#clients.addTraffic(client, generation, length, 0);
    }
  }
}
