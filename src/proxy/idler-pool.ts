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
import type { TimerWheel } from '../core/timer-wheel.js';
import type { Engine } from '../engine/engine.js';
import { causeOf } from './connect-error.js';
import { type ConnectionTable, STATE } from './connection-table.js';
import type { OwnerTable } from './owner-table.js';
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
  readonly #owners: OwnerTable;
  readonly #wheel: TimerWheel;
  readonly #servers: ServerTable;
  readonly #balancer: Balancer;
  readonly #ready: number[] = [];
  readonly #early = new Map<number, EarlyBytes>();
  /** What each row is connected to: its slot may be given to another server meanwhile. */
  readonly #specs = new Map<number, ServerSpec>();
  #connecting = 0;

  constructor(
    engine: Engine,
    table: ConnectionTable,
    owners: OwnerTable,
    wheel: TimerWheel,
    servers: ServerTable,
    balancer: Balancer,
  ) {
    this.#engine = engine;
    this.#table = table;
    this.#owners = owners;
    this.#wheel = wheel;
    this.#servers = servers;
    this.#balancer = balancer;
  }

  /** When `fill` is to be called even if nothing happens; Infinity = never. */
  wakeAt(): number {
    return this.wanted > 0 ? this.#retryAt : Infinity;
  }

  /** Begins as many connects as are missing. */
  fill(nowMs: number): void {
    if (this.wanted === 0) return;
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
      this.#owners.set(socket, row);
      this.#wheel.arm(row, nowMs + this.#servers.settings.connectTimeoutSec * 1000);
    }
  }

  /** The connect of a row has ended (reaching -> idler or free). */
  connected(row: number, result: number, nowMs: number): void {
    const server = this.#table.server[row];
    this.#wheel.cancel(row);
    this.#settle(row);
    if (result < 0) {
      this.#servers.state.meters.connectFailed(server, causeOf(result), -result, nowMs);
      this.#servers.failed(server, nowMs);
      this.drop(row, nowMs);
      return;
    }
    this.#servers.succeeded(server, nowMs);
    this.#ready.push(row);
    this.#table.idlers = this.#ready.length;
    this.#engine.receive(this.#table.serverSocket[row]);
    this.dropUnwanted(nowMs);
  }

  /** Keeps what the server said, or lets go of one that has hung up. */
  received(row: number, buffer: number, length: number, nowMs: number): void {
    if (length > 0) this.#early.set(row, { buffer, length });
    else this.drop(row, nowMs);
  }

  /** Lets go those that are too many, or whose slot holds another server now. */
  dropUnwanted(nowMs: number): void {
    for (let row = this.#unwanted(); row !== NONE; row = this.#unwanted()) this.drop(row, nowMs);
  }

  /** Ends a row that is reached for or ready (-> free). */
  drop(row: number, nowMs: number): void {
    const server = this.#table.server[row];
    const socket = this.#table.serverSocket[row];
    this.#wheel.cancel(row);
    this.#forget(row, nowMs);
    this.#servers.leave(server);
    this.#owners.clear(socket);
    this.#engine.close(socket, false);
    this.#table.release(row);
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

  /** A ready row beyond what is wanted, or to a server that is not in its slot any more or drains; NONE if there is none. */
  #unwanted(): number {
    if (this.#ready.length > this.wanted) return this.#ready[this.wanted];
    return this.#ready.find((row) => !this.#isCurrent(row)) ?? NONE;
  }

  #forget(row: number, nowMs: number): void {
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
