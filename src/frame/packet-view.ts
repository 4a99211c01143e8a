/**
 * An IP packet read in two steps: the fixed header, which says whom it is for, then the rest, as far as it tells flows
 * apart. The same view reads the packet that an ICMP error quotes, of which only the beginning is there. One object
 * serves for all packets. Hot path: positional numbers, no objects.
 */
import { get16, get32 } from './byte-order.js';
import { ETHER_TYPE } from './ethernet.js';
import { FRAGMENT_OFFSET, IPV4, IPV4_BYTES, ipv4TotalLength, MORE_FRAGMENTS } from './ipv4.js';
import {
  extensionBytes,
  FRAGMENT_OFFSET_V6,
  IPV6,
  IPV6_BYTES,
  ipv6PayloadLength,
  isExtension,
  MORE_FRAGMENTS_V6,
} from './ipv6.js';
import { PROTOCOL } from './protocol.js';

/** What `readRest` found. */
export const REST = { whole: 0, malformed: 1, tooManyExtensions: 2 } as const;
export type Rest = (typeof REST)[keyof typeof REST];

export class PacketView {
  /** 4 or 6. */
  family = 0;
  at = 0;
  sourceAt = 0;
  destinationAt = 0;
  /** Of the transport; of a later fragment what the fragment says that it is. */
  protocol = 0;
  payloadAt = 0;
  /** Where the packet ends, or the quote of it. */
  payloadEnd = 0;
  isFragment = false;
  isFirstFragment = false;
  /** The datagram's number, if it is a fragment. */
  fragmentId = 0;

  /** False if the fixed header is not there or of another version. */
  readHeader(bytes: Uint8Array, etherType: number, at: number, end: number): boolean {
    this.at = at;
    if (etherType === ETHER_TYPE.ipv4) {
      if (at + IPV4_BYTES > end || bytes[at] >>> 4 !== 4) return false;
      this.family = 4;
      this.sourceAt = at + IPV4.source;
      this.destinationAt = at + IPV4.destination;
      this.protocol = bytes[at + IPV4.protocol];
      return true;
    }
    if (etherType !== ETHER_TYPE.ipv6 || at + IPV6_BYTES > end || bytes[at] >>> 4 !== 6) return false;
    this.family = 6;
    this.sourceAt = at + IPV6.source;
    this.destinationAt = at + IPV6.destination;
    this.protocol = bytes[at + IPV6.nextHeader];
    return true;
  }

  /** Goes on to the transport. A quote may end before the packet that it quotes did. */
  readRest(bytes: Uint8Array, end: number, isQuote: boolean, maxExtensions: number): Rest {
    return this.family === 4
      ? this.#readRestV4(bytes, end, isQuote)
      : this.#readRestV6(bytes, end, isQuote, maxExtensions);
  }

  /** Ports of TCP or UDP; the caller has seen that four bytes of payload are there. */
  sourcePort(bytes: Uint8Array): number {
    return get16(bytes, this.payloadAt);
  }

  destinationPort(bytes: Uint8Array): number {
    return get16(bytes, this.payloadAt + 2);
  }

  #readRestV4(bytes: Uint8Array, end: number, isQuote: boolean): Rest {
    const { at } = this;
    const headerBytes = (bytes[at] & 15) * 4;
    const packetEnd = at + ipv4TotalLength(bytes, at);
    this.payloadAt = at + headerBytes;
    this.payloadEnd = isQuote ? end : packetEnd;
    if (headerBytes < IPV4_BYTES || this.payloadAt > this.payloadEnd || this.payloadEnd > end) return REST.malformed;
    const word = get16(bytes, at + IPV4.fragment);
    this.isFirstFragment = (word & FRAGMENT_OFFSET) === 0;
    this.isFragment = !this.isFirstFragment || (word & MORE_FRAGMENTS) !== 0;
    this.fragmentId = get16(bytes, at + IPV4.id);
    return REST.whole;
  }

  #readRestV6(bytes: Uint8Array, end: number, isQuote: boolean, maxExtensions: number): Rest {
    this.isFragment = false;
    this.isFirstFragment = true;
    this.payloadAt = this.at + IPV6_BYTES;
    this.payloadEnd = isQuote ? end : this.payloadAt + ipv6PayloadLength(bytes, this.at);
    if (this.payloadEnd > end) return REST.malformed;
    for (let walked = 0; isExtension(this.protocol); walked++) {
      if (walked === maxExtensions) return REST.tooManyExtensions;
      const at = this.payloadAt;
      if (at + 8 > this.payloadEnd) return REST.malformed;
      const length = extensionBytes(this.protocol, bytes, at);
      if (at + length > this.payloadEnd) return REST.malformed;
      const isFragmentHeader = this.protocol === PROTOCOL.fragment;
      this.protocol = bytes[at];
      this.payloadAt = at + length;
      if (!isFragmentHeader) continue;
      const word = get16(bytes, at + 2);
      this.isFirstFragment = (word & FRAGMENT_OFFSET_V6) === 0;
      // The only fragment of its datagram is no fragment (RFC 6946).
      this.isFragment = !this.isFirstFragment || (word & MORE_FRAGMENTS_V6) !== 0;
      this.fragmentId = get32(bytes, at + 4);
      // What follows in a later fragment is data from the middle of something.
      if (!this.isFirstFragment) return REST.whole;
    }
    return REST.whole;
  }
}
