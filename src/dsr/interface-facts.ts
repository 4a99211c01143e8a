/** What direct server return has to know of its interface, and what it says when it is not so. */
import { networkInterfaces } from 'node:os';
import { formatIp, type IpWords, isV4, parseIp } from '../core/address.js';
import type { Configuration } from '../core/configuration.js';
import { SystemError } from '../sys/errno.js';
import { interfaceDriver, interfaceMac } from '../sys/network-interface.js';
import { ownAddresses as hostAddresses } from '../sys/own-address.js';
import { DsrError } from './errors.js';
import { addressBytes } from './record.js';
import type { OwnAddress } from './requirements.js';

/** fe80::/10, as the first word of an address. */
const LINK_LOCAL = 0xfe800000 | 0;

/** XDP_TX on a veth hands frames to the peer's own XDP queue, which there is only beside a program. */
export function vethWarning(interfaceName: string): string | undefined {
  if (interfaceDriver(interfaceName) !== 'veth') return undefined;
  return `'${interfaceName}' is a veth: what is sent on arrives only if an XDP program is attached to its other end, too; otherwise take dsr_mode generic`;
}

/** Throws a DsrError if there is no such interface, or it is no Ethernet. */
export function macOf(interfaceName: string): Uint8Array {
  try {
    const mac = interfaceMac(interfaceName);
    if (mac) return mac;
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== 'ENODEV') throw error;
    throw new DsrError(`cannot return directly on '${interfaceName}': no such interface`, { cause: error });
  }
  throw new DsrError(`cannot return directly on '${interfaceName}': it is no Ethernet`);
}

/** Its addresses, while it has a carrier. */
export function ownAddresses(interfaceName: string): OwnAddress[] {
  return networkInterfaces()[interfaceName] ?? [];
}

/** What a VIP may not be: with `auto` it is the host's while this is the master. */
export function foreignTo({ settings }: Configuration, interfaceName: string): IpWords[] {
  return settings.dsrRole === 'auto' ? [] : hostAddresses(interfaceName);
}

/** Of the IPv6 addresses the link-local one, which answers always reach. */
export function sourceOf(own: readonly OwnAddress[]): Uint8Array | undefined {
  const all = own.map(({ address }) => parseIp(address.replace(/%.*/, ''))).filter((words) => words && !isV4(words));
  const linkLocal = all.find((words) => words && formatIp(words).startsWith('fe80:'));
  const words = linkLocal ?? all[0];
  return words && addressBytes(words);
}

/** The interface's first address that others can answer to from afar. */
export function tunnelSource(own: readonly OwnAddress[], family: 4 | 6): IpWords | undefined {
  return own
    .map(({ address }) => parseIp(address.replace(/%.*/, '')))
    .find((words) => words !== undefined && isV4(words) === (family === 4) && (words[0] & 0xffc00000) !== LINK_LOCAL);
}
