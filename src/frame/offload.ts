/**
 * What is left to network cards: checksums of packets that never met one, and TCP packets that were put together to be
 * handled in one go and are too long for the wire. Hot path: one object serves for all frames, nothing is allocated.
 */
import { get16, get32, set16, set32 } from './byte-order.js';
import { addPseudoHeader, addWords, checksumOf } from './checksum.js';
import { EthernetView } from './ethernet.js';
import { IPV4, IPV4_ADDRESS_BYTES } from './ipv4.js';
import { IPV6, IPV6_ADDRESS_BYTES, IPV6_BYTES } from './ipv6.js';
import { PacketView, REST } from './packet-view.js';
import { PROTOCOL } from './protocol.js';
import { TCP, TCP_BYTES, TCP_FLAG } from './tcp.js';
import { UDP, UDP_BYTES } from './udp.js';

/** More than that a sender's stack does not put before its TCP header. */
const MAX_EXTENSIONS = 8;
const NO_CHECKSUM_YET = 0;

export class Offload {
  /** Of the frame that was begun: how many segments there are, 0 if it cannot be cut. */
  segments = 0;
  readonly #link = new EthernetView();
  readonly #packet = new PacketView();
  #headersBytes = 0;
  #dataBytes = 0;
  #dataEach = 0;

  /** Computes the checksum of a TCP or UDP packet, anew; others, and parts of datagrams, stay as they are. */
  complete(frame: Uint8Array, length: number): void {
    if (!this.#read(frame, length)) return;
    const { protocol, payloadAt, payloadEnd } = this.#packet;
    if (payloadEnd - payloadAt < (protocol === PROTOCOL.tcp ? TCP_BYTES : UDP_BYTES)) return;
    this.#sum(frame, payloadEnd);
  }

  /** Looks how a long frame is cut into ones whose packets have at most `mtu` bytes. */
  begin(frame: Uint8Array, length: number, mtu: number): void {
    this.segments = 0;
    if (!this.#read(frame, length)) return;
    const { at, protocol, payloadAt, payloadEnd } = this.#packet;
    if (protocol !== PROTOCOL.tcp || payloadEnd - payloadAt < TCP_BYTES) return;
    const dataAt = payloadAt + (frame[payloadAt + TCP.words] >>> 4) * 4;
    this.#headersBytes = dataAt;
    this.#dataBytes = payloadEnd - dataAt;
    this.#dataEach = mtu - (dataAt - at);
    if (this.#dataBytes <= 0 || this.#dataEach <= 0) return;
    this.segments = Math.ceil(this.#dataBytes / this.#dataEach);
  }

  /** Writes a segment of the frame that was begun; its length. `to` has room for the mtu and the link's header. */
  segment(number: number, frame: Uint8Array, to: Uint8Array): number {
    const { family, at, payloadAt } = this.#packet;
    const headers = this.#headersBytes;
    const from = number * this.#dataEach;
    const bytes = Math.min(this.#dataEach, this.#dataBytes - from);
    const end = headers + bytes;
    for (let i = 0; i < headers; i++) to[i] = frame[i];
    for (let i = 0; i < bytes; i++) to[headers + i] = frame[headers + from + i];
    if (family === 4) {
      set16(to, at + IPV4.totalLength, end - at);
      set16(to, at + IPV4.id, get16(frame, at + IPV4.id) + number);
      set16(to, at + IPV4.checksum, NO_CHECKSUM_YET);
      set16(to, at + IPV4.checksum, checksumOf(addWords(to, at, at + (to[at] & 15) * 4)));
    } else {
      set16(to, at + IPV6.payloadLength, end - at - IPV6_BYTES);
    }
    set32(to, payloadAt + TCP.sequence, get32(frame, payloadAt + TCP.sequence) + from);
    // The end is told by the last one, that the window was reduced (RFC 3168) by the first.
    const isLast = number === this.segments - 1;
    let flags = frame[payloadAt + TCP.flags];
    if (!isLast) flags &= ~(TCP_FLAG.fin | TCP_FLAG.psh);
    if (number > 0) flags &= ~TCP_FLAG.cwr;
    to[payloadAt + TCP.flags] = flags;
    this.#sum(to, end);
    return end;
  }

  /** False for what is no whole TCP or UDP packet. */
  #read(frame: Uint8Array, length: number): boolean {
    const link = this.#link;
    const packet = this.#packet;
    if (!link.read(frame, length) || !packet.readHeader(frame, link.etherType, link.payloadAt, length)) return false;
    if (packet.readRest(frame, length, false, MAX_EXTENSIONS) !== REST.whole || packet.isFragment) return false;
    return packet.protocol === PROTOCOL.tcp || packet.protocol === PROTOCOL.udp;
  }

  #sum(frame: Uint8Array, end: number): void {
    const { family, protocol, payloadAt, sourceAt, destinationAt } = this.#packet;
    const checksumAt = payloadAt + (protocol === PROTOCOL.tcp ? TCP.checksum : UDP.checksum);
    const addressBytes = family === 4 ? IPV4_ADDRESS_BYTES : IPV6_ADDRESS_BYTES;
    set16(frame, checksumAt, NO_CHECKSUM_YET);
    const pseudo = addPseudoHeader(frame, sourceAt, destinationAt, addressBytes, protocol, end - payloadAt);
    const sum = checksumOf(addWords(frame, payloadAt, end, pseudo));
    // RFC 768: a sum of zero is sent as ones, zero means that there is none.
    set16(frame, checksumAt, sum === 0 && protocol === PROTOCOL.udp ? 0xffff : sum);
  }
}
