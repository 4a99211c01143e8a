/**
 * ARP for IPv4 on Ethernet (RFC 826):
 *
 *   0 hardware 1   2 protocol 0x0800   4 lengths 6, 4   6 operation   8 sender MAC   14 sender IP   18 target MAC   24 target IP
 */
import { get16, get32, set16 } from './byte-order.js';
import { BROADCAST_MAC, ETHER_TYPE, ethernet, MAC_BYTES, type Packet } from './ethernet.js';

export const ARP_BYTES = 28;
export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

/** Offsets from the start of the packet. */
export const ARP = { operation: 6, senderMac: 8, senderIp: 14, targetMac: 18, targetIp: 24 } as const;

/** Hardware and protocol type, and the lengths of their addresses. */
const ETHERNET_IPV4 = [0x0001_0800, 0x0604] as const;

/** The operation of an ARP packet for IPv4 on Ethernet, 0 if it is none. */
export function arpOperation(bytes: Uint8Array, at: number, end: number): number {
  if (at + ARP_BYTES > end) return 0;
  if (get32(bytes, at) !== ETHERNET_IPV4[0] || get16(bytes, at + 4) !== ETHERNET_IPV4[1]) return 0;
  return get16(bytes, at + ARP.operation);
}

export interface Arp {
  readonly operation: number;
  readonly senderMac: Uint8Array;
  /** Four bytes. */
  readonly senderIp: Uint8Array;
  readonly targetMac?: Uint8Array;
  readonly targetIp: Uint8Array;
}

export function arp({ operation, senderMac, senderIp, targetMac, targetIp }: Arp): Packet {
  const bytes = new Uint8Array(ARP_BYTES);
  bytes.set([0, 1, 8, 0, MAC_BYTES, 4]);
  set16(bytes, ARP.operation, operation);
  bytes.set(senderMac, ARP.senderMac);
  bytes.set(senderIp, ARP.senderIp);
  if (targetMac) bytes.set(targetMac, ARP.targetMac);
  bytes.set(targetIp, ARP.targetIp);
  return { etherType: ETHER_TYPE.arp, bytes };
}

/** Tells everybody who has an address: a request for it that names its owner as sender (RFC 5227 2.3). */
export function arpAnnouncement(mac: Uint8Array, ip: Uint8Array): Uint8Array {
  const packet = arp({ operation: ARP_REQUEST, senderMac: mac, senderIp: ip, targetIp: ip });
  return ethernet({ destination: BROADCAST_MAC, source: mac }, packet);
}

/** Asks who has an address without claiming one (RFC 5227 2.1.1: sender 0.0.0.0), so that nobody's cache changes. */
export function arpProbe(mac: Uint8Array, ip: Uint8Array, to: Uint8Array = BROADCAST_MAC): Uint8Array {
  const packet = arp({ operation: ARP_REQUEST, senderMac: mac, senderIp: new Uint8Array(4), targetIp: ip });
  return ethernet({ destination: to, source: mac }, packet);
}
