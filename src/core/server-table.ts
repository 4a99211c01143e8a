/**
 * Configuration and state of servers together: the one place that says which server takes a connection. A thread
 * has a table of its own; the state behind it is shared. Hot path: positional numbers, typed arrays.
 */
import { Acl } from './acl.js';
import {
  type Configuration,
  EMERGENCY_SLOT,
  emptyConfiguration,
  emptySlot,
  MAX_SERVERS,
  type ServerSpec,
  type Settings,
} from './configuration.js';
import type { ServerState } from './server-state.js';

const EVERYBODY = new Acl([]);

export class ServerTable {
  readonly state: ServerState;
  /** The slots that hold a server, ascending: what selectors choose from. */
  slots = new Int32Array(0);
  #configuration: Configuration = emptyConfiguration;
  /** Rows 0..length-1 are the table's, then come the emergency and the abuse server. */
  #specs: readonly ServerSpec[] = [];
  #acls: readonly Acl[] = [];
  #holds = new Uint8Array(0);
  #max = new Int32Array(0);
  #hard = new Int32Array(0);
  #acl = new Uint8Array(0);

  constructor(state: ServerState) {
    this.state = state;
    this.configure(emptyConfiguration);
  }

  /** Obeys a new configuration; the state stays. */
  configure(configuration: Configuration): void {
    const { servers, emergency, abuse, acls, settings } = configuration;
    const specs = [...servers, emergency ?? emptySlot, abuse ?? emptySlot];
    const used = new Set([settings.clientAcl, ...specs.map((spec) => spec.acl)]);
    const before = this.#configuration.acls;
    this.#acls = Array.from(acls, (entries, i) => {
      if (!used.has(i) || entries.length === 0) return EVERYBODY;
      // EVERYBODY may stand for a list that was not used until now.
      return entries === before[i] && this.#acls[i] !== EVERYBODY ? this.#acls[i] : new Acl(entries);
    });
    this.#specs = specs;
    this.#configuration = configuration;
    this.#holds = Uint8Array.from(specs, (spec) => Number(holdsServer(spec)));
    this.#max = Int32Array.from(specs, (spec) => spec.max);
    // A returning client has the wider of the two limits, and none where `max` sets none.
    this.#hard = Int32Array.from(specs, (spec) => (spec.max === 0 ? 0 : Math.max(spec.max, spec.hard)));
    this.#acl = Uint8Array.from(specs, (spec) => spec.acl);
    this.slots = Int32Array.from(servers.keys()).filter((slot) => this.#holds[slot] === 1);
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  get settings(): Settings {
    return this.#configuration.settings;
  }

  get length(): number {
    return this.#configuration.servers.length;
  }

  spec(slot: number): ServerSpec {
    return this.#specs[this.#row(slot)] ?? emptySlot;
  }

  /** There is a server in this slot. */
  holds(slot: number): boolean {
    return this.#holds[this.#row(slot)] === 1;
  }

  /** It would take somebody: what `takes` asks, but for the ACL. */
  isAvailable(slot: number, returning: boolean, nowMs: number): boolean {
    const row = this.#row(slot);
    if (this.#holds[row] !== 1 || this.#isOut(slot, nowMs)) return false;
    const limit = returning ? this.#hard[row] : this.#max[row];
    if (limit > 0 && this.state.connections(slot) >= limit) return false;
    const { pendingMax } = this.#configuration.settings;
    return pendingMax === 0 || this.state.pending(slot) < pendingMax;
  }

  /**
   * Some server would take this client, were it not for the connects in progress there, which are `from` at least. Looks at
   * every server.
   */
  isHeldUp(address: ArrayLike<number>, isUnix: boolean, nowMs: number, from = this.settings.pendingMax): boolean {
    if (this.settings.pendingMax === 0) return false;
    for (const slot of this.slots) {
      const limit = this.#max[slot];
      const hasRoom = limit === 0 || this.state.connections(slot) < limit;
      const isPending = this.state.pending(slot) >= from;
      if (isPending && hasRoom && !this.#isOut(slot, nowMs) && this.permits(slot, address, isUnix)) return true;
    }
    return false;
  }

  /** Its ACL admits this client. */
  permits(slot: number, address: ArrayLike<number>, isUnix: boolean): boolean {
    return isUnix || this.#acls[this.#acl[this.#row(slot)]].permits(address);
  }

  /** `client_acl` lets this client in. */
  admits(address: ArrayLike<number>, isUnix: boolean): boolean {
    return isUnix || this.#acls[this.#configuration.settings.clientAcl].permits(address);
  }

  /** It holds a server that is not blacklisted, has room and serves this client. */
  takes(slot: number, address: ArrayLike<number>, isUnix: boolean, returning: boolean, nowMs: number): boolean {
    return this.isAvailable(slot, returning, nowMs) && this.permits(slot, address, isUnix);
  }

  /** Reserves a place and a pending connect, exactly over all threads; false if another was quicker. */
  take(slot: number, returning: boolean): boolean {
    const row = this.#row(slot);
    const limit = returning ? this.#hard[row] : this.#max[row];
    return this.state.tryEnter(slot, limit, this.#configuration.settings.pendingMax);
  }

  /** The connect has ended, however. */
  settled(slot: number): void {
    this.state.settled(slot);
  }

  /** The connection, or the attempt at one, is over. */
  leave(slot: number): void {
    this.state.leave(slot);
  }

  /** The server refused or did not answer. Not for errors of our own side (EMFILE, EADDRNOTAVAIL). */
  failed(slot: number, nowMs: number): void {
    this.state.addFailure(slot);
    const until = nowMs + this.#configuration.settings.blacklistSec * 1000;
    // An operator's longer blacklisting stands.
    const listedMs = this.state.blacklistedUntil(slot);
    if (until > Math.max(nowMs, listedMs)) {
      this.state.setBlacklistedUntil(slot, until, listedMs > nowMs && this.state.isOrderedOut(slot));
    }
  }

  succeeded(slot: number, nowMs: number): void {
    this.state.addConnect(slot);
    const until = this.state.blacklistedUntil(slot);
    if (until === 0) return;
    // A connect that was under way when an operator took the server out does not bring it back.
    if (until <= nowMs || !this.state.isOrderedOut(slot)) this.state.setBlacklistedUntil(slot, 0);
  }

  /** Failure or an operator keeps new connections from it. */
  #isOut(slot: number, nowMs: number): boolean {
    return this.state.blacklistedUntil(slot) > nowMs || this.state.isDraining(slot);
  }

  /** A slot beyond the table (it has shrunk) gives a row that does not exist. */
  #row(slot: number): number {
    if (slot >= MAX_SERVERS) return this.length + slot - EMERGENCY_SLOT;
    return slot < this.length ? slot : -1;
  }
}

function holdsServer({ endpoint }: ServerSpec): boolean {
  return endpoint !== undefined && (endpoint.kind === 'unix' || endpoint.port > 0);
}
