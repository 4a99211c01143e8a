/**
 * The tarpit: addresses that nobody has, where every port is open and nothing ever gets done. A SYN is answered, data
 * is not taken: the window closes, and whoever has sent some goes on asking whether it opens (RFC 9293 3.8.6.1), is
 * answered that it does not, and waits the longer. The idea is LaBrea's (Liston, 2001).
 *
 * Nothing is remembered. Our sequence number is a keyed hash of addresses and ports plus the client's own first one
 * (RFC 6528 has a clock in its place): nobody can guess it for another's addresses, and from what a client acknowledges
 * its first number comes back. So a segment is known to belong to a connection that was opened here, and what it is to be told is
 * known as well; anything else is dropped, lest we answer what others have forged.
 *
 *   client ── SYN c ─────────────────────► h + c, ack c + 1, window 5
 *          ── ACK h + c + 1 ─────────────► nothing
 *          ── c + 1, five bytes ─────────► ack c + 1, window 0
 *          ── c or c + 1, a probe ───────► ack c + 1, window 0           again and again
 *
 * Hot path: one object serves for all frames, nothing is allocated.
 */
import { halfSipHash } from '../core/siphash.js';
import { get32, set16, set32 } from '../frame/byte-order.js';
import { addPseudoHeader, addWords, checksumOf } from '../frame/checksum.js';
import { DESTINATION_AT, MAC_BYTES, SOURCE_AT } from '../frame/ethernet.js';
import { DONT_FRAGMENT, IPV4, IPV4_ADDRESS_BYTES, IPV4_BYTES } from '../frame/ipv4.js';
import { IPV6, IPV6_ADDRESS_BYTES, IPV6_BYTES } from '../frame/ipv6.js';
import { type PacketView, REST } from '../frame/packet-view.js';
import { PROTOCOL } from '../frame/protocol.js';
import { TCP, TCP_BYTES, TCP_FLAG } from '../frame/tcp.js';
import { OUTCOME, type Outcome } from './layout.js';

/** Bytes that a client may send once it is connected, and that are not taken. */
export const TARPIT_WINDOW = 5;
/** Time to live of what is answered here. */
const ANSWER_TTL = 64;

export class Tarpit {
  /** Of the frame with the answer in it. */
  length = 0;
  /** Addresses as they lie, and both ports. */
  readonly #words = new Int32Array(9);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  readonly #addresses = new Uint8Array(2 * IPV6_ADDRESS_BYTES);

  /** Answers a packet to a tarpitted address in its place, or says that it is dropped. The key has 64 bits. */
  answer(frame: Uint8Array, end: number, packet: PacketView, key0: number, key1: number, ownMac: Uint8Array): Outcome {
    if (packet.protocol !== PROTOCOL.tcp) return OUTCOME.dropTarpit;
    if (packet.readRest(frame, end, false, 0) !== REST.whole || packet.isFragment) return OUTCOME.dropTarpit;
    const { payloadAt, payloadEnd } = packet;
    const bytes = payloadEnd - payloadAt;
    if (bytes < TCP_BYTES) return OUTCOME.dropTarpit;
    const headerBytes = (frame[payloadAt + TCP.words] >>> 4) * 4;
    if (headerBytes < TCP_BYTES || headerBytes > bytes) return OUTCOME.dropTarpit;
    const flags = frame[payloadAt + TCP.flags];
    if ((flags & TCP_FLAG.rst) !== 0) return OUTCOME.dropTarpit;
    const hash = this.#hash(frame, packet, key0, key1);
    const sequence = get32(frame, payloadAt + TCP.sequence);
    if ((flags & TCP_FLAG.syn) !== 0) {
      if ((flags & TCP_FLAG.ack) !== 0) return OUTCOME.dropTarpit;
      this.#write(frame, packet, (hash + sequence) | 0, (sequence + 1) | 0, TCP_FLAG.syn | TCP_FLAG.ack, TARPIT_WINDOW);
      address(frame, ownMac);
      return OUTCOME.txTarpit;
    }
    if ((flags & TCP_FLAG.ack) === 0) return OUTCOME.dropTarpit;
    const acknowledged = get32(frame, payloadAt + TCP.acknowledgement);
    const first = (acknowledged - hash) | 0;
    // From the byte that we wait for on; a probe may have the one before it.
    const offset = (sequence - first) | 0;
    if ((offset + 1) >>> 0 > TARPIT_WINDOW + 1) return OUTCOME.dropTarpit;
    const hasNews = bytes > headerBytes || (flags & TCP_FLAG.fin) !== 0;
    if (!hasNews && offset !== -1) return OUTCOME.dropTarpit;
    this.#write(frame, packet, acknowledged, first, TCP_FLAG.ack, 0);
    address(frame, ownMac);
    return OUTCOME.txTarpitHold;
  }

