/**
 * What becomes of UDP sessions when their server fails: the network says so, or an answer that is expected does not come.
 * The server is blacklisted, the session moves and what has not been answered is sent again; the server's other sessions
 * are looked for, some a turn, so that those of others need not wait.
 */
import { NONE } from '../core/configuration.js';
import type { ServerTable } from '../core/server-table.js';
import type { TimerWheel } from '../core/timer-wheel.js';
import type { Datagrams } from '../engine/datagrams.js';
import { ERRNO } from '../sys/errno.js';
import { causeOf } from './connect-error.js';
import { DROP, type Drops } from './udp-drops.js';
import type { UdpLifecycle } from './udp-lifecycle.js';
import type { UdpSender } from './udp-sender.js';
import type { UdpServerSide } from './udp-server-side.js';
import type { UdpSessionTable } from './udp-session-table.js';

/** Rows that are looked at, and sessions that are moved, a turn when a server has failed. */
const SWEEP_ROWS = 8192;
const SWEEP_MOVES = 256;

export interface UdpFailoverParts {
  readonly engine: Datagrams;
  readonly sessions: UdpSessionTable;
  readonly servers: ServerTable;
  readonly serverSide: UdpServerSide;
  readonly lifecycle: UdpLifecycle;
  readonly sender: UdpSender;
  readonly wheel: TimerWheel;
  readonly drops: Drops;
  /** When each server was last heard of, by any worker, by slot. */
  readonly heardMs: Float64Array;
}

export class UdpFailover {
  /** `udp_expect`; 0: an answer is not waited for. */
  expectMs = 0;
  readonly #engine: Datagrams;
  readonly #sessions: UdpSessionTable;
  readonly #servers: ServerTable;
  readonly #serverSide: UdpServerSide;
  readonly #lifecycle: UdpLifecycle;
  readonly #sender: UdpSender;
  readonly #wheel: TimerWheel;
  readonly #drops: Drops;
  readonly #heardMs: Float64Array;
  /** Row that the search for sessions of failed servers goes on from; NONE: there is no search. */
  #sweepAt = NONE;

  constructor(parts: UdpFailoverParts) {
    this.#engine = parts.engine;
    this.#sessions = parts.sessions;
    this.#servers = parts.servers;
    this.#serverSide = parts.serverSide;
    this.#lifecycle = parts.lifecycle;
    this.#sender = parts.sender;
    this.#wheel = parts.wheel;
    this.#drops = parts.drops;
    this.#heardMs = parts.heardMs;
  }

  /** The session's server has answered it. */
  heard(row: number, nowMs: number): void {
    if (this.expectMs > 0) this.#heardMs[this.#sessions.rows.server[row]] = nowMs;
  }

  /**
   * The server of this session has failed: it is blacklisted and its sessions move to others. The last server is not
   * given up (`error` is -errno): there is nobody to take its place, and it may be back for the next datagram. True if
   * this session moved.
   */
  serverFailed(row: number, error: number): boolean {
    const server = this.#sessions.rows.server[row];
    const { state } = this.#servers;
    const now = this.#engine.now();
    state.meters.connectFailed(server, causeOf(error), -error, now);
    const next = this.#serverSide.next(row);
    if (next < 0) {
      this.#drops.add(DROP.unreachable);
      state.addFailure(server);
      this.#sessions.waitingSinceMs[row] = 0;
      return false;
    }
    const wasListed = state.blacklistedUntil(server) > now;
    this.#servers.failed(server, now);
    if (!wasListed) this.#sweepAt = 0;
    return this.#lifecycle.move(row, next);
  }

  /** A server that has answered somebody since is well; a client's question may be one that nobody answers. */
  checkAnswer(row: number): void {
    const since = this.#sessions.waitingSinceMs[row];
    if (since === 0 || this.expectMs === 0) return;
    const now = this.#engine.now();
    if (since + this.expectMs > now) {
      this.#wheel.arm(2 * row + 1, since + this.expectMs);
    } else if (this.#heardMs[this.#sessions.rows.server[row]] > since) {
      this.#sessions.waitingSinceMs[row] = 0;
    } else if (this.serverFailed(row, -ERRNO.ETIMEDOUT)) {
      this.#sender.sendKept(row);
      this.#sessions.waitingSinceMs[row] = now;
      this.#wheel.arm(2 * row + 1, now + this.expectMs);
    }
  }

  /** Sessions of failed servers are still being looked for: `sweep` is to be called each turn. */
  isSweeping(): boolean {
    return this.#sweepAt !== NONE;
  }

  sweep(): void {
    const { rows } = this.#sessions;
    const end = Math.min(rows.highWater, this.#sweepAt + SWEEP_ROWS);
    let moves = 0;
    let row = this.#sweepAt;
    for (; row < end && moves < SWEEP_MOVES; row++) {
      if (!this.#sessions.isOpen(row) || !this.#serverSide.isAvoided(row)) continue;
      moves++;
      const isWaiting = this.#sessions.waitingSinceMs[row] !== 0;
      if (this.#lifecycle.rehome(row) && isWaiting) this.#sender.sendKept(row);
    }
    this.#sweepAt = row < rows.highWater ? row : NONE;
  }
}
