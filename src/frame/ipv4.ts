/**
 * IPv4 (RFC 791), options and fragments included:
 *
 *   0 version, header words   1 ToS   2 total length   4 id   6 flags, fragment offset   8 TTL   9 protocol
 *   10 header checksum   12 source   16 destination   20 options
 */
import { get16, set16 } from './byte-order.js';
import { addPseudoHeader, addWords, checksumOf } from './checksum.js';
import { ETHER_TYPE, type Packet } from './ethernet.js';
import { PROTOCOL, type Transport } from './protocol.js';

export const IPV4_BYTES = 20;
export const IPV4_ADDRESS_BYTES = 4;

/** Offsets from the start of the header. */
export const IPV4 = {
  tos: 1,
  totalLength: 2,
  id: 4,
  fragment: 6,
  ttl: 8,
  protocol: 9,
  checksum: 10,
  source: 12,
  destination: 16,
} as const;

export const MORE_FRAGMENTS = 0x2000;
export const DONT_FRAGMENT = 0x4000;
/** Of the fragment word: the offset, in units of eight bytes. */
export const FRAGMENT_OFFSET = 0x1fff;

export interface Ipv4 {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly tos?: number;
  readonly id?: number;
  /** The flags and offset word. */
  readonly fragment?: number;
  readonly ttl?: number;
  /** The transport's own unless given. */
  readonly protocol?: number;
  /** A multiple of four bytes, at most 40. */
  readonly options?: Uint8Array;
}

/** The packet, its checksums filled in. */
export function ipv4(header: Ipv4, transport: Transport): Packet {
  const bytes = ipv4Datagram(header, transport);
  return { etherType: ETHER_TYPE.ipv4, bytes };
}

/** One datagram as packets of at most `bytesEach` bytes of payload, a multiple of eight. */
export function ipv4Fragments(header: Ipv4, transport: Transport, bytesEach: number): Packet[] {
  const whole = ipv4Datagram(header, transport);
  const payload = whole.subarray((whole[0] & 15) * 4);
  const protocol = header.protocol ?? transport.protocol;
  const packets: Packet[] = [];
  for (let at = 0; at < payload.length; at += bytesEach) {
    const more = at + bytesEach < payload.length ? MORE_FRAGMENTS : 0;
    const part = { protocol, bytes: payload.slice(at, at + bytesEach) };
    packets.push(ipv4({ ...header, fragment: more | (at / 8) }, part));
  }
  return packets;
}

function ipv4Datagram(header: Ipv4, transport: Transport): Uint8Array {
  const { source, destination, options = new Uint8Array(0) } = header;
  const protocol = header.protocol ?? transport.protocol;
  const payloadAt = IPV4_BYTES + options.length;
  const bytes = new Uint8Array(payloadAt + transport.bytes.length);
  bytes[0] = 0x40 | (payloadAt / 4);
  bytes[1] = header.tos ?? 0;
  set16(bytes, IPV4.totalLength, bytes.length);
  set16(bytes, IPV4.id, header.id ?? 0);
  set16(bytes, IPV4.fragment, header.fragment ?? 0);
  bytes[IPV4.ttl] = header.ttl ?? 64;
  bytes[IPV4.protocol] = protocol;
  bytes.set(source, IPV4.source);
  bytes.set(destination, IPV4.destination);
  bytes.set(options, IPV4_BYTES);
  bytes.set(transport.bytes, payloadAt);
  set16(bytes, IPV4.checksum, checksumOf(addWords(bytes, 0, payloadAt)));
  if (transport.checksumAt !== undefined) {
    const at = payloadAt + transport.checksumAt;
    // ICMP of IPv4 has no pseudo header (RFC 792).
    const pseudo =
      protocol === PROTOCOL.icmp
        ? 0
        : addPseudoHeader(bytes, IPV4.source, IPV4.destination, IPV4_ADDRESS_BYTES, protocol, transport.bytes.length);
    const sum = checksumOf(addWords(bytes, payloadAt, bytes.length, pseudo));
    // RFC 768: a sum of zero is sent as ones, zero means that there is none.
    set16(bytes, at, sum === 0 && protocol === PROTOCOL.udp ? 0xffff : sum);
  }
  return bytes;
}

/** Whether the header's checksum is right; the caller knows that the header is there. */
export function isIpv4HeaderIntact(bytes: Uint8Array, at: number): boolean {
  return checksumOf(addWords(bytes, at, at + (bytes[at] & 15) * 4)) === 0;
}

/** Total length as the header has it. */
export function ipv4TotalLength(bytes: Uint8Array, at: number): number {
  return get16(bytes, at + IPV4.totalLength);
}
