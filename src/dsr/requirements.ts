/** What direct server return asks of a configuration; each failure is one line. */
import {
  addressKey,
  type Endpoint,
  formatEndpoint,
  formatIp,
  type IpEndpoint,
  type IpWords,
  parseIp,
} from '../core/address.js';
import { byteSetting, type Configuration, type ServerSpec } from '../core/configuration.js';
import { ADDRESS_BITS, covers, formatVipAddress, masked, type Vip, type VipSpec, vipName } from '../core/vip.js';
import { DsrError } from './errors.js';
import { MAX_REALS } from './reals.js';
import { addressOf } from './services.js';

/** An address of an interface, as `os.networkInterfaces` tells. */
export interface OwnAddress {
  readonly address: string;
  readonly netmask: string;
}

/** The VIP of a listening address; throws a DsrError. */
export function requireVip(endpoint: Endpoint, interfaceName: string, own: readonly IpWords[]): IpEndpoint {
  if (endpoint.kind !== 'ip' || endpoint.address.every((word, i) => word === 0 || (i === 2 && word === 0xffff))) {
    const text = formatEndpoint(endpoint);
    throw new DsrError(
      `cannot return directly for '${text}': not an address (pen -O "dsr_if ${interfaceName}" VIP[:PORT] SERVER...)`,
    );
  }
  requireForeign(endpoint, formatIp(endpoint.address), interfaceName, own);
  return endpoint;
}

export interface Surroundings {
  readonly interfaceName: string;
  /** Of the interface; none where VIPs may be among them. */
  readonly own: readonly IpWords[];
  /** Services of `dsr_vip` that have been found good with this listening address. */
  readonly checked?: readonly VipSpec[] | undefined;
}

/** What all services together ask of the tables, and of each other. Throws a DsrError for what packets alone cannot do. */
export function requireServices(
  configuration: Configuration,
  listen: Vip | undefined,
  { interfaceName, own, checked }: Surroundings,
): void {
  const { servers, emergency, abuse, vips } = configuration;
  const count = vips.reduce((sum, vip) => sum + vip.servers.length, servers.length);
  if (count > MAX_REALS)
    throw new DsrError(
      `cannot have ${count} servers, a server of two VIPs counted twice: ${MAX_REALS} are the most with dsr_if`,
    );
  const bytes = byteSetting(configuration);
  if (bytes !== undefined) throw new DsrError(`${bytes} does not go with dsr_if (packets pass as they are)`);
  if (vips !== checked) for (const vip of vips) requireVipOfItsOwn(vip, listen, { interfaceName, own });
  const hosts = new Hosts(listen ? [listen, ...vips] : vips);
  for (const [slot, spec] of servers.entries()) requireServer(`server ${slot}`, spec, listen, hosts);
  if (emergency) requireServer('emergency', emergency, listen, hosts);
  if (abuse) requireServer('abuse_server', abuse, listen, hosts);
  if (vips === checked) return;
  for (const vip of vips)
    for (const { address } of vip.servers)
      hosts.require(address, () => `dsr_vip ${vipName(vip)}: server '${formatIp(address)}'`);
}

/** Throws if it is what LISTEN is, or has an address of the balancer. */
function requireVipOfItsOwn(spec: VipSpec, listen: Vip | undefined, { interfaceName, own }: Surroundings): void {
  if (listen && vipName(listen) === vipName(spec))
    throw new DsrError(
      `dsr_vip ${vipName(spec)}: that is the listening address, whose servers are those of the table (server N)`,
    );
  requireForeign(spec, formatVipAddress({ ...spec, port: 0 }), interfaceName, own);
}

/** Throws if an address is one of the balancer's own. */
function requireForeign(
  vip: { readonly address: IpWords; readonly bits?: number },
  text: string,
  interfaceName: string,
  own: readonly IpWords[],
): void {
  const whole = { address: vip.address, bits: vip.bits ?? ADDRESS_BITS };
  const taken = own.find((one) => covers(whole, one));
  if (!taken) return;
  if (whole.bits < ADDRESS_BITS)
    throw new DsrError(
      `cannot return directly for '${text}': ${formatIp(taken)} of '${interfaceName}' itself is one of it`,
    );
  const hint = `ip address del ${text} dev ${interfaceName}: only the servers have it, on lo`;
  throw new DsrError(`cannot return directly for '${text}': it is an address of '${interfaceName}' itself (${hint})`);
}

