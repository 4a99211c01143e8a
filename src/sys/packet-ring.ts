/**
 * Frames of an interface through memory that is shared with the kernel (packet(7), packet_mmap.rst; Linux): a receive
 * ring of version 3, in which frames of any length lie one behind the other in blocks, and a transmit ring of version
 * 2, slots of one size. The kernel gives a block away when it is full or its time is up; a slot belongs to us until
 * it is committed, and again when its frame has left. Both rings are mapped one behind the other, and behind them is room
 * for one frame that is longer than a slot (a network card, or the kernel, has put several together).
 *
 *   │ block │ block │ ...            │ slot │ slot │ ...            │ long frame │
 *   0                                transmitAt                      longAt
 *
 * Nothing is allocated for a frame. Here are the rings only; `openPacketRing` has the kernel lay them out.
 */
import {
  PACKET_OUTGOING,
  SOCKADDR_LL,
  TP_STATUS_AVAILABLE,
  TP_STATUS_CSUMNOTREADY,
  TP_STATUS_KERNEL,
  TP_STATUS_SEND_REQUEST,
  TP_STATUS_USER,
  TP_STATUS_VLAN_TPID_VALID,
  TP_STATUS_VLAN_VALID,
  TPACKET_BLOCK,
  TPACKET2,
  TPACKET3,
  VNET_HEADER,
} from './uapi/packet.js';

/** Where all lies in the memory; bytes. Every place is a multiple of four. */
export interface RingGeometry {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly transmitAt: number;
  readonly slotBytes: number;
  readonly slots: number;
  /** Where in a slot the frame begins. */
  readonly frameAt: number;
  /** Of the struct virtio_net_hdr in front of the frame, which says how much of it is copied; 0 if there is none. */
  readonly headerBytes: number;
  readonly longAt: number;
  readonly longBytes: number;
}

/** What the rings need of the kernel. */
export interface RingKernel {
  /** Has the committed slots sent: the bytes, of all or the first ones; 0 if none can be; -errno if there is no room. */
  send(): number;
  /** Until a block is there, somebody wakes this thread, or the time is up (-1: never). */
  wait(timeoutMs: number): void;
}

/** Room in front of each received frame that makes it begin at a multiple of four (PACKET_RESERVE). */
export const RESERVED_BYTES = 2;
/** A tag that the kernel took out and that goes back in. */
const TAG_BYTES = 4;
const MACS_BYTES = 12;
const ETH_P_8021Q = 0x8100;
/** While the kernel has no room for what was committed, it is asked again after so long. */
const RETRY_MS = 1;

export class PacketRing {
  /** The frame that was taken last, in a slot or in the room for long ones, and how much of it there is. */
  frame: Uint8Array;
  length = 0;
  /** Its checksum is not there yet. */
  isUnfinished = false;
  /** It is in the room for long frames. */
  isLong = false;
  /** The room for long frames. */
  readonly long: Uint8Array;
  /** Frames that were to leave, and for which no slot was free. */
  lost = 0;
  readonly #geometry: RingGeometry;
  readonly #kernel: RingKernel;
  readonly #words: Int32Array;
  readonly #halves: Uint16Array;
  /** One for each slot, made once. */
  readonly #slots: readonly Uint8Array[];
  #block = 0;
  /** The block that is being read, -1 if none is. */
  #open = -1;
  #left = 0;
  #at = 0;
  #slot = 0;
  /** Slots committed since the kernel was last asked to send, and those that it has not looked at yet. */
  #committed = 0;

