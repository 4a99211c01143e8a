/**
 * Which connections have been silent too long (`idle_timeout`). A connection that is being used has one deadline, and with
 * `http` the head of a request may have one too: the wheel is armed for the earlier of them.
 */
import { NONE } from '../core/configuration.js';
import type { TimerWheel } from '../core/timer-wheel.js';
import type { Engine } from '../engine/engine.js';
import type { ConnectionTable } from './connection-table.js';

/** What `check` says of a connection. */
export const IN_USE = 0;
export const IDLE = 1;
/** Not everything that was sent has been taken: an orderly end would make it look whole. */
export const IDLE_UNREAD = 2;

export class IdleWatch {
  /** 0: they may be silent for ever. A field, as the hot path looks at it: V8 calls a private getter by way of the runtime. */
  timeoutMs = 0;
  readonly #engine: Engine;
  readonly #table: ConnectionTable;
  readonly #wheel: TimerWheel;
  readonly #headDeadlineMs: (connection: number) => number;

  /** `headDeadlineMs`: when the head of a connection's request must be whole, Infinity if there is none. */
  constructor(
    engine: Engine,
    table: ConnectionTable,
    wheel: TimerWheel,
    headDeadlineMs: (connection: number) => number,
  ) {
    this.#engine = engine;
    this.#table = table;
    this.#wheel = wheel;
    this.#headDeadlineMs = headDeadlineMs;
  }

  /** It is in use now, and watched from now on if any is. */
  begin(connection: number): void {
    if (this.timeoutMs > 0) this.#restart(connection, this.#engine.now());
  }

  /** The deadline has come: what is to become of the connection. */
  check(connection: number): number {
    if (this.timeoutMs === 0) return IN_USE;
    const now = this.#engine.now();
    const silentSince = this.#table.lastActiveMs[connection] + this.timeoutMs;
    const unsent = this.#unsent(connection);
    if (silentSince > now) this.#arm(connection, silentSince);
    // A slow reader may keep a full socket buffer busy for longer than that: as long as it shrinks, it is in use.
    else if (unsent !== this.#table.lastUnsent[connection]) this.#restart(connection, now);
    else return unsent === 0 ? IDLE : IDLE_UNREAD;
    return IN_USE;
  }

  /** The head of a request has begun: by then it must be whole. */
  readonly watchHead = (connection: number, deadlineMs: number): void => {
    if (this.timeoutMs === 0) this.#wheel.arm(connection, deadlineMs);
    else this.#arm(connection, this.#table.lastActiveMs[connection] + this.timeoutMs);
  };

  #restart(connection: number, nowMs: number): void {
    this.#table.lastActiveMs[connection] = nowMs;
    this.#table.lastUnsent[connection] = this.#unsent(connection);
    this.#arm(connection, nowMs + this.timeoutMs);
  }

  #arm(connection: number, deadlineMs: number): void {
    this.#wheel.arm(connection, Math.min(deadlineMs, this.#headDeadlineMs(connection)));
  }

  /** What the kernel has still to deliver, both ways. */
  #unsent(connection: number): number {
    return this.#unsentOn(this.#table.clientSocket[connection]) + this.#unsentOn(this.#table.serverSocket[connection]);
  }

  #unsentOn(socket: number): number {
    return socket === NONE ? 0 : Math.max(0, this.#engine.unsentBytes(socket));
  }
}
