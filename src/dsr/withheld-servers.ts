/** Servers of the table that are blacklisted or draining, as the packet path's tables have it. */
import type { ServerState } from '../core/server-state.js';

const BLACKLISTED = 1;
const DRAINING = 2;

export class WithheldServers {
  readonly #servers: ServerState;
  /** By row. */
  #seen = new Uint8Array(0);

  constructor(servers: ServerState) {
    this.#servers = servers;
  }

  /** Whether any of so many rows is otherwise than at the call before. */
  haveChanged(rows: number, nowMs: number): boolean {
    let changed = this.#seen.length !== rows;
    if (changed) this.#seen = new Uint8Array(rows);
    for (let slot = 0; slot < rows; slot++) {
      const is = (this.isBlacklisted(slot, nowMs) ? BLACKLISTED : 0) | (this.isDraining(slot) ? DRAINING : 0);
      if (this.#seen[slot] === is) continue;
      this.#seen[slot] = is;
      changed = true;
    }
    return changed;
  }

  isBlacklisted(slot: number, nowMs: number): boolean {
    return this.#servers.blacklistedUntil(slot) > nowMs;
  }

  isDraining(slot: number): boolean {
    return this.#servers.isDraining(slot);
  }
}
