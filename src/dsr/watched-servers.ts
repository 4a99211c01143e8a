/** The servers that are asked whether they are there: each once, however many services have it, and what is said of them. */
import type { IpWords } from '../core/address.js';
import { Reach, type Reached, type ReachOptions, type Target } from './reach.js';
import { Service } from './service.js';
import type { SpareReal } from './spare-real.js';
import { Tidings } from './tidings.js';

/** Whoever has a server: a service, or what stands in for all of them and has no VIP. */
export type ServerUser = Service | SpareReal;

export interface WatchedServersOptions extends Omit<ReachOptions, 'changed'> {
  readonly interfaceName: string;
  log(line: string): void;
  /** How servers were reached that answered an earlier process, by name. */
  readonly known: ReadonlyMap<string, Reached>;
  /** A server has come or gone, or is reached in another way: whose it is. */
  changed(users: Iterable<ServerUser>, reached: Reached | undefined): void;
}

export class WatchedServers {
  readonly #reach: Reach;
  readonly #tidings: Tidings;
  readonly #changed: WatchedServersOptions['changed'];
  /** Who has a server, by the name of its address. */
  readonly #users = new Map<string, Set<ServerUser>>();
  /** What an earlier process knew, until those servers are asked here. */
  readonly #known: Map<string, Reached>;

  constructor({ interfaceName, log, known, changed, ...reach }: WatchedServersOptions) {
    this.#changed = changed;
    this.#known = new Map(known);
    this.#reach = new Reach({ ...reach, changed: (name) => this.#reachChanged(name) });
    this.#tidings = new Tidings(interfaceName, log, (name) => this.#reach.hint(name));
  }

  /** Whether all have answered. */
  get isComplete(): boolean {
    return this.#reach.isComplete;
  }

  /** From now on it is asked for this user, too. */
  add(user: ServerUser, { name, target }: { readonly name: string; readonly target: Target }, nowMs: number): void {
    const users = this.#users.get(name) ?? new Set();
    const hasVip = vipAmong(users) !== undefined;
    this.#users.set(name, users.add(user));
    if (users.size > 1) {
      const vip = vipOf(user);
      if (vip && !hasVip) this.#reach.aim(name, vip);
      return;
    }
    this.#tidings.await(name, target.address, nowMs);
    this.#reach.add(name, target, vipOf(user) ?? target.address);
    const known = this.#known.get(name);
    if (known) this.#reach.assume(name, known, nowMs);
  }

  /** Not for this user any more; who has no user is not asked. */
  remove(user: ServerUser, name: string): void {
    const users = this.#users.get(name);
    users?.delete(user);
    // Whoever is behind a tunnel is asked for a VIP that it still has.
    const vip = users && vipAmong(users);
    if (vip) this.#reach.aim(name, vip);
    if (users?.size !== 0) return;
    this.#users.delete(name);
    this.#reach.remove(name);
    this.#tidings.forget(name);
  }

  /** One behind a tunnel is asked for another VIP. */
  aim(name: string, vip: IpWords): void {
    this.#reach.aim(name, vip);
  }

  /** Whether somebody has it who has a VIP. */
  hasVip(name: string): boolean {
    return vipAmong(this.#users.get(name) ?? []) !== undefined;
  }

  /** Whoever is asked from now on is not believed to be where an earlier process had it. */
  forgetKnown(): void {
    this.#known.clear();
  }

  /** A frame that may be an answer. */
  received(frame: Uint8Array, nowMs: number): void {
    this.#reach.received(frame, nowMs);
  }

  /** Asks and gives up, as is due. */
  tick(nowMs: number): void {
    this.#reach.tick(nowMs);
  }

  /** Tells people what is new; `rowOf`: of a server that has one. */
  tell(nowMs: number, rowOf: (name: string) => number | undefined): void {
    this.#tidings.tell(nowMs, rowOf);
  }

  /** undefined if it does not answer, or is not asked. */
  of(name: string): Reached | undefined {
    return this.#reach.of(name);
  }

  /** Where it, or whoever is next on the way to it, was last. */
  lastMacOf(name: string): Uint8Array | undefined {
    return this.#reach.lastMacOf(name);
  }

  /** Of one behind a tunnel: `encap ipip by 192.0.2.1 mtu 1480`; '' for others. */
  describe(name: string): string {
    return this.#reach.describe(name);
  }

  #reachChanged(name: string): void {
    const reached = this.#reach.of(name);
    this.#tidings.changed(name, reached !== undefined);
    this.#changed(this.#users.get(name) ?? [], reached);
  }
}

function vipOf(user: ServerUser): IpWords | undefined {
  return user instanceof Service ? user.vip.address : undefined;
}

/** The VIP of the first that has one: a server may be one of thousands of services. */
function vipAmong(users: Iterable<ServerUser>): IpWords | undefined {
  for (const user of users) {
    const vip = vipOf(user);
    if (vip) return vip;
  }
  return undefined;
}
