/**
 * The tunnel to a server that is not on the link, and what becomes of a packet that does not fit into it. Frames are
 * changed where they lie: the packet moves to the right, into the room that MIN_BUFFER_BYTES keeps behind it. Hot path:
 * positional numbers, nothing is allocated.
 */
import { set16 } from '../frame/byte-order.js';
import { ETHER_TYPE } from '../frame/ethernet.js';
import type { PacketView } from '../frame/packet-view.js';
import { MIN_MTU_V6, mayBeTold, QUOTE_BYTES, writeTooBig } from '../frame/too-big.js';
import { packetBytes, tunnelBytes, writeTunnel } from '../frame/tunnel.js';
import { replyTo } from './answer.js';
import { controlValue, realValue } from './layout.js';

/** Where the four bytes of a mapped IPv4 address lie among its sixteen. */
const V4_AT = 12;

/** Puts the packet into the tunnel to `real`; gives the frame's length. The MAC addresses are the caller's to write. */
export function encapsulate(
  frame: Uint8Array,
  length: number,
  { at, family }: PacketView,
  real: Uint8Array,
  control: Uint8Array,
  hash: number,
): number {
  const encap = real[realValue.at.encap];
  const outer = real[realValue.at.outer];
  const added = tunnelBytes(encap, outer);
  const source = outer === 4 ? controlValue.at.sourceV4 : controlValue.at.sourceV6;
  const destination = realValue.at.address + (outer === 4 ? V4_AT : 0);
  frame.copyWithin(at + added, at, length);
  set16(frame, at - 2, outer === 4 ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6);
  writeTunnel(frame, at, family, encap, outer, hash, control, source, real, destination);
  return length + added;
}

/** Whether the packet's sender can be told that it is too big: by rule, by size, and as far as the MTU is one to tell. */
export function canTellTooBig(frame: Uint8Array, { at, family }: PacketView, mtu: number): boolean {
  // Nobody sends less than every link takes, so that would be told in vain.
  if (family === 6 && mtu < MIN_MTU_V6) return false;
  return packetBytes(frame, at, family) >= QUOTE_BYTES[family === 4 ? 4 : 6] && mayBeTold(frame, at, family);
}

/** The message in place of the packet, back to whom it came from; gives the frame's length. */
export function answerTooBig(frame: Uint8Array, { at, family }: PacketView, mtu: number, ownMac: Uint8Array): number {
  replyTo(frame, ownMac);
  return writeTooBig(frame, at, family, mtu);
}
