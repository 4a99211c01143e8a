/**
 * "Too big": the message to whom a packet came from that does not fit where it is to go on, in place of the packet.
 *
 *   IPv4  unreachable, fragmentation needed, with the MTU (RFC 1191 4); quotes 548 bytes, the whole being 576 (RFC 1812 4.3.2.3)
 *   IPv6  packet too big (RFC 4443 3.2); quotes 1,232 bytes, the whole being 1,280
 *
 * Both are always that long, as whoever is told has sent more. Hot path: positional numbers.
 */
import { set16, set32 } from './byte-order.js';
import { addPseudoHeader, addWords, checksumOf } from './checksum.js';
import { FRAGMENTATION_NEEDED, ICMP, ICMP_BYTES, ICMP_TYPE, ICMPV6_TYPE } from './icmp.js';
import { DONT_FRAGMENT, FRAGMENT_OFFSET, IPV4, IPV4_ADDRESS_BYTES, IPV4_BYTES } from './ipv4.js';
import { IPV6, IPV6_ADDRESS_BYTES, IPV6_BYTES } from './ipv6.js';
import { PROTOCOL } from './protocol.js';

/** The least that every IPv6 link takes (RFC 8200 5): no smaller MTU can be told. */
export const MIN_MTU_V6 = 1280;
/** Bytes of the packet that are quoted. */
export const QUOTE_BYTES = { 4: 576 - IPV4_BYTES - ICMP_BYTES, 6: MIN_MTU_V6 - IPV6_BYTES - ICMP_BYTES } as const;
/** Of the message. */
const TTL = 64;

/**
 * Whether the sender of a packet may be told (RFC 1122 3.2.2, RFC 4443 2.4): it is one host, and the packet is not a
 * later fragment of IPv4. That it is no ICMP error itself is the caller's to see to.
 */
export function mayBeTold(frame: Uint8Array, at: number, family: number): boolean {
  if (family === 6) {
    const first = frame[at + IPV6.source];
    return first !== 0 && first !== 0xff;
  }
  const first = frame[at + IPV4.source];
  const isLater = (((frame[at + IPV4.fragment] << 8) | frame[at + IPV4.fragment + 1]) & FRAGMENT_OFFSET) !== 0;
  return first !== 0 && first !== 127 && first < 224 && !isLater;
}

/** Makes the message of the packet at `at`, of which QUOTE_BYTES are there; gives where it ends. */
export function writeTooBig(frame: Uint8Array, at: number, family: number, mtu: number): number {
  return family === 4 ? writeV4(frame, at, mtu) : writeV6(frame, at, mtu);
}

function writeV4(frame: Uint8Array, at: number, mtu: number): number {
  const icmpAt = at + IPV4_BYTES;
  const quoteAt = icmpAt + ICMP_BYTES;
  const end = quoteAt + QUOTE_BYTES[4];
  frame.copyWithin(quoteAt, at, at + QUOTE_BYTES[4]);
  set16(frame, at, 0x4500);
  set16(frame, at + IPV4.totalLength, end - at);
  set32(frame, at + IPV4.id, DONT_FRAGMENT);
  set32(frame, at + IPV4.ttl, ((TTL << 8) | PROTOCOL.icmp) << 16);
  copyBytes(frame, quoteAt + IPV4.destination, at + IPV4.source, IPV4_ADDRESS_BYTES);
  copyBytes(frame, quoteAt + IPV4.source, at + IPV4.destination, IPV4_ADDRESS_BYTES);
  set16(frame, at + IPV4.checksum, checksumOf(addWords(frame, at, icmpAt)));
  set32(frame, icmpAt, ((ICMP_TYPE.unreachable << 8) | FRAGMENTATION_NEEDED) << 16);
  set32(frame, icmpAt + ICMP.word, mtu);
  set16(frame, icmpAt + ICMP.checksum, checksumOf(addWords(frame, icmpAt, end)));
  return end;
}

function writeV6(frame: Uint8Array, at: number, mtu: number): number {
  const icmpAt = at + IPV6_BYTES;
  const quoteAt = icmpAt + ICMP_BYTES;
  const end = quoteAt + QUOTE_BYTES[6];
  frame.copyWithin(quoteAt, at, at + QUOTE_BYTES[6]);
  set32(frame, at, 6 << 28);
  set16(frame, at + IPV6.payloadLength, end - icmpAt);
  frame[at + IPV6.nextHeader] = PROTOCOL.icmpv6;
  frame[at + IPV6.hopLimit] = TTL;
  copyBytes(frame, quoteAt + IPV6.destination, at + IPV6.source, IPV6_ADDRESS_BYTES);
  copyBytes(frame, quoteAt + IPV6.source, at + IPV6.destination, IPV6_ADDRESS_BYTES);
  set32(frame, icmpAt, ICMPV6_TYPE.tooBig << 24);
  set32(frame, icmpAt + ICMP.word, mtu);
  const [source, destination] = [at + IPV6.source, at + IPV6.destination];
  const pseudo = addPseudoHeader(frame, source, destination, IPV6_ADDRESS_BYTES, PROTOCOL.icmpv6, end - icmpAt);
  set16(frame, icmpAt + ICMP.checksum, checksumOf(addWords(frame, icmpAt, end, pseudo)));
  return end;
}

function copyBytes(frame: Uint8Array, from: number, to: number, length: number): void {
  for (let i = 0; i < length; i++) frame[to + i] = frame[from + i];
}
