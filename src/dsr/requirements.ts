/** What direct server return asks of a configuration; each failure is one line. */
import { type Endpoint, formatEndpoint, formatIp, type IpEndpoint, type IpWords, parseIp } from '../core/address.js';
import { byteSetting, type Configuration, type ServerSpec } from '../core/configuration.js';
import { DsrError } from './errors.js';
import { addressOf, MAX_REALS } from './reals.js';

/** An address of an interface, as `os.networkInterfaces` tells. */
export interface OwnAddress {
  readonly address: string;
  readonly netmask: string;
}

/** The VIP of a listening address; throws a DsrError. */
export function requireVip(endpoint: Endpoint, interfaceName: string, own: readonly OwnAddress[]): IpEndpoint {
  if (endpoint.kind !== 'ip' || endpoint.address.every((word, i) => word === 0 || (i === 2 && word === 0xffff))) {
    const text = formatEndpoint(endpoint);
    throw new DsrError(
      `cannot return directly for '${text}': not an address (pen -O "dsr_if ${interfaceName}" VIP[:PORT] SERVER...)`,
    );
  }
  const vip = formatIp(endpoint.address);
  if (own.some(({ address }) => sameAddress(address, endpoint.address))) {
    const hint = `ip address del ${vip} dev ${interfaceName}: only the servers have it, on lo`;
    throw new DsrError(`cannot return directly for '${vip}': it is an address of '${interfaceName}' itself (${hint})`);
  }
  return endpoint;
}

/** Throws a DsrError for what packets alone cannot do. */
export function requireServers(configuration: Configuration, vip: IpEndpoint): void {
  const { servers, emergency, abuse } = configuration;
  if (servers.length > MAX_REALS)
    throw new DsrError(`cannot have ${servers.length} servers: ${MAX_REALS} are the most with dsr_if`);
  const bytes = byteSetting(configuration);
  if (bytes !== undefined) throw new DsrError(`${bytes} does not go with dsr_if (packets pass as they are)`);
  for (const [slot, spec] of servers.entries()) requireServer(`server ${slot}`, spec, vip);
  if (emergency) requireServer('emergency', emergency, vip);
  if (abuse) requireServer('abuse_server', abuse, vip);
}

function requireServer(name: string, spec: ServerSpec, vip: IpEndpoint): void {
  const { endpoint, max, hard, acl } = spec;
  if (endpoint === undefined) return;
  const text = `${name} '${formatEndpoint(endpoint)}'`;
  if (endpoint.kind !== 'ip') throw new DsrError(`${text}: a Unix socket has no MAC address (dsr_if sends frames)`);
  if (endpoint.port !== 0 && endpoint.port !== vip.port) {
    const own = vip.port === 0 ? 'has every port' : `has port ${vip.port}`;
    throw new DsrError(`${text}: its port must be the VIP's, which ${own} (dsr_if sends packets on unchanged)`);
  }
  if (isSame(endpoint.address, vip.address))
    throw new DsrError(`${text}: it is the VIP (name servers by their own addresses)`);
  if (max > 0 || hard > 0)
    throw new DsrError(`${text}: max and hard do not go with dsr_if (who sees one direction counts no connections)`);
  if (acl > 0) throw new DsrError(`${text}: a list of its own does not go with dsr_if (use client_acl)`);
}

/** A line for each server that no network of the interface has; undefined where the interface has none of its family. */
export function farServers({ servers }: Configuration, interfaceName: string, own: readonly OwnAddress[]): string[] {
  return servers.flatMap(({ endpoint }, slot) => {
    const address = addressOf(endpoint);
    const networks = own.flatMap((one) => networkOf(one, address));
    if (!address || networks.length === 0 || networks.some((network) => isIn(address, network))) return [];
    return [
      `server ${slot} (${formatIp(address)}) is in no network of '${interfaceName}': only what is on that link can be reached`,
    ];
  });
}

/** Of the same family as `like`. */
function networkOf({ address, netmask }: OwnAddress, like: IpWords | undefined): { address: IpWords; mask: IpWords }[] {
  const parsed = parseIp(address.replace(/%.*/, ''));
  const mask = parseIp(netmask);
  if (!parsed || !mask || !like || isMapped(parsed) !== isMapped(like)) return [];
  return [{ address: parsed, mask }];
}

function isIn(address: IpWords, network: { address: IpWords; mask: IpWords }): boolean {
  return address.every(
    (word, i) => ((word ^ network.address[i]) & network.mask[i]) === 0 || (i === 2 && isMapped(address)),
  );
}

function isMapped(words: IpWords): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
}

function sameAddress(text: string, words: IpWords): boolean {
  const parsed = parseIp(text.replace(/%.*/, ''));
  return parsed !== undefined && isSame(parsed, words);
}

function isSame(a: IpWords, b: IpWords): boolean {
  return a.every((word, i) => word === b[i]);
}
