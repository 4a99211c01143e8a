/**
 * Which server a connection goes to: `client_acl`, affinity, the algorithm, the limits, failover, and the two
 * servers outside the table. Each thread has its own; they agree through ServerState and ClientTable.
 */
import type { ClientTable } from './client-table.js';
import { ABUSE_SLOT, type Configuration, EMERGENCY_SLOT, LATER, MAX_SERVERS, NONE } from './configuration.js';
import { Hash } from './selection/hash.js';
import { Prio } from './selection/prio.js';
import { RoundRobin } from './selection/round-robin.js';
import type { Selector } from './selection/selector.js';
import { Weight } from './selection/weight.js';
import type { ServerTable } from './server-table.js';

/** Selections in a row whose last place other threads may snatch before the client is turned away. */
const MAX_RACES = 100;

export class Balancer {
  readonly #table: ServerTable;
  readonly #clients: ClientTable;
  readonly #roundRobin = new RoundRobin();
  readonly #weight = new Weight();
  readonly #prio = new Prio();
  readonly #hash = new Hash();
  #selector: Selector = this.#roundRobin;

  constructor(table: ServerTable, clients: ClientTable) {
    this.#table = table;
    this.#clients = clients;
  }

  /** Obeys a new configuration, and has the tables obey it. */
  configure(configuration: Configuration): void {
    if (this.#table.configuration !== configuration) this.#table.configure(configuration);
    const { clientsMax, hash, prio, weight } = configuration.settings;
    this.#clients.grow(clientsMax);
    this.#selector = prio ? this.#prio : weight ? this.#weight : hash ? this.#hash : this.#roundRobin;
    this.#selector.configure(this.#table);
  }

  /** Whether `client_acl` lets the client use the servers; Unix clients always. */
  admits(address: ArrayLike<number>, isUnix: boolean): boolean {
    return this.#table.admits(address, isUnix);
  }

  /**
   * A slot with a place reserved (to be given back with `settled` and `leave`); LATER: servers are busy connecting,
   * ask again; NONE: close the connection.
   * `client` is its slot in the client table, NONE if it has none.
   */
  choose(client: number, address: ArrayLike<number>, port: number, isUnix: boolean, nowMs: number): number {
    const table = this.#table;
    if (!this.admits(address, isUnix)) return this.#takeIfItTakes(ABUSE_SLOT, address, isUnix, false, nowMs);
    const { roundRobin, stubborn } = table.settings;
    if (!roundRobin && client !== NONE) {
      const server = this.#clients.server(client);
      // The emergency and the abuse server are nobody's own, nor is one that is no longer configured.
      if (server !== NONE && server < MAX_SERVERS && table.holds(server)) {
        const slot = this.#takeIfItTakes(server, address, isUnix, true, nowMs);
        if (slot !== NONE || stubborn) return slot;
      }
    }
    for (let race = 0; race < MAX_RACES; race++) {
      const slot = this.#selector.select(table, address, port, isUnix, nowMs);
      if (slot === NONE) break;
      if (table.take(slot, false)) return slot;
    }
    // Any connect in progress will do: another thread may have ended one since the algorithm looked.
    if (table.isHeldUp(address, isUnix, nowMs, 1)) return LATER;
    return stubborn ? NONE : this.#takeIfItTakes(EMERGENCY_SLOT, address, isUnix, false, nowMs);
  }

  /**
   * The next slot, with a place reserved, after the connect to `failed` has failed: on through the table up to
   * `first`, the one tried first for this connection, then LATER as in `choose`, the emergency server, NONE. It ends even if
   * nothing is ever blacklisted.
   */
  failover(failed: number, first: number, address: ArrayLike<number>, isUnix: boolean, nowMs: number): number {
    const table = this.#table;
    if (failed >= MAX_SERVERS || table.settings.stubborn) return NONE;
    const { length } = table;
    // If the table has shrunk below `first`, the walk ends where the table does.
    const places = first < length ? length : length + 1;
    const stop = Math.min(first, length);
    const start = failed < length ? (failed + 1) % places : 0;
    for (let slot = start; slot !== stop; slot = (slot + 1) % places) {
      if (this.#takeIfItTakes(slot, address, isUnix, false, nowMs) !== NONE) return slot;
    }
    if (table.isHeldUp(address, isUnix, nowMs)) return LATER;
    return this.#takeIfItTakes(EMERGENCY_SLOT, address, isUnix, false, nowMs);
  }

  /**
   * The slot that this client's next datagram goes to when each is chosen for anew: the abuse server, the algorithm's, the
   * emergency server or NONE. Reserves nothing: `enter` does, once for all datagrams of the client to that server.
   */
  pick(address: ArrayLike<number>, port: number, nowMs: number): number {
    const table = this.#table;
    let slot = ABUSE_SLOT;
    if (this.admits(address, false)) {
      slot = this.#selector.select(table, address, port, false, nowMs);
      if (slot !== NONE) return slot;
      slot = EMERGENCY_SLOT;
    }
    return table.takes(slot, address, false, false, nowMs) ? slot : NONE;
  }

  /** Reserves a place at that server, as `choose` does for the one it chooses; NONE if there is none left. */
  enter(slot: number, address: ArrayLike<number>, nowMs: number): number {
    return this.#takeIfItTakes(slot, address, false, false, nowMs);
  }

  #takeIfItTakes(slot: number, address: ArrayLike<number>, isUnix: boolean, returning: boolean, nowMs: number): number {
    const table = this.#table;
    return table.takes(slot, address, isUnix, returning, nowMs) && table.take(slot, returning) ? slot : NONE;
  }
}
