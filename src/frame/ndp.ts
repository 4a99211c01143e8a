/**
 * Neighbour discovery (RFC 4861): solicitation and advertisement.
 *
 *   0 type, code, checksum   4 flags (advertisement)   8 target address   24 options: type, length in 8 bytes, content
 */
import { ethernet, MAC_BYTES } from './ethernet.js';
import { ICMPV6_TYPE, icmpv6 } from './icmp.js';
import { IPV6_ADDRESS_BYTES, ipv6 } from './ipv6.js';
import type { Transport } from './protocol.js';

export const NDP = { target: 8, options: 24 } as const;
export const NEIGHBOUR_BYTES = 24;
/** An option with an Ethernet address. */
export const LINK_ADDRESS_OPTION_BYTES = 8;
export const SOURCE_LINK_ADDRESS = 1;
export const TARGET_LINK_ADDRESS = 2;
/** What every neighbour message must come with, as no router can have sent it on. */
export const NDP_HOP_LIMIT = 255;

export const SOLICITED = 0x4000_0000;
export const OVERRIDE = 0x2000_0000;

/** ff02::1 */
export const ALL_NODES: Uint8Array = Uint8Array.from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

export interface NeighbourMessage {
  /** 16 bytes. */
  readonly target: Uint8Array;
  /** The option that names a MAC address: the asker's or the target's. */
  readonly mac?: Uint8Array;
}

export function neighbourSolicitation({ target, mac }: NeighbourMessage): Transport {
  const rest = targetAndOption(target, SOURCE_LINK_ADDRESS, mac);
  return icmpv6({ type: ICMPV6_TYPE.neighbourSolicitation }, rest);
}

/** `flags` of SOLICITED and OVERRIDE. */
export function neighbourAdvertisement({
  target,
  mac,
  flags,
}: NeighbourMessage & { readonly flags: number }): Transport {
  const rest = targetAndOption(target, TARGET_LINK_ADDRESS, mac);
  return icmpv6({ type: ICMPV6_TYPE.neighbourAdvertisement, word: flags }, rest);
}

/** The group that all who might have this address listen to (RFC 4291 2.7.1). */
export function solicitedNodeGroup(address: Uint8Array): Uint8Array {
  const group = new Uint8Array(IPV6_ADDRESS_BYTES);
  group.set([0xff, 2]);
  group[11] = 1;
  group[12] = 0xff;
  group.set(address.subarray(13), 13);
  return group;
}

/** The MAC address of an IPv6 group (RFC 2464 7). */
export function groupMac(group: Uint8Array): Uint8Array {
  return Uint8Array.from([0x33, 0x33, ...group.subarray(12)]);
}

/** Tells everybody who has an address, without having been asked (RFC 4861 7.2.6). */
export function ndpAnnouncement(mac: Uint8Array, ip: Uint8Array): Uint8Array {
  const message = neighbourAdvertisement({ target: ip, mac, flags: OVERRIDE });
  const packet = ipv6({ source: ip, destination: ALL_NODES, hopLimit: NDP_HOP_LIMIT }, message);
  return ethernet({ destination: groupMac(ALL_NODES), source: mac }, packet);
}

/** Asks for the MAC address of `target`; `source` is an address of the asker's interface. */
export function ndpProbe(mac: Uint8Array, source: Uint8Array, target: Uint8Array): Uint8Array {
  const group = solicitedNodeGroup(target);
  const message = neighbourSolicitation({ target, mac });
  const packet = ipv6({ source, destination: group, hopLimit: NDP_HOP_LIMIT }, message);
  return ethernet({ destination: groupMac(group), source: mac }, packet);
}

function targetAndOption(target: Uint8Array, type: number, mac: Uint8Array | undefined): Uint8Array {
  const bytes = new Uint8Array(IPV6_ADDRESS_BYTES + (mac ? LINK_ADDRESS_OPTION_BYTES : 0));
  bytes.set(target);
  if (mac) {
    bytes.set([type, (2 + MAC_BYTES) / 8], IPV6_ADDRESS_BYTES);
    bytes.set(mac, IPV6_ADDRESS_BYTES + 2);
  }
  return bytes;
}