  constructor(memory: ArrayBuffer, geometry: RingGeometry, kernel: RingKernel) {
    const { transmitAt, slotBytes, slots, frameAt, headerBytes, longAt, longBytes } = geometry;
    this.#geometry = geometry;
    this.#kernel = kernel;
    this.#words = new Int32Array(memory);
    this.#halves = new Uint16Array(memory);
    this.#slots = Array.from({ length: slots }, (_, slot) => {
      const at = transmitAt + slot * slotBytes;
      this.#halves[(at + TPACKET2.dataAt) >> 1] = frameAt - headerBytes;
      new Uint8Array(memory, at + frameAt - headerBytes, headerBytes).fill(0);
      return new Uint8Array(memory, at + frameAt, slotBytes - frameAt);
    });
    this.long = new Uint8Array(memory, longAt, longBytes);
    this.frame = this.#slots[0];
  }

  /** Blocks this thread until there is something to take, or somebody wakes it. */
  wait(): void {
    this.#kernel.wait(this.#committed > 0 ? RETRY_MS : -1);
  }

  /** Takes the next frame that has come, if there is one; the last one is given up, unless it was transmitted. */
  next(): boolean {
    for (;;) {
      while (this.#left > 0) {
        const at = this.#at;
        this.#left--;
        this.#at = at + this.#words[(at + TPACKET3.nextOffset) >> 2];
        if (this.#isOutgoing(at)) continue;
        if (this.#take(at)) return true;
      }
      this.#giveBack();
      if (!this.#openBlock()) return false;
    }
  }

  /** The frame in the slot of the last `next` or `spare` leaves, so long by now; not one in the room for long ones. */
  transmit(length: number): void {
    const { transmitAt, slotBytes, slots, frameAt, headerBytes } = this.#geometry;
    const at = transmitAt + this.#slot * slotBytes;
    this.#words[(at + TPACKET2.frameBytes) >> 2] = headerBytes + length;
    // All of it: what the kernel would not copy it would point to, and every hop that writes would copy it page by page.
    if (headerBytes > 0) this.#halves[(at + frameAt - headerBytes + VNET_HEADER.headBytes) >> 1] = length;
    // No barrier: the kernel looks at slots in `send` only, which this thread calls.
    this.#words[(at + TPACKET2.status) >> 2] = TP_STATUS_SEND_REQUEST;
    this.#slot = this.#slot + 1 === slots ? 0 : this.#slot + 1;
    this.#committed++;
  }

  /** Copies the frame that was taken, of `length`, to the room for long ones, from where it can be cut into slots. */
  setAside(): Uint8Array {
    for (let i = 0; i < this.length; i++) this.long[i] = this.frame[i];
    return this.long;
  }

  /** A slot for a frame that is made here, undefined if none is free: then it is lost. */
  spare(): Uint8Array | undefined {
    if (this.#isFree()) return this.#slots[this.#slot];
    this.lost++;
    return undefined;
  }

  /** Has what was transmitted sent. */
  flush(): void {
    if (this.#committed === 0) return;
    const sent = this.#kernel.send();
    // What the kernel has no room for now it is asked for again by the next flush; it may have sent the first ones.
    if (sent === 0 || (sent > 0 && !this.#isLastWaiting())) this.#committed = 0;
  }

  #openBlock(): boolean {
    const { blockBytes, blocks } = this.#geometry;
    const at = this.#block * blockBytes;
    // Acquires what the kernel wrote before it gave the block away.
    const status = Atomics.load(this.#words, (at + TPACKET_BLOCK.status) >> 2);
    if ((status & TP_STATUS_USER) === 0) return false;
    this.#open = at;
    this.#left = this.#words[(at + TPACKET_BLOCK.packets) >> 2];
    this.#at = at + this.#words[(at + TPACKET_BLOCK.firstPacket) >> 2];
    this.#block = this.#block + 1 === blocks ? 0 : this.#block + 1;
    return true;
  }

  #giveBack(): void {
    if (this.#open < 0) return;
    Atomics.store(this.#words, (this.#open + TPACKET_BLOCK.status) >> 2, TP_STATUS_KERNEL);
    this.#open = -1;
    // A block is a good portion: its frames are on their way while the next one is looked at.
    this.flush();
  }

  /** What this host sends itself; kernels before 4.20 show it. */
  #isOutgoing(at: number): boolean {
    const type = (at + TPACKET3.address + SOCKADDR_LL.packetType) >> 1;
    return (this.#halves[type] & 0xff) === PACKET_OUTGOING;
  }

  /** Copies the frame to where it can be changed and grow; false if there is no room, which counts. */
  #take(at: number): boolean {
    const words = this.#words;
    const status = words[(at + TPACKET3.status) >> 2];
    const bytes = words[(at + TPACKET3.capturedBytes) >> 2];
    const frameAt = at + this.#halves[(at + TPACKET3.macAt) >> 1];
    const isTagged = (status & TP_STATUS_VLAN_VALID) !== 0;
    const length = isTagged ? bytes + TAG_BYTES : bytes;
    this.isUnfinished = (status & TP_STATUS_CSUMNOTREADY) !== 0;
    this.isLong = length > this.longest;
    let to: number;
    if (this.isLong) {
      if (length > this.#geometry.longBytes) {
        this.lost++;
        return false;
      }
      to = this.#geometry.longAt;
      this.frame = this.long;
    } else {
      if (!this.#isFree()) {
        this.lost++;
        return false;
      }
      const { transmitAt, slotBytes, frameAt } = this.#geometry;
      to = transmitAt + this.#slot * slotBytes + frameAt;
      this.frame = this.#slots[this.#slot];
    }
    if (isTagged) {
      copyWords(words, frameAt, to, MACS_BYTES);
      words[(to + MACS_BYTES) >> 2] = tagWord(
        (status & TP_STATUS_VLAN_TPID_VALID) === 0 ? ETH_P_8021Q : this.#halves[(at + TPACKET3.tagProtocol) >> 1],
        words[(at + TPACKET3.tagControl) >> 2],
      );
      copyWords(words, frameAt + MACS_BYTES, to + MACS_BYTES + TAG_BYTES, bytes - MACS_BYTES);
    } else {
      copyWords(words, frameAt, to, bytes);
    }
    this.length = length;
    return true;
  }

  /** Frames of up to so many bytes are taken into a slot, where some room is left for them to grow. */
  get longest(): number {
    return this.#geometry.slotBytes - this.#geometry.frameAt - ROOM_TO_GROW;
  }

  #isFree(): boolean {
    const status = this.#statusOf(this.#slot);
    if (status === TP_STATUS_AVAILABLE) return true;
    // Committed while the interface was down, when the kernel took nothing: it is up again, or no frame would come.
    if (status === TP_STATUS_SEND_REQUEST && this.#committed === 0) this.#committed = 1;
    this.flush();
    return this.#statusOf(this.#slot) === TP_STATUS_AVAILABLE;
  }

  #isLastWaiting(): boolean {
    const last = this.#slot === 0 ? this.#geometry.slots - 1 : this.#slot - 1;
    return this.#statusOf(last) === TP_STATUS_SEND_REQUEST;
  }

  /** No barrier: of a slot that the kernel has given back nothing is read, only written, and that not before this. */
  #statusOf(slot: number): number {
    const { transmitAt, slotBytes } = this.#geometry;
    return this.#words[(transmitAt + slot * slotBytes + TPACKET2.status) >> 2];
  }
}

/** What a decision may add to a frame (a tunnel's headers, an answer that is longer than the question). */
export const ROOM_TO_GROW = 64;

/** Both places are multiples of four; up to three bytes more than asked for are copied. */
function copyWords(words: Int32Array, from: number, to: number, bytes: number): void {
  const end = (from + bytes + 3) >> 2;
  // memmove takes over where a call of it costs less than the loop.
  if (bytes > 512) {
    words.copyWithin(to >> 2, from >> 2, end);
    return;
  }
  let target = to >> 2;
  for (let word = from >> 2; word < end; word++) words[target++] = words[word];
}

/** Tag protocol and control, as they lie in a frame, on the little-endian hosts that we run on. */
function tagWord(protocol: number, control: number): number {
  return swap16(protocol) | (swap16(control) << 16);
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | ((value >>> 8) & 0xff);
}
