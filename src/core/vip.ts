/** A service of direct server return besides the listening address: an address or a prefix, and servers of its own. */
import { formatIp, type IpWords, isV4, parseIp } from './address.js';
import type { Encap } from './configuration.js';

export interface Vip {
  readonly address: IpWords;
  /** How many of the 128 bits of `address` count; the mapped form of IPv4 has 96 more than are written. */
  readonly bits: number;
  /** 0 is every port. */
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
}

export interface VipServer {
  readonly address: IpWords;
  /** Its share, 0 = nothing new. */
  readonly weight: number;
  readonly encap: Encap;
}

export interface VipSpec extends Vip {
  /** Whether the ports are hashed too, as `roundrobin` has it; undefined: as it does for LISTEN. */
  readonly roundRobin: boolean | undefined;
  /** No address comes twice. */
  readonly servers: readonly VipServer[];
}

/** More than anybody has, and few enough for the tables. */
export const MAX_VIPS = 4095;

const V4_BITS = 96;
/** What an IPv4 address or prefix looks like. */
const DOTTED = /^\d+\.[\d.]+(?:\/\d*)?$/;
export const ADDRESS_BITS = 128;

export interface VipText {
  readonly address: IpWords;
  readonly bits: number;
  /** As written; undefined for every port. */
  readonly port: string | undefined;
}

/** `ADDRESS[/BITS][:PORT]`, IPv6 in brackets where a port follows; a string says what is wrong. */
export function parseVip(text: string): VipText | string {
  const { host, port } = withoutPort(text);
  const slash = host.lastIndexOf('/');
  const length = slash < 0 ? undefined : host.slice(slash + 1);
  const address = parseIp(slash < 0 ? host : host.slice(0, slash));
  if (!address || port === '') return 'no address (write IP, IP/BITS, IP:PORT or [IPV6/BITS]:PORT)';
  const most = isV4(address) ? ADDRESS_BITS - V4_BITS : ADDRESS_BITS;
  if (length !== undefined && !(/^\d{1,3}$/.test(length) && Number(length) <= most))
    return `a prefix of it has 0 to ${most} bits, not '${length}'`;
  if (length === undefined) return { address, bits: ADDRESS_BITS, port };
  const bits = ADDRESS_BITS - most + Number(length);
  const first = masked(address, bits);
  if (!isSameAddress(first, address))
    return `it has bits beyond its prefix (write ${formatIp(first)}/${length}, or the address alone)`;
  return { address, bits, port };
}

function withoutPort(text: string): { host: string; port: string | undefined } {
  if (text.startsWith('[')) {
    const [, host = text, port] = /^\[([^\]]*)\](?::(.*))?$/s.exec(text) ?? [];
    return { host, port };
  }
  const colon = text.indexOf(':');
  // Without brackets a port follows dots only: an IPv6 address has colons of its own.
  const hasPort = colon >= 0 && DOTTED.test(text.slice(0, colon));
  return hasPort ? { host: text.slice(0, colon), port: text.slice(colon + 1) } : { host: text, port: undefined };
}

/** The address with all bits after the first `bits` zero. */
export function masked(address: IpWords, bits: number): IpWords {
  return address.map((word, i) => word & maskWord(bits - i * 32)) as unknown as IpWords;
}

/** Whether an address is the VIP's, or one of it. */
export function covers({ address, bits }: Pick<Vip, 'address' | 'bits'>, other: IpWords): boolean {
  return address.every((word, i) => ((word ^ other[i]) & maskWord(bits - i * 32)) === 0);
}

export function isSameAddress(a: IpWords, b: IpWords): boolean {
  return a[3] === b[3] && a[2] === b[2] && a[1] === b[1] && a[0] === b[0];
}

/** `192.0.2.80:80`, `10.1.0.0/24`, `[2001:db8::/64]:53`: as `parseVip` takes it. */
export function formatVipAddress({ address, bits, port }: Omit<Vip, 'protocol'>): string {
  const ip = formatIp(address);
  const length = isV4(address) ? bits - V4_BITS : bits;
  const host = bits === ADDRESS_BITS ? ip : `${ip}/${length}`;
  if (port === 0) return host;
  return `${isV4(address) ? host : `[${host}]`}:${port}`;
}

/** `192.0.2.80:80 tcp`: no two VIPs have the same. */
export function vipName(vip: Vip): string {
  return `${formatVipAddress(vip)} ${vip.protocol}`;
}

export function isSameService(a: VipSpec, b: VipSpec): boolean {
  return (
    a === b ||
    (a.roundRobin === b.roundRobin &&
      a.servers.length === b.servers.length &&
      a.servers.every(({ address, weight, encap }, i) => {
        const other = b.servers[i];
        return weight === other.weight && encap === other.encap && isSameAddress(address, other.address);
      }))
  );
}

function maskWord(bits: number): number {
  const here = Math.max(0, Math.min(32, bits));
  return here === 0 ? 0 : -1 << (32 - here);
}
