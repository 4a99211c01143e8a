/**
 * What the kernel is told so that it leaves the VIPs' frames to Pen: a table with one chain, which frames come to behind
 * the packet sockets and before everything else.
 *
 *   not for our MAC address ───────────────────────────────► accept
 *   neighbour discovery, if its type is in `left` ─────────► accept
 *   IPv4, its destination's first 32 bits in `ipv4-32` ────► drop      a rule and a set for each length of prefix
 *   IPv6, its destination's first 64 bits in `ipv6-64` ────► drop      that any VIP has had
 *
 * A set for each length, and not one of intervals: prefixes may lie in each other, and addresses in both, and still one
 * that comes or goes is one element that does.
 */
import { ETHER_TYPE } from '../../frame/ethernet.js';
import { ICMP, ICMPV6_TYPE } from '../../frame/icmp.js';
import { IPV4 } from '../../frame/ipv4.js';
import { IPV6, IPV6_BYTES } from '../../frame/ipv6.js';
import { PROTOCOL } from '../../frame/protocol.js';
import * as nft from '../../sys/nf-tables.js';
import { NF_ACCEPT, NF_DROP, NFT_META_PKTTYPE, NFT_META_PROTOCOL } from '../../sys/uapi/nf-tables.js';
import { PACKET_HOST } from '../../sys/uapi/packet.js';
import { maskBytes } from '../record.js';
import type { VipPrefix } from './vip-prefixes.js';

/** Before everybody's filters, which begin at 0; who wants to see more than they do can still come before us. */
const PRIORITY = -500;
const CHAIN = 'ingress';
const LEFT = 'left';

/**
 * Of a VIP that Pen is silent about (a standby, or the host's kernel answers for it) these go to the kernel: they may
 * be addressed to the VIP itself, where its MAC address is only to be confirmed (RFC 4861 7.3.3).
 */
const DISCOVERY: readonly Uint8Array[] = [
  Uint8Array.of(ICMPV6_TYPE.neighbourSolicitation),
  Uint8Array.of(ICMPV6_TYPE.neighbourAdvertisement),
];

const FAMILIES = {
  4: { etherType: ETHER_TYPE.ipv4, destinationAt: IPV4.destination, bytes: 4, key: 'ipv4' },
  6: { etherType: ETHER_TYPE.ipv6, destinationAt: IPV6.destination, bytes: 16, key: 'ipv6' },
} as const;

/** The name of the table of a socket with that id. */
export function tableName(interfaceName: string, id: number): string {
  return `pen-${interfaceName}-${id}`;
}

/** The table without any VIP. */
export function emptyTable(table: string, interfaceName: string): nft.NftMessage[] {
  const chain = { table, name: CHAIN };
  return [
    nft.ownedTable(table),
    nft.ingressChain(chain, interfaceName, PRIORITY),
    nft.rule(chain, [nft.loadMeta(NFT_META_PKTTYPE), nft.isNot(Uint8Array.of(PACKET_HOST)), nft.verdict(NF_ACCEPT)]),
    nft.keySet({ table, name: LEFT, key: 'icmpv6', keyBytes: 1 }, 1),
    nft.rule(chain, [
      ...isOfType(ETHER_TYPE.ipv6),
      nft.loadNetwork(IPV6.nextHeader, 1),
      nft.is(Uint8Array.of(PROTOCOL.icmpv6)),
      nft.loadNetwork(IPV6_BYTES + ICMP.type, 1),
      nft.isIn(LEFT),
      nft.verdict(NF_ACCEPT),
    ]),
  ];
}

/** Set and rule for the prefixes that are as long as this one. */
export function lengthOf(table: string, { family, bits }: VipPrefix): nft.NftMessage[] {
  const { etherType, destinationAt, bytes, key } = FAMILIES[family];
  const name = setOf({ family, bits });
  const mask = bits === bytes * 8 ? [] : [nft.masked(maskBytes(bits, bytes))];
  return [
    nft.keySet({ table, name, key, keyBytes: bytes }, 1),
    nft.rule({ table, name: CHAIN }, [
      ...isOfType(etherType),
      nft.loadNetwork(destinationAt, bytes),
      ...mask,
      nft.isIn(name),
      nft.verdict(NF_DROP),
    ]),
  ];
}

/** Where prefixes of that length stand. */
export function setOf({ family, bits }: Pick<VipPrefix, 'family' | 'bits'>): string {
  return `${FAMILIES[family].key}-${bits}`;
}

/** Whether the kernel is to have neighbour discovery of the VIPs. */
export function leaveDiscovery(table: string, isLeft: boolean): nft.NftMessage {
  const set = { table, name: LEFT };
  return isLeft ? nft.addKeys(set, DISCOVERY) : nft.removeKeys(set, DISCOVERY);
}

function isOfType(etherType: number): nft.Expression[] {
  return [nft.loadMeta(NFT_META_PROTOCOL), nft.is(Uint8Array.of(etherType >> 8, etherType & 0xff))];
}
