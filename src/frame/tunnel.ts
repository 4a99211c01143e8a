/**
 * Packets inside packets: IPIP, an IP header before the packet (RFC 2003 and 4213, RFC 2473 where the outer one is
 * IPv6), and GUE variant 1, a UDP header between the two (draft-ietf-intarea-gue, 4.1).
 *
 *   IPIP  │ outer IPv4 20 or IPv6 40 │ packet
 *   GUE   │ outer IPv4 20 or IPv6 40 │ UDP 8, port 6080 │ packet
 *
 * Variant 1 has no header of its own: the packet's version, 4 or 6, stands where variant 0 has its number, 0. Linux
 * reads both (since 4.8) and Katran writes it, so the four bytes of variant 0 would buy nothing.
 */
import { get16, get32, set16, set32 } from './byte-order.js';
import { addWords, checksumOf } from './checksum.js';
import { ETHER_TYPE, type Packet } from './ethernet.js';
import { DONT_FRAGMENT, IPV4, IPV4_BYTES, ipv4, ipv4TotalLength } from './ipv4.js';
import { IPV6, IPV6_ADDRESS_BYTES, IPV6_BYTES, ipv6, ipv6PayloadLength } from './ipv6.js';
import { PROTOCOL, type Transport } from './protocol.js';
import { UDP, UDP_BYTES, udp } from './udp.js';

/** As records and programs have them. */
export const ENCAP = { none: 0, ipip: 1, gue: 2 } as const;
export type Encap = keyof typeof ENCAP;

/** IANA, service `gue`. */
export const GUE_PORT = 6080;
/** Of outer headers. */
export const TUNNEL_TTL = 64;
/** The source port of a flow: one of these, by its hash, so that routers and network cards spread flows. */
const FLOW_PORTS_FROM = 0xc000;
const FLOW_PORTS_MASK = 0x3fff;
/** The flow label does the same for outer IPv6 (RFC 6438). */
export const FLOW_LABEL_MASK = 0xfffff;

/** What the tunnel puts before a packet; `encap` of ENCAP, `outer` 4 or 6. */
export function tunnelBytes(encap: number, outer: number): number {
  return (outer === 4 ? IPV4_BYTES : IPV6_BYTES) + (encap === ENCAP.gue ? UDP_BYTES : 0);
}

/** Length of the packet at `at`, as its header has it. */
export function packetBytes(bytes: Uint8Array, at: number, family: number): number {
  return family === 4 ? ipv4TotalLength(bytes, at) : IPV6_BYTES + ipv6PayloadLength(bytes, at);
}

export function flowPort(hash: number): number {
  return FLOW_PORTS_FROM | (hash & FLOW_PORTS_MASK);
}

/**
 * The outer headers at `at`, for the packet of `family` that lies behind them. Source and destination are in `outer`'s
 * family, 4 or 6, at those offsets of other records. Hot path: positional numbers.
 */
export function writeTunnel(
  frame: Uint8Array,
  at: number,
  family: number,
  encap: number,
  outer: number,
  hash: number,
  source: Uint8Array,
  sourceAt: number,
  destination: Uint8Array,
  destinationAt: number,
): void {
  const innerAt = at + tunnelBytes(encap, outer);
  const innerBytes = packetBytes(frame, innerAt, family);
  const tos = family === 4 ? frame[innerAt + IPV4.tos] : (get16(frame, innerAt) >>> 4) & 0xff;
  const protocol = encap === ENCAP.gue ? PROTOCOL.udp : family === 4 ? PROTOCOL.ipip : PROTOCOL.ipv6;
  const payload = innerBytes + (encap === ENCAP.gue ? UDP_BYTES : 0);
  if (outer === 4) {
    set16(frame, at, 0x4500 | tos);
    set16(frame, at + IPV4.totalLength, IPV4_BYTES + payload);
    // What may not be fragmented needs no number (RFC 6864 4.1).
    set32(frame, at + IPV4.id, DONT_FRAGMENT);
    set32(frame, at + IPV4.ttl, ((TUNNEL_TTL << 8) | protocol) << 16);
    set32(frame, at + IPV4.source, get32(source, sourceAt));
    set32(frame, at + IPV4.destination, get32(destination, destinationAt));
    set16(frame, at + IPV4.checksum, checksumOf(addWords(frame, at, at + IPV4_BYTES)));
  } else {
    set32(frame, at, (6 << 28) | (tos << 20) | (hash & FLOW_LABEL_MASK));
    set16(frame, at + IPV6.payloadLength, payload);
    frame[at + IPV6.nextHeader] = protocol;
    frame[at + IPV6.hopLimit] = TUNNEL_TTL;
    for (let i = 0; i < IPV6_ADDRESS_BYTES; i++) frame[at + IPV6.source + i] = source[sourceAt + i];
    for (let i = 0; i < IPV6_ADDRESS_BYTES; i++) frame[at + IPV6.destination + i] = destination[destinationAt + i];
  }
  if (encap !== ENCAP.gue) return;
  const udpAt = innerAt - UDP_BYTES;
  set16(frame, udpAt + UDP.sourcePort, flowPort(hash));
  set16(frame, udpAt + UDP.destinationPort, GUE_PORT);
  set16(frame, udpAt + UDP.length, payload);
  // The packet inside has its own. IPv6 allows none for tunnels (RFC 6935, RFC 6936), and Linux's fou takes none.
  set16(frame, udpAt + UDP.checksum, 0);
}

export interface Tunnel {
  readonly encap: Exclude<Encap, 'none'>;
  /** 4 or 16 bytes each. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** Unsigned 32 bits, of the flow. */
  readonly hash?: number;
  /** Traffic class; the packet's own is the caller's to copy. */
  readonly tos?: number;
}

/** The packet in its tunnel, for probes and tests. */
export function tunnelled({ encap, source, destination, hash = 0, tos = 0 }: Tunnel, inner: Packet): Packet {
  const isV4 = inner.etherType === ETHER_TYPE.ipv4;
  const payload: Transport =
    encap === 'gue'
      ? udp({ sourcePort: flowPort(hash), destinationPort: GUE_PORT, hasChecksum: false }, inner.bytes)
      : { protocol: isV4 ? PROTOCOL.ipip : PROTOCOL.ipv6, bytes: inner.bytes };
  const addresses = { source, destination };
  return source.length === 4
    ? ipv4({ ...addresses, tos, fragment: DONT_FRAGMENT, ttl: TUNNEL_TTL }, payload)
    : ipv6({ ...addresses, trafficClass: tos, flowLabel: hash & FLOW_LABEL_MASK, hopLimit: TUNNEL_TTL }, payload);
}
