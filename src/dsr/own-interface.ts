/**
 * The balancer's interface, looked at now and then: it may come up, and get its addresses, after Pen, and somebody may give it
 * others (`ip link set address`, a bond's failover).
 */
import { formatIp, type IpWords } from '../core/address.js';
import { interfaceMtu } from '../sys/network-interface.js';
import { ownAddresses as hostAddresses } from '../sys/own-address.js';
import { macOf, ownAddresses, sourceOf, tunnelSource } from './interface-facts.js';
import type { Way } from './tunnels.js';
import { Ways } from './ways.js';

export class OwnInterface {
  readonly name: string;
  readonly #ways: Ways;
  #mac: Uint8Array;
  #sourceV6: Uint8Array | undefined;
  /** Where tunnels begin. */
  #sources: { 4?: IpWords | undefined; 6?: IpWords | undefined } = {};
  #usesTunnels = false;
  #mtu = 0;
  /** The host's addresses, as text. */
  #hostAddresses: string | undefined;

  /** Throws a DsrError if there is no such interface, or it is no Ethernet. */
  constructor(name: string) {
    this.name = name;
    this.#mac = macOf(name);
    this.#ways = new Ways(name);
  }

  get mac(): Uint8Array {
    return this.#mac;
  }

  /** An address for neighbour discovery. */
  get sourceV6(): Uint8Array | undefined {
    return this.#sourceV6;
  }

  /** Where tunnels of a family begin. */
  tunnelSource(family: 4 | 6): IpWords | undefined {
    return this.#sources[family];
  }

  /** Known once tunnels are used. */
  get mtu(): number {
    return this.#mtu;
  }

  get usesTunnels(): boolean {
    return this.#usesTunnels;
  }

  /** By whom an address is reached, as the kernel has it. */
  way(address: IpWords): Way {
    return this.#ways.to(address);
  }

  useTunnels(areUsed: boolean): void {
    this.#usesTunnels = areUsed;
    this.#lookAtMtu();
  }

  /** At its addresses, and what tunnels have to know of it. */
  look(): void {
    const own = ownAddresses(this.name);
    this.#sourceV6 = sourceOf(own);
    this.#sources = { 4: tunnelSource(own, 4), 6: tunnelSource(own, 6) };
    this.#lookAtMtu();
  }

  /** Whether the host, cable or not, has other addresses than at the call before. */
  haveHostAddressesChanged(): boolean {
    const addresses = hostAddresses().map(formatIp).join();
    const isChanged = this.#hostAddresses !== undefined && this.#hostAddresses !== addresses;
    this.#hostAddresses = addresses;
    return isChanged;
  }

  /** Whether it has another MAC address than was known, which is the one now. */
  hasMacChanged(): boolean {
    const mac = macOf(this.name);
    if (Buffer.compare(mac, this.#mac) === 0) return false;
    this.#mac = mac;
    return true;
  }

  close(): void {
    this.#ways.close();
  }

  #lookAtMtu(): void {
    if (this.#usesTunnels && process.platform === 'linux') this.#mtu = interfaceMtu(this.name);
  }
}
