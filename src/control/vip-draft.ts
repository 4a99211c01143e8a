/** A service of `dsr_vip` being edited. Its servers are found by their addresses, however many there are. */
import { addressKey, type IpWords } from '../core/address.js';
import type { VipServer, VipSpec } from '../core/vip.js';

export class VipDraft {
  readonly #was: VipSpec;
  #roundRobin: boolean | undefined;
  /** In order; undefined until one is asked for. */
  #servers: Map<number | string, VipServer> | undefined;
  #isChanged = false;

  constructor(spec: VipSpec) {
    this.#was = spec;
    this.#roundRobin = spec.roundRobin;
  }

  get isChanged(): boolean {
    return this.#isChanged;
  }

  /** The result; what it began with while nothing was changed. */
  get spec(): VipSpec {
    if (!this.#isChanged) return this.#was;
    return { ...this.#was, roundRobin: this.#roundRobin, servers: [...this.#ownServers().values()] };
  }

  /** How servers are chosen here, whatever LISTEN does. */
  choose(roundRobin: boolean): void {
    this.#roundRobin = roundRobin;
    this.#isChanged = true;
  }

  has(address: IpWords): boolean {
    return this.#ownServers().has(addressKey(address));
  }

  /** Changes a server in its place, or adds it behind the others; what is not given stays. */
  setServer(address: IpWords, { weight, encap }: Partial<Pick<VipServer, 'weight' | 'encap'>>): void {
    const servers = this.#ownServers();
    const key = addressKey(address);
    const was = servers.get(key);
    servers.set(key, {
      address: was?.address ?? address,
      weight: weight ?? was?.weight ?? 1,
      encap: encap ?? was?.encap ?? 'none',
    });
    this.#isChanged = true;
  }

  removeServer(address: IpWords): void {
    this.#ownServers().delete(addressKey(address));
    this.#isChanged = true;
  }

  #ownServers(): Map<number | string, VipServer> {
    this.#servers ??= new Map(this.#was.servers.map((server) => [addressKey(server.address), server]));
    return this.#servers;
  }
}
