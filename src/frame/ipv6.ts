/**
 * IPv6 and its extension headers (RFC 8200):
 *
 *   0 version, traffic class, flow label   4 payload length   6 next header   7 hop limit   8 source   24 destination
 */
import { get16, get32, set16, set32 } from './byte-order.js';
import { addPseudoHeader, addWords, checksumOf } from './checksum.js';
import { ETHER_TYPE, type Packet } from './ethernet.js';
import { PROTOCOL, type Transport } from './protocol.js';

export const IPV6_BYTES = 40;
export const IPV6_ADDRESS_BYTES = 16;

/** Offsets from the start of the header. */
export const IPV6 = { payloadLength: 4, nextHeader: 6, hopLimit: 7, source: 8, destination: 24 } as const;

export const FRAGMENT_HEADER_BYTES = 8;
/** Of the fragment header's second word: the offset in units of eight bytes, times eight. */
export const FRAGMENT_OFFSET_V6 = 0xfff8;
export const MORE_FRAGMENTS_V6 = 1;

/** Length of the extension header at `at`, 0 if the protocol is none that is walked; at least 8 bytes are there. */
export function extensionBytes(protocol: number, bytes: Uint8Array, at: number): number {
  switch (protocol) {
    case PROTOCOL.hopByHop:
    case PROTOCOL.routing:
    case PROTOCOL.destinationOptions:
      return (bytes[at + 1] + 1) * 8;
    case PROTOCOL.fragment:
      return FRAGMENT_HEADER_BYTES;
    case PROTOCOL.authentication:
      return (bytes[at + 1] + 2) * 4;
    default:
      return 0;
  }
}

export function isExtension(protocol: number): boolean {
  return (
    protocol === PROTOCOL.hopByHop ||
    protocol === PROTOCOL.routing ||
    protocol === PROTOCOL.fragment ||
    protocol === PROTOCOL.authentication ||
    protocol === PROTOCOL.destinationOptions
  );
}

/** An extension header before the transport; `bytes[0]`, the next header, is filled in by the builder. */
export interface Extension {
  readonly protocol: number;
  readonly bytes: Uint8Array;
}

export interface Ipv6 {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly hopLimit?: number;
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  readonly extensions?: readonly Extension[];
}

/** The packet, its transport's checksum filled in. */
export function ipv6(header: Ipv6, transport: Transport): Packet {
  const extensions = header.extensions ?? [];
  const transportAt = extensions.reduce((at, { bytes }) => at + bytes.length, IPV6_BYTES);
  const bytes = new Uint8Array(transportAt + transport.bytes.length);
  set32(bytes, 0, (6 << 28) | ((header.trafficClass ?? 0) << 20) | (header.flowLabel ?? 0));
  set16(bytes, IPV6.payloadLength, bytes.length - IPV6_BYTES);
  bytes[IPV6.hopLimit] = header.hopLimit ?? 64;
  bytes.set(header.source, IPV6.source);
  bytes.set(header.destination, IPV6.destination);
  let nextHeaderAt: number = IPV6.nextHeader;
  let at = IPV6_BYTES;
  for (const extension of extensions) {
    bytes[nextHeaderAt] = extension.protocol;
    bytes.set(extension.bytes, at);
    nextHeaderAt = at;
    at += extension.bytes.length;
  }
  bytes[nextHeaderAt] = transport.protocol;
  bytes.set(transport.bytes, transportAt);
  if (transport.checksumAt !== undefined) {
    const length = transport.bytes.length;
    const pseudo = addPseudoHeader(
      bytes,
      IPV6.source,
      IPV6.destination,
      IPV6_ADDRESS_BYTES,
      transport.protocol,
      length,
    );
    const sum = checksumOf(addWords(bytes, transportAt, bytes.length, pseudo));
    // RFC 8200 8.1: UDP over IPv6 has always a checksum, zero is sent as ones.
    set16(bytes, transportAt + transport.checksumAt, sum === 0 && transport.protocol === PROTOCOL.udp ? 0xffff : sum);
  }
  return { etherType: ETHER_TYPE.ipv6, bytes };
}

/** A fragment header (RFC 8200 4.5); `offset` in bytes, a multiple of eight. */
export function fragmentHeader(offset: number, more: boolean, id: number): Extension {
  const bytes = new Uint8Array(FRAGMENT_HEADER_BYTES);
  set16(bytes, 2, offset | (more ? MORE_FRAGMENTS_V6 : 0));
  set32(bytes, 4, id);
  return { protocol: PROTOCOL.fragment, bytes };
}

/** One datagram as packets of at most `bytesEach` bytes of payload, a multiple of eight. */
export function ipv6Fragments(
  header: Ipv6,
  transport: Transport,
  options: { bytesEach: number; id: number },
): Packet[] {
  const { bytesEach, id } = options;
  const payload = ipv6({ ...header, extensions: [] }, transport).bytes.subarray(IPV6_BYTES);
  const packets: Packet[] = [];
  for (let at = 0; at < payload.length; at += bytesEach) {
    const extensions = [...(header.extensions ?? []), fragmentHeader(at, at + bytesEach < payload.length, id)];
    packets.push(
      ipv6({ ...header, extensions }, { protocol: transport.protocol, bytes: payload.slice(at, at + bytesEach) }),
    );
  }
  return packets;
}

/** Whether the 16 bytes at `at` are all zero (::). */
export function isUnspecifiedV6(bytes: Uint8Array, at: number): boolean {
  return (get32(bytes, at) | get32(bytes, at + 4) | get32(bytes, at + 8) | get32(bytes, at + 12)) === 0;
}

/** Payload length as the header has it. */
export function ipv6PayloadLength(bytes: Uint8Array, at: number): number {
  return get16(bytes, at + IPV6.payloadLength);
}