  #hash(frame: Uint8Array, { family, sourceAt, payloadAt }: PacketView, key0: number, key1: number): number {
    const addresses = 2 * (family === 4 ? IPV4_ADDRESS_BYTES : IPV6_ADDRESS_BYTES);
    // The addresses lie side by side, and so do the ports.
    for (let i = 0; i < addresses; i++) this.#bytes[i] = frame[sourceAt + i];
    for (let i = 0; i < 4; i++) this.#bytes[addresses + i] = frame[payloadAt + i];
    return halfSipHash(this.#words, (addresses + 4) >> 2, key0, key1);
  }

  /** A segment without options and data, behind an IP header without any. */
  #write(
    frame: Uint8Array,
    { family, at, sourceAt, payloadAt }: PacketView,
    sequence: number,
    acknowledgement: number,
    flags: number,
    window: number,
  ): void {
    const addressBytes = family === 4 ? IPV4_ADDRESS_BYTES : IPV6_ADDRESS_BYTES;
    const segmentAt = at + (family === 4 ? IPV4_BYTES : IPV6_BYTES);
    for (let i = 0; i < 2 * addressBytes; i++) this.#addresses[i] = frame[sourceAt + i];
    const ports = get32(frame, payloadAt);
    this.length = segmentAt + TCP_BYTES;
    for (let i = 0; i < addressBytes; i++) {
      frame[sourceAt + i] = this.#addresses[addressBytes + i];
      frame[sourceAt + addressBytes + i] = this.#addresses[i];
    }
    if (family === 4) {
      set32(frame, at, (0x45 << 24) | (IPV4_BYTES + TCP_BYTES));
      set32(frame, at + IPV4.id, DONT_FRAGMENT);
      set32(frame, at + IPV4.ttl, (ANSWER_TTL << 24) | (PROTOCOL.tcp << 16));
      set16(frame, at + IPV4.checksum, checksumOf(addWords(frame, at, segmentAt)));
    } else {
      set32(frame, at, 6 << 28);
      set32(frame, at + IPV6.payloadLength, (TCP_BYTES << 16) | (PROTOCOL.tcp << 8) | ANSWER_TTL);
    }
    set32(frame, segmentAt, (ports << 16) | (ports >>> 16));
    set32(frame, segmentAt + TCP.sequence, sequence);
    set32(frame, segmentAt + TCP.acknowledgement, acknowledgement);
    set32(frame, segmentAt + TCP.words, ((TCP_BYTES / 4) << 28) | (flags << 16) | window);
    set32(frame, segmentAt + TCP.checksum, 0);
    const pseudo = addPseudoHeader(frame, sourceAt, sourceAt + addressBytes, addressBytes, PROTOCOL.tcp, TCP_BYTES);
    set16(frame, segmentAt + TCP.checksum, checksumOf(addWords(frame, segmentAt, this.length, pseudo)));
  }
}

/** Back to who sent it, from us. */
function address(frame: Uint8Array, ownMac: Uint8Array): void {
  for (let i = 0; i < MAC_BYTES; i++) frame[DESTINATION_AT + i] = frame[SOURCE_AT + i];
  for (let i = 0; i < MAC_BYTES; i++) frame[SOURCE_AT + i] = ownMac[i];
}
