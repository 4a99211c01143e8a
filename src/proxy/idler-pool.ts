/**
 * `idlers N`: connections to servers that are made before a client needs them. A client whose server has one is
 * joined to it at once. Each holds a place at its server, like any connection. The rows live in the connection
 * table (state `idler`); this pool knows which of them are ready and what a server said early (one buffer at most:
 * an SMTP greeting).
 */
import { formatEndpoint } from '../core/address.js';
import type { Balancer } from '../core/balancer.js';
import { EMERGENCY_SLOT, emptySlot, NONE, type ServerSpec } from '../core/configuration.js';
import type { ServerTable } from '../core/server-table.js';
import type { Engine } from '../engine/engine.js';
import { causeOf } from './connect-error.js';
import { type ConnectionTable, STATE } from './connection-table.js';
import { sourceFor } from './source.js';

/** After a server refused or dropped one, the pool rests that long, so that it never becomes a connect storm. */
const REST_MS = 1000;
/** Connects begun a turn. */
const BATCH = 16;

const NO_ADDRESS = new Int32Array(4);

interface EarlyBytes {
  readonly buffer: number;
  readonly length: number;
}

export class IdlerPool {
  wanted = 0;
  /** Infinity, or when to try again. */
  #retryAt = Infinity;
  readonly #engine: Engine;
  readonly #table: ConnectionTable;
  readonly #servers: ServerTable;
  readonly #balancer: Balancer;
  readonly #ready: number[] = [];
  readonly #early = new Map<number, EarlyBytes>();
  /** What each row is connected to: its slot may be given to another server meanwhile. */
  readonly #specs = new Map<number, ServerSpec>();
  #connecting = 0;

  constructor(engine: Engine, table: ConnectionTable, servers: ServerTable, balancer: Balancer) {
    this.#engine = engine;
    this.#table = table;
    this.#servers = servers;
    this.#balancer = balancer;
  }

  /** When `fill` is to be called even if nothing happens; Infinity = never. */
  wakeAt(): number {
    return this.wanted > 0 ? this.#retryAt : Infinity;
  }

  /** Begins as many connects as are missing; `begun` is told each socket and its row. */
  fill(nowMs: number, begun: (socket: number, row: number) => void): void {
    if (nowMs < this.#retryAt && this.#retryAt !== Infinity) return;
    this.#retryAt = Infinity;
    const missing = this.wanted - this.#ready.length - this.#connecting;
    for (let i = 0; i < Math.min(missing, BATCH); i++) {
      const server = this.#balancer.choose(NONE, NO_ADDRESS, 0, true, nowMs);
      const spec = server < 0 || server === EMERGENCY_SLOT ? emptySlot : this.#servers.spec(server);
      const { endpoint } = spec;
      const socket =
        endpoint === undefined
          ? NONE
          : this.#engine.connect(endpoint, sourceFor(endpoint, this.#servers.settings.source));
      const row = socket < 0 ? NONE : this.#table.allocate(STATE.reaching);
      if (row === NONE) {
        if (socket >= 0) this.#engine.close(socket, false);
        if (server >= 0) {
          this.#servers.settled(server);
          this.#servers.leave(server);
        }
        this.#retryAt = nowMs + REST_MS;
        return;
      }
      this.#connecting++;
      this.#table.server[row] = server;
      this.#table.serverSocket[row] = socket;
      this.#specs.set(row, spec);
      begun(socket, row);
    }
  }

  /** The connect of a row has ended; after a failure the caller drops the row. */
  connected(row: number, result: number, nowMs: number): void {
    const server = this.#table.server[row];
    this.#settle(row);
    if (result < 0) {
      this.#servers.state.meters.connectFailed(server, causeOf(result), -result, nowMs);
      this.#servers.failed(server, nowMs);
      return;
    }
    this.#servers.succeeded(server, nowMs);
    this.#ready.push(row);
    this.#table.idlers = this.#ready.length;
    this.#engine.receive(this.#table.serverSocket[row]);
  }

  /** Keeps what the server said; false if it hung up and the row is to be dropped. */
  received(row: number, buffer: number, length: number): boolean {
    if (length <= 0) return false;
    this.#early.set(row, { buffer, length });
    return true;
  }

  /** A ready row beyond what is wanted, or to a server that is not in its slot any more or drains; NONE if there is none. */
  unwanted(): number {
    if (this.#ready.length > this.wanted) return this.#ready[this.wanted];
    return this.#ready.find((row) => !this.#isCurrent(row)) ?? NONE;
  }

  /** A ready row to any of `servers` that serves this client, no longer the pool's; NONE if there is none. */
  takeAny(address: ArrayLike<number>, isUnix: boolean, servers: ServerTable): number {
    const { state } = servers;
    const row = this.#ready.find((ready) => {
      const server = this.#table.server[ready];
      return servers.holds(server) && servers.permits(server, address, isUnix) && !state.isDraining(server);
    });
    return row === undefined ? NONE : this.take(this.#table.server[row]);
  }

  /** The row of a ready connection to `server`, no longer the pool's; NONE if there is none. */
  take(server: number): number {
    for (let i = this.#ready.length - 1; i >= 0; i--) {
      const row = this.#ready[i];
      if (this.#table.server[row] !== server) continue;
      this.#ready.splice(i, 1);
      this.#specs.delete(row);
      this.#table.idlers = this.#ready.length;
      return row;
    }
    return NONE;
  }

  /** What that row's server has said already; its receive is then not under way. */
  takeEarlyBytes(row: number): EarlyBytes | undefined {
    const early = this.#early.get(row);
    this.#early.delete(row);
    return early;
  }

  /** Forgets a row that is being closed. */
  forget(row: number, nowMs: number): void {
    if (this.#table.state[row] === STATE.reaching) this.#settle(row);
    const at = this.#ready.indexOf(row);
    if (at >= 0) this.#ready.splice(at, 1);
    this.#specs.delete(row);
    this.#table.idlers = this.#ready.length;
    const early = this.takeEarlyBytes(row);
    if (early !== undefined) this.#engine.release(early.buffer);
    if (this.#retryAt === Infinity) this.#retryAt = nowMs + REST_MS;
  }

  #isCurrent(row: number): boolean {
    const now = this.#servers.spec(this.#table.server[row]);
    const then = this.#specs.get(row);
    if (now.endpoint === undefined || then?.endpoint === undefined) return false;
    const isSamePeer = now.tls === then.tls && now.sni === then.sni;
    const isSame = isSamePeer && formatEndpoint(now.endpoint) === formatEndpoint(then.endpoint);
    return isSame && !this.#servers.state.isDraining(this.#table.server[row]);
  }

  /** A row's connect is over. */
  #settle(row: number): void {
    this.#connecting--;
    this.#table.state[row] = STATE.idler;
    this.#servers.settled(this.#table.server[row]);
  }
}
