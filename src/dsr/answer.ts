/**
 * What Pen answers itself for a VIP: ARP, neighbour solicitations, echo requests. The answer is made of the question,
 * where it lies. Hot path: positional numbers, nothing is allocated.
 */
import { ARP, ARP_REPLY } from '../frame/arp.js';
import { get16, set16, set32, swap } from '../frame/byte-order.js';
import { addPseudoHeader, addWords, checksumOf, updateChecksum } from '../frame/checksum.js';
import { DESTINATION_AT, MAC_BYTES, SOURCE_AT } from '../frame/ethernet.js';
import { ICMP, ICMP_TYPE, ICMPV6_TYPE } from '../frame/icmp.js';
import { IPV4 } from '../frame/ipv4.js';
import { IPV6, IPV6_ADDRESS_BYTES, IPV6_BYTES, ipv6PayloadLength, isUnspecifiedV6 } from '../frame/ipv6.js';
import {
  ALL_NODES,
  LINK_ADDRESS_OPTION_BYTES,
  NDP,
  NDP_HOP_LIMIT,
  NEIGHBOUR_BYTES,
  OVERRIDE,
  SOLICITED,
  TARGET_LINK_ADDRESS,
} from '../frame/ndp.js';
import type { PacketView } from '../frame/packet-view.js';
import { PROTOCOL } from '../frame/protocol.js';
import { MAX_NS_BYTES, NS_BYTES } from './layout.js';

/** Bytes that a frame's buffer must have at least: an advertisement behind two tags. */
export const MIN_BUFFER_BYTES = 14 + 2 * 4 + IPV6_BYTES + NEIGHBOUR_BYTES + LINK_ADDRESS_OPTION_BYTES;

/** Time to live of what is answered here. */
const ANSWER_TTL = 64;
/** The answer to a solicitation: its fixed part and the option with our address. */
const ADVERTISEMENT_BYTES = NEIGHBOUR_BYTES + LINK_ADDRESS_OPTION_BYTES;

/** A reply in place of the ARP request at `at`. */
export function answerArp(frame: Uint8Array, at: number, ownMac: Uint8Array): void {
  set16(frame, at + ARP.operation, ARP_REPLY);
  // The asker's addresses become the target's, the address asked for the sender's.
  frame.copyWithin(at + ARP.targetMac, at + ARP.senderMac, at + ARP.senderMac + MAC_BYTES);
  swap(frame, at + ARP.senderIp, at + ARP.targetIp, 4);
  frame.set(ownMac, at + ARP.senderMac);
  replyTo(frame, ownMac);
}

/** An echo reply in place of the request `packet`. */
export function answerEcho(frame: Uint8Array, packet: PacketView, ownMac: Uint8Array): void {
  const { family, at, payloadAt, sourceAt, destinationAt } = packet;
  swap(frame, sourceAt, destinationAt, destinationAt - sourceAt);
  replyTo(frame, ownMac);
  const reply = family === 4 ? ICMP_TYPE.echoReply : ICMPV6_TYPE.echoReply;
  replace16(frame, payloadAt + ICMP.type, reply << 8, payloadAt + ICMP.checksum);
  if (family === 4) {
    replace16(frame, at + IPV4.ttl, (ANSWER_TTL << 8) | frame[at + IPV4.protocol], at + IPV4.checksum);
  } else {
    frame[at + IPV6.hopLimit] = ANSWER_TTL;
  }
}

/** What RFC 4861 7.1.1 asks of a solicitation, but for its checksum; `packet` is one as far as its type goes. */
export function isProperSolicitation(frame: Uint8Array, { at }: PacketView, end: number): boolean {
  const bodyAt = at + IPV6_BYTES;
  const bytes = ipv6PayloadLength(frame, at);
  return (
    frame[at + IPV6.hopLimit] === NDP_HOP_LIMIT &&
    frame[bodyAt + ICMP.code] === 0 &&
    bytes >= NS_BYTES &&
    bytes <= MAX_NS_BYTES &&
    bytes % 8 === 0 &&
    bodyAt + bytes <= end
  );
}

/** Whether its checksum is right. */
export function isSolicitationIntact(frame: Uint8Array, { at, sourceAt, destinationAt }: PacketView): boolean {
  const bodyAt = at + IPV6_BYTES;
  const bytes = ipv6PayloadLength(frame, at);
  const sum = addPseudoHeader(frame, sourceAt, destinationAt, IPV6_ADDRESS_BYTES, PROTOCOL.icmpv6, bytes);
  return checksumOf(addWords(frame, bodyAt, bodyAt + bytes, sum)) === 0;
}

/** An advertisement in place of the solicitation (RFC 4861 7.2.4); the length of the frame that it makes. */
export function answerSolicitation(frame: Uint8Array, packet: PacketView, ownMac: Uint8Array): number {
  const { at, sourceAt, destinationAt } = packet;
  const bodyAt = at + IPV6_BYTES;
  // Somebody without an address yet (he is about to take ours) is answered by telling everybody.
  const isFromNobody = isUnspecifiedV6(frame, sourceAt);
  replyTo(frame, ownMac);
  if (isFromNobody) {
    set16(frame, DESTINATION_AT, 0x3333);
    set32(frame, DESTINATION_AT + 2, 1);
    frame.set(ALL_NODES, destinationAt);
  } else {
    frame.copyWithin(destinationAt, sourceAt, sourceAt + IPV6_ADDRESS_BYTES);
  }
  frame.copyWithin(sourceAt, bodyAt + NDP.target, bodyAt + NDP.target + IPV6_ADDRESS_BYTES);
  set32(frame, at, 6 << 28);
  set16(frame, at + IPV6.payloadLength, ADVERTISEMENT_BYTES);
  set32(frame, bodyAt, ICMPV6_TYPE.neighbourAdvertisement << 24);
  set32(frame, bodyAt + 4, isFromNobody ? OVERRIDE : SOLICITED | OVERRIDE);
  frame[bodyAt + NDP.options] = TARGET_LINK_ADDRESS;
  frame[bodyAt + NDP.options + 1] = 1;
  frame.set(ownMac, bodyAt + NDP.options + 2);
  const end = bodyAt + ADVERTISEMENT_BYTES;
  const answer = addPseudoHeader(
    frame,
    sourceAt,
    destinationAt,
    IPV6_ADDRESS_BYTES,
    PROTOCOL.icmpv6,
    ADVERTISEMENT_BYTES,
  );
  set16(frame, bodyAt + ICMP.checksum, checksumOf(addWords(frame, bodyAt, end, answer)));
  return end;
}

/** Back to who sent it, from us. */
export function replyTo(frame: Uint8Array, ownMac: Uint8Array): void {
  frame.copyWithin(DESTINATION_AT, SOURCE_AT, SOURCE_AT + MAC_BYTES);
  frame.set(ownMac, SOURCE_AT);
}

/** Changes a word and the checksum that covers it. */
function replace16(frame: Uint8Array, at: number, after: number, checksumAt: number): void {
  const before = get16(frame, at);
  set16(frame, at, after);
  set16(frame, checksumAt, updateChecksum(get16(frame, checksumAt), before, after));
}