/** All VIPs, to ask for those that have an address. */
class Hosts {
  readonly #byBits = new Map<number, Map<number | string, Vip>>();

  constructor(vips: readonly Vip[]) {
    for (const vip of vips) {
      const ofBits = this.#byBits.get(vip.bits) ?? new Map<number | string, Vip>();
      this.#byBits.set(vip.bits, ofBits.set(addressKey(vip.address), vip));
    }
  }

  /** Throws a DsrError if the address of a server is a VIP's: frames to it would come back to us. `who`: the server. */
  require(address: IpWords, who: () => string): void {
    for (const [bits, vips] of this.#byBits) {
      const vip = vips.get(addressKey(bits === ADDRESS_BITS ? address : masked(address, bits)));
      if (!vip) continue;
      const what =
        bits === ADDRESS_BITS ? 'it is the VIP' : `it is one of the VIP ${formatVipAddress({ ...vip, port: 0 })}`;
      throw new DsrError(`${who()}: ${what} (name servers by their own addresses)`);
    }
  }
}

function requireServer(name: string, spec: ServerSpec, listen: Vip | undefined, hosts: Hosts): void {
  const { endpoint, max, hard, acl } = spec;
  if (endpoint === undefined) return;
  const text = `${name} '${formatEndpoint(endpoint)}'`;
  if (endpoint.kind !== 'ip') throw new DsrError(`${text}: a Unix socket has no MAC address (dsr_if sends frames)`);
  if (!listen && name.startsWith('server'))
    throw new DsrError(
      `${text}: there is no listening address for it to serve (give listen, or dsr_vip VIP server IP)`,
    );
  if (listen && endpoint.port !== 0 && endpoint.port !== listen.port) {
    const own = listen.port === 0 ? 'has every port' : `has port ${listen.port}`;
    throw new DsrError(`${text}: its port must be the VIP's, which ${own} (dsr_if sends packets on unchanged)`);
  }
  hosts.require(endpoint.address, () => text);
  if (max > 0 || hard > 0)
    throw new DsrError(`${text}: max and hard do not go with dsr_if (who sees one direction counts no connections)`);
  if (acl > 0) throw new DsrError(`${text}: a list of its own does not go with dsr_if (use client_acl)`);
}

/** A line for each server that no network of the interface has; none where the interface has none of its family. */
export function farServers(
  { servers, vips }: Configuration,
  interfaceName: string,
  own: readonly OwnAddress[],
): string[] {
  const networks = own.flatMap(networkOf);
  const seen = new Set<number | string>();
  const lines: string[] = [];
  const look = (address: IpWords, who: () => string) => {
    const key = addressKey(address);
    if (seen.has(key)) return;
    seen.add(key);
    const ofFamily = networks.filter((network) => isMapped(network.address) === isMapped(address));
    if (ofFamily.length === 0 || ofFamily.some((network) => isIn(address, network))) return;
    lines.push(
      `${who()} is in no network of '${interfaceName}': only what is on that link can be reached without encap`,
    );
  };
  for (const [slot, { endpoint, encap }] of servers.entries()) {
    const address = addressOf(endpoint);
    if (address && encap === 'none') look(address, () => `server ${slot} (${formatIp(address)})`);
  }
  for (const vip of vips)
    for (const { address, encap } of vip.servers)
      if (encap === 'none') look(address, () => `server ${formatIp(address)}`);
  return lines;
}

interface Network {
  readonly address: IpWords;
  readonly mask: IpWords;
}

function networkOf({ address, netmask }: OwnAddress): Network[] {
  const parsed = parseIp(address.replace(/%.*/, ''));
  const mask = parseIp(netmask);
  return parsed && mask ? [{ address: parsed, mask }] : [];
}

function isIn(address: IpWords, network: Network): boolean {
  return address.every(
    (word, i) => ((word ^ network.address[i]) & network.mask[i]) === 0 || (i === 2 && isMapped(address)),
  );
}

function isMapped(words: IpWords): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
}
