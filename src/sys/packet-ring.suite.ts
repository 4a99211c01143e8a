/** A kernel for packet rings that plays its part in ordinary memory, as packet_mmap.rst and <linux/if_packet.h> have it. */
import assert from 'node:assert/strict';
import { PacketRing, RESERVED_BYTES, type RingGeometry, type RingKernel } from './packet-ring.js';
import {
  PACKET_OUTGOING,
  TP_STATUS_AVAILABLE,
  TP_STATUS_KERNEL,
  TP_STATUS_SEND_REQUEST,
  TP_STATUS_USER,
  TP_STATUS_VLAN_TPID_VALID,
  TP_STATUS_VLAN_VALID,
} from './uapi/packet.js';

export const GEOMETRY: RingGeometry = {
  blockBytes: 1 << 16,
  blocks: 3,
  transmitAt: 3 << 16,
  slotBytes: 4096,
  slots: 32,
  frameAt: 44,
  headerBytes: 10,
  longAt: (3 << 16) + 32 * 4096,
  longBytes: 1 << 16,
};

export interface Received {
  readonly frame: Uint8Array;
  /** Bits of TP_STATUS. */
  readonly status?: number;
  readonly isOutgoing?: boolean;
}

export class SimulatedPacketKernel implements RingKernel {
  readonly ring: PacketRing;
  /** What has left, in order. */
  readonly sent: Uint8Array[] = [];
  /** Slots that it sends in one go; the others it has no room for. */
  room = Infinity;
  /** The interface is down: it takes nothing and says so (ENETDOWN, which becomes 0). */
  isDown = false;
  /** What it was last asked to wait for. */
  waitedMs = 0;
  readonly #memory = new ArrayBuffer(GEOMETRY.longAt + GEOMETRY.longBytes);
  readonly #view = new DataView(this.#memory);
  readonly #bytes = new Uint8Array(this.#memory);
  #block = 0;
  #slot = 0;

  constructor() {
    // What nobody has written must not look like something.
    this.#bytes.fill(0xa5);
    for (let block = 0; block < GEOMETRY.blocks; block++)
      this.#set32(block * GEOMETRY.blockBytes + 8, TP_STATUS_KERNEL);
    for (let slot = 0; slot < GEOMETRY.slots; slot++) this.#set32(this.#slotAt(slot), TP_STATUS_AVAILABLE);
    this.ring = new PacketRing(this.#memory, GEOMETRY, this);
  }

  /** Gives one block away with these frames; false if it is not its own. */
  receive(frames: readonly Received[]): boolean {
    const at = this.#block * GEOMETRY.blockBytes;
    if (this.#view.getUint32(at + 8, true) !== TP_STATUS_KERNEL) return false;
    let packetAt = at + 48;
    this.#set32(at + 16, 48);
    for (const [i, { frame, status = 0, isOutgoing = false }] of frames.entries()) {
      const tag = tagOf(frame);
      const bytes = tag === undefined ? frame : Uint8Array.from([...frame.subarray(0, 12), ...frame.subarray(16)]);
      const macAt = 96 + RESERVED_BYTES - 14;
      const next = (macAt + bytes.length + 7) & ~7;
      this.#set32(packetAt, i === frames.length - 1 ? 0 : next);
      this.#set32(packetAt + 12, bytes.length);
      this.#set32(packetAt + 16, bytes.length);
      const tagged = tag === undefined ? 0 : TP_STATUS_VLAN_VALID | TP_STATUS_VLAN_TPID_VALID;
      this.#set32(packetAt + 20, TP_STATUS_USER | status | tagged);
      this.#view.setUint16(packetAt + 24, macAt, true);
      this.#set32(packetAt + 32, tag?.control ?? 0);
      this.#view.setUint16(packetAt + 36, tag?.protocol ?? 0, true);
      this.#bytes[packetAt + 48 + 10] = isOutgoing ? PACKET_OUTGOING : 0;
      this.#bytes.set(bytes, packetAt + macAt);
      packetAt += next;
    }
    this.#set32(at + 12, frames.length);
    this.#set32(at + 8, TP_STATUS_USER);
    this.#block = (this.#block + 1) % GEOMETRY.blocks;
    return true;
  }

  send(): number {
    if (this.isDown) return 0;
    let sentBytes = 0;
    for (let sent = 0; this.#view.getUint32(this.#slotAt(this.#slot), true) === TP_STATUS_SEND_REQUEST; sent++) {
      // What it has sent counts, and hides that there was more (tpacket_snd of net/packet/af_packet.c).
      if (sent >= this.room) return sentBytes > 0 ? sentBytes : -11;
      const at = this.#slotAt(this.#slot);
      const bytes = this.#view.getUint32(at + 4, true);
      const dataAt = at + this.#view.getUint16(at + 12, true);
      // struct virtio_net_hdr: no flags, no segmentation, so many bytes to be copied.
      const header = [...this.#bytes.subarray(dataAt, dataAt + 10)];
      const length = bytes - header.length;
      assert.deepEqual(header, [0, 0, length & 0xff, length >>> 8, 0, 0, 0, 0, 0, 0]);
      this.sent.push(this.#bytes.slice(dataAt + 10, dataAt + bytes));
      this.#set32(at, TP_STATUS_AVAILABLE);
      this.#slot = (this.#slot + 1) % GEOMETRY.slots;
      sentBytes += bytes;
    }
    return sentBytes;
  }

  wait(timeoutMs: number): void {
    this.waitedMs = timeoutMs;
  }

  #slotAt(slot: number): number {
    return GEOMETRY.transmitAt + slot * GEOMETRY.slotBytes;
  }

  #set32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }
}

/** The outer tag, which Linux takes out of every frame that it receives. */
function tagOf(frame: Uint8Array): { protocol: number; control: number } | undefined {
  const protocol = (frame[12] << 8) | frame[13];
  if (frame.length < 18 || (protocol !== 0x8100 && protocol !== 0x88a8)) return undefined;
  return { protocol, control: (frame[14] << 8) | frame[15] };
}
