/**
 * Ethernet II with up to two VLAN tags (IEEE 802.3, 802.1Q, 802.1ad):
 *
 *   0           6        12     (tag: 0x8100 or 0x88a8, control)*   type   payload
 *   destination  source
 */
import { get16, set16 } from './byte-order.js';

export const MAC_BYTES = 6;
export const ETHERNET_BYTES = 14;
export const TAG_BYTES = 4;
export const MAX_TAGS = 2;

export const DESTINATION_AT = 0;
export const SOURCE_AT = 6;
const TYPE_AT = 12;

/** IEEE registration authority, EtherType. */
export const ETHER_TYPE = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd, provider: 0x88a8 } as const;

export const BROADCAST_MAC: Uint8Array = new Uint8Array(MAC_BYTES).fill(0xff);

/** What is read off a frame's head; one object serves for all frames. */
export class EthernetView {
  etherType = 0;
  tags = 0;
  payloadAt = 0;

  /** False if the frame ends before its type. A third tag is left as the type. */
  read(bytes: Uint8Array, end: number): boolean {
    this.tags = 0;
    for (let at = TYPE_AT; at + 2 <= end; at += TAG_BYTES) {
      const type = get16(bytes, at);
      if ((type === ETHER_TYPE.vlan || type === ETHER_TYPE.provider) && this.tags < MAX_TAGS) {
        this.tags++;
        continue;
      }
      this.etherType = type;
      this.payloadAt = at + 2;
      return true;
    }
    return false;
  }
}

/** A packet and what Ethernet calls its kind. */
export interface Packet {
  readonly etherType: number;
  readonly bytes: Uint8Array;
}

export interface VlanTag {
  /** Tag protocol, ETHER_TYPE.vlan or .provider. */
  readonly type: number;
  /** Priority, drop eligible and the 12 bits of the number. */
  readonly control: number;
}

export interface Ethernet {
  readonly destination: Uint8Array;
  readonly source: Uint8Array;
  readonly tags?: readonly VlanTag[];
}

/** The frame, as short as it is: 60 bytes are a matter of the wire. */
export function ethernet({ destination, source, tags = [] }: Ethernet, packet: Packet): Uint8Array {
  const payloadAt = ETHERNET_BYTES + tags.length * TAG_BYTES;
  const bytes = new Uint8Array(payloadAt + packet.bytes.length);
  bytes.set(destination, DESTINATION_AT);
  bytes.set(source, SOURCE_AT);
  for (const [i, { type, control }] of tags.entries()) {
    set16(bytes, TYPE_AT + i * TAG_BYTES, type);
    set16(bytes, TYPE_AT + i * TAG_BYTES + 2, control);
  }
  set16(bytes, payloadAt - 2, packet.etherType);
  bytes.set(packet.bytes, payloadAt);
  return bytes;
}

/** The six bytes of `aa:bb:cc:dd:ee:ff`, undefined if it is not such. */
export function parseMac(text: string): Uint8Array | undefined {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(':'), (byte) => Number.parseInt(byte, 16));
}

export function formatMac(bytes: Uint8Array, at = 0): string {
  return Array.from(bytes.subarray(at, at + MAC_BYTES), (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Whether it is a group's, broadcast included (IEEE 802: the lowest bit of the first byte). */
export function isGroupMac(bytes: Uint8Array, at: number): boolean {
  return (bytes[at] & 1) === 1;
}
