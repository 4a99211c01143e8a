/** How servers are reached: on the link by their own MAC address, or in a tunnel by that of whoever is next on the way. */
import type { IpWords } from '../core/address.js';
import type { Encap } from '../core/configuration.js';
import { addressName, Neighbours } from './neighbours.js';
import type { RealTunnel } from './record.js';
import { farName, Tunnels, type Way } from './tunnels.js';

export interface ReachOptions {
  /** Our MAC address, as it is now. */
  mac(): Uint8Array;
  /** An IPv6 address of the interface for neighbour discovery, undefined while it has none. */
  sourceV6(): Uint8Array | undefined;
  readonly far: FarOptions;
  send(frame: Uint8Array): void;
  /** A server has come or gone, or is reached in another way; by name. */
  changed(name: string): void;
}

/** What servers that are not on the link take. */
export interface FarOptions {
  /** Marks answers to our own questions: unsigned, 32 bits. */
  readonly token: number;
  /** Where tunnels of a family begin, undefined while the interface has no address of it. */
  source(family: 4 | 6): IpWords | undefined;
  interfaceMtu(): number;
  way(address: IpWords): Way;
}

/** Where a server is, and a VIP of its. */
export interface Target {
  readonly address: IpWords;
  readonly encap: Encap;
}

/** A server that answers. Another one whenever anything of it has changed. */
export interface Reached {
  readonly mac: Uint8Array;
  readonly tunnel: RealTunnel | undefined;
}

export class Reach {
  readonly #changed: (name: string) => void;
  readonly #neighbours: Neighbours;
  readonly #tunnels: Tunnels;
  readonly #targets = new Map<string, Target>();
  readonly #reached = new Map<string, Reached>();
  /** Behind tunnels: whom each is reached by, by name; and whom that is for. */
  readonly #hops = new Map<string, string>();
  readonly #behind = new Map<string, Set<string>>();

  constructor({ mac, sourceV6, far, send, changed }: ReachOptions) {
    this.#changed = changed;
    this.#neighbours = new Neighbours({ mac, sourceV6, send, changed: (name) => this.#onLinkChanged(name) });
    const macOf = (address: IpWords) => this.#macOf(addressName(address));
    this.#tunnels = new Tunnels({ ...far, mac, send, macOf, changed: (name) => this.#farChanged(name) });
  }

  /** From now on it is asked, behind a tunnel for that VIP. */
  add(name: string, target: Target, vip: IpWords): void {
    if (this.#targets.has(name)) return;
    this.#targets.set(name, target);
    const { address, encap } = target;
    if (encap === 'none') {
      this.#neighbours.add(name, address);
      this.#update(name);
      return;
    }
    this.#tunnels.add(name, { address, encap, vip });
    this.#followHop(name);
  }

  remove(name: string): void {
    const target = this.#targets.get(name);
    if (!target) return;
    this.#targets.delete(name);
    this.#reached.delete(name);
    if (target.encap !== 'none') {
      this.#tunnels.remove(name);
      this.#leaveHop(name);
    } else if (!this.#behind.has(name)) this.#neighbours.remove(name);
  }

  /** A server behind a tunnel is asked for another VIP. */
  aim(name: string, vip: IpWords): void {
    this.#tunnels.aim(name, vip);
  }

  /** Of one that is asked: it was reached so a moment ago, as another process knows. It is asked all the same. */
  assume(name: string, { mac, tunnel }: Reached, nowMs: number): void {
    this.#neighbours.assume(this.#hops.get(name) ?? name, mac);
    if (tunnel) this.#tunnels.assume(name, tunnel.innerMtu, nowMs);
  }

  /** undefined if it does not answer, or is not asked. */
  of(name: string): Reached | undefined {
    return this.#reached.get(name);
  }

  /** Where it was last, whether or not it answers. */
  lastMacOf(name: string): Uint8Array | undefined {
    return this.#neighbours.at(this.#hops.get(name) ?? name)?.mac;
  }

  /** Of a server behind a tunnel: `encap ipip by 192.0.2.1 mtu 1480`; '' for others. */
  describe(name: string): string {
    const encap = this.#targets.get(name)?.encap ?? 'none';
    return encap === 'none' ? '' : `encap ${encap} ${this.#tunnels.describe(name)}`;
  }

  /** Why a server may not answer. */
  hint(name: string): string {
    return this.#targets.get(name)?.encap === 'none' ? 'is it on that link?' : this.#tunnels.hint(name);
  }

  /** Whether all servers that are asked have answered. */
  get isComplete(): boolean {
    return this.#reached.size === this.#targets.size;
  }

  /** Asks and gives up, as is due. */
  tick(nowMs: number): void {
    this.#neighbours.tick(nowMs);
    this.#tunnels.tick(nowMs);
  }

  /** A frame that has come in. */
  received(frame: Uint8Array, nowMs: number): void {
    this.#neighbours.received(frame);
    this.#tunnels.received(frame, nowMs);
  }

  #onLinkChanged(name: string): void {
    if (this.#targets.has(name)) this.#update(name);
    for (const far of this.#behind.get(name) ?? []) this.#update(far);
  }

  #farChanged(name: string): void {
    this.#followHop(name);
    this.#update(name);
  }

  /** Takes up what is known of it now, if that is something else. */
  #update(name: string): void {
    const before = this.#reached.get(name);
    const now = this.#look(name);
    if (before === now || (before && now && isSame(before, now))) return;
    if (now) this.#reached.set(name, now);
    else this.#reached.delete(name);
    this.#changed(name);
  }

  #look(name: string): Reached | undefined {
    const { encap } = this.#targets.get(name) as Target;
    if (encap === 'none') {
      const mac = this.#macOf(name);
      return mac && { mac, tunnel: undefined };
    }
    const found = this.#tunnels.at(name);
    return found && { mac: found.mac, tunnel: { encap, innerMtu: found.innerMtu } };
  }

  #macOf(name: string): Uint8Array | undefined {
    const neighbour = this.#neighbours.at(name);
    return neighbour?.isAlive ? neighbour.mac : undefined;
  }

  /** Whoever is next on the way now is asked too. */
  #followHop(name: string): void {
    const address = this.#tunnels.nextHopOf(name);
    const hop = address && addressName(address);
    if (hop === this.#hops.get(name)) return;
    this.#leaveHop(name);
    if (!address || hop === undefined) return;
    this.#hops.set(name, hop);
    this.#behind.set(hop, (this.#behind.get(hop) ?? new Set()).add(name));
    this.#neighbours.add(hop, address);
  }

  #leaveHop(name: string): void {
    const hop = this.#hops.get(name);
    if (hop === undefined) return;
    this.#hops.delete(name);
    const others = this.#behind.get(hop);
    others?.delete(name);
    if (others?.size !== 0) return;
    this.#behind.delete(hop);
    if (!this.#targets.has(hop)) this.#neighbours.remove(hop);
  }
}

/** What a target is known by. */
export function targetName({ address, encap }: Target): string {
  return farName(address, encap);
}

function isSame(a: Reached, b: Reached): boolean {
  return a.tunnel?.innerMtu === b.tunnel?.innerMtu && a.mac.every((byte, i) => byte === b.mac[i]);
}
