/**
 * Where datagrams are received: a few dozen slots that all sockets of a worker share, each with room for the largest
 * datagram there is. What the kernel does not write to costs no memory, and nothing stays here for longer than it
 * takes to send it on.
 *
 *   memory    [ the handler's own part | slot 0 | slot 1 | ... ]     slots begin 128 bytes further apart than 64 KiB:
 *   messages  [ mmsghdr 0 | mmsghdr 1 | ... ] [ iovec 0 | ... ]      multiples of it would share their cache lines
 *   heads     [ address 0, control data 0 | address 1 ... ]
 */
import { ERRNO } from '../../sys/errno.js';
import { type Libc, lastErrno, libc } from '../../sys/libc.js';
import { type Mapping, mapAnonymous, unmap } from '../../sys/memory.js';
import { type MessageAbi, SOL_UDP } from '../../sys/uapi/message.js';
import { AF_INET, IPPROTO_IP, IPPROTO_IPV6, MSG_DONTWAIT, socketAbi } from '../../sys/uapi/socket.js';
import type { DatagramAddress } from '../datagrams.js';

export const SLOTS = 64;
const SLOT_BYTES = 65_536;
const STRIDE = SLOT_BYTES + 128;

/** A head in words: struct sockaddr_in6 has 7, control data of two messages 16. */
const HEAD_WORDS = 32;
const CONTROL_AT = 8;
const CONTROL_BYTES = 80;
const NAME_BYTES = 28;
/** ::ffff:0:0/96, the third word of an IPv4-mapped address. */
const MAPPED = 0xffff;

export class Slots {
  /** All of it: the handler's part, then the slots. */
  readonly memory: Mapping;
  readonly bytes: Uint8Array;
  readonly #libc: Libc = libc();
  readonly #abi: MessageAbi;
  readonly #hasBatches: boolean;
  readonly #firstAt: number;
  readonly #messages: Mapping;
  readonly #heads: Mapping;
  readonly #messageWords: Int32Array;
  readonly #headWords: Int32Array;
  /** Errors met after the first datagram of a batch, where there are no batches. */
  readonly #untold = new Map<number, number>();

  // Of the slot last read by `readControl`.
  /** Bytes of each of the datagrams that the kernel has joined, 0 if it is a single one. */
  segment = 0;
  /** Word in `heads` of the address it was sent to, 0 if that was not told. */
  #destination = 0;
  #destinationIsV6 = false;

  constructor(keptBytes: number, abi: MessageAbi, hasBatches: boolean) {
    this.#abi = abi;
    this.#hasBatches = hasBatches;
    this.#firstAt = Math.ceil(keptBytes / 4096) * 4096;
    this.memory = mapAnonymous(this.#firstAt + SLOTS * STRIDE);
    this.bytes = new Uint8Array(this.memory.buffer);
    const { layout } = abi;
    const iovecAt = SLOTS * layout.batchWords;
    this.#messages = mapAnonymous((iovecAt + SLOTS * 2 * layout.pointer) * 4);
    this.#heads = mapAnonymous(SLOTS * HEAD_WORDS * 4);
    this.#messageWords = new Int32Array(this.#messages.buffer);
    this.#headWords = new Int32Array(this.#heads.buffer);
    for (let slot = 0; slot < SLOTS; slot++) {
      const message = slot * layout.batchWords;
      const iovec = iovecAt + slot * 2 * layout.pointer;
      const head = this.#heads.address + slot * HEAD_WORDS * 4;
      this.#setPointer(message + layout.name, head);
      this.#setPointer(message + layout.iov, this.#messages.address + iovec * 4);
      this.#messageWords[message + layout.iovCount] = 1;
      this.#setPointer(message + layout.control, head + CONTROL_AT * 4);
      this.#setPointer(iovec, this.memory.address + this.at(slot));
      this.#messageWords[iovec + layout.pointer] = SLOT_BYTES;
      this.#reset(message);
    }
  }

  /** Where the slot's datagram begins in `bytes`. */
  at(slot: number): number {
    return this.#firstAt + slot * STRIDE;
  }

  /** Datagrams received into slots from `first` on, `count` at most, or -errno. Fewer than asked: no more were there. */
  receive(fd: number, first: number, count: number): number {
    const { batchWords } = this.#abi.layout;
    const address = this.#messages.address + first * batchWords * 4;
    if (this.#hasBatches) {
      const received = this.#libc.recvmmsg(fd, address, count, MSG_DONTWAIT, 0);
      return received < 0 ? -lastErrno() : received;
    }
    return this.#receiveEach(fd, address, count);
  }

  length(slot: number): number {
    return this.#messageWords[slot * this.#abi.layout.batchWords + this.#abi.layout.batchLength];
  }

  isTruncated(slot: number): boolean {
    const { batchWords, flags } = this.#abi.layout;
    return (this.#messageWords[slot * batchWords + flags] & this.#abi.MSG_TRUNC) !== 0;
  }

  /** Finds what the control data say, and makes the slot ready for the next datagram. */
  readControl(slot: number): void {
    const { layout, control } = this.#abi;
    const message = slot * layout.batchWords;
    this.segment = 0;
    this.#destination = 0;
    const told = this.#messageWords[message + layout.controlLength];
    this.#reset(message);
    if (told === 0) return;
    const words = this.#headWords;
    const start = slot * HEAD_WORDS + CONTROL_AT;
    const end = start + (told >> 2);
    for (let at = start; at + control.data < end; ) {
      const bytes = words[at];
      if (bytes < control.data * 4) return;
      const level = words[at + control.level];
      const type = words[at + control.type];
      if (level === SOL_UDP && type === this.#abi.UDP_GRO && this.#abi.UDP_GRO !== 0) {
        this.segment = words[at + control.data];
      } else if (level === IPPROTO_IP && type === this.#abi.ipControl) {
        // struct in_pktinfo: interface, local address (the one to answer from), destination of the packet.
        this.#destination = at + control.data + (this.#abi.hasPacketInfo ? 1 : 0);
        this.#destinationIsV6 = false;
      } else if (level === IPPROTO_IPV6 && type === this.#abi.IPV6_PKTINFO) {
        this.#destination = at + control.data;
        this.#destinationIsV6 = true;
      }
      const step = (bytes + 3) >> 2;
      at += step + (step % control.align);
    }
  }

  readSender(slot: number, sender: DatagramAddress): void {
    const words = this.#headWords;
    const at = slot * HEAD_WORDS;
    const first = words[at];
    const to = sender.words;
    sender.port = ((first >>> 8) & 0xff00) | (first >>> 24);
    const family = socketAbi.hasLength ? (first >> 8) & 0xff : first & 0xffff;
    if (family === AF_INET) {
      to[0] = 0;
      to[1] = 0;
      to[2] = MAPPED;
      to[3] = swapped(words[at + 1]);
    } else {
      for (let i = 0; i < 4; i++) to[i] = swapped(words[at + 2 + i]);
    }
  }

  /** The local address it was sent to, all zero if that was not told. Call `readControl` before. */
  readDestination(local: Int32Array): void {
    const words = this.#headWords;
    const at = this.#destination;
    local[0] = 0;
    local[1] = 0;
    local[2] = at === 0 ? 0 : MAPPED;
    local[3] = at === 0 ? 0 : swapped(words[at]);
    if (at !== 0 && this.#destinationIsV6) for (let i = 0; i < 4; i++) local[i] = swapped(words[at + i]);
  }

  /** It came from exactly that address: `words[at..at+5)` are the family and port, then the IP address, as in a sockaddr. */
  isFrom(slot: number, expected: Int32Array, at: number): boolean {
    const words = this.#headWords;
    const name = slot * HEAD_WORDS;
    if (words[name] !== expected[at]) return false;
    const family = socketAbi.hasLength ? (words[name] >> 8) & 0xff : words[name] & 0xffff;
    if (family === AF_INET) return words[name + 1] === expected[at + 1];
    for (let i = 0; i < 4; i++) if (words[name + 2 + i] !== expected[at + 1 + i]) return false;
    return true;
  }

  /** The sender's sockaddr, for a path: copied word by word into `to[at..at+7)`. */
  copyName(slot: number, to: Int32Array, at: number): void {
    const name = slot * HEAD_WORDS;
    for (let i = 0; i < NAME_BYTES / 4; i++) to[at + i] = this.#headWords[name + i];
  }

  /**
   * Writes the control data that send an answer from the address this datagram was sent to; returns their bytes, 0 if
   * the kernel is to choose.
   */
  writeSource(to: Int32Array, at: number): number {
    const source = this.#destination;
    if (source === 0) return 0;
    const { control, hasPacketInfo } = this.#abi;
    const words = this.#headWords;
    to.fill(0, at, at + control.data);
    const data = at + control.data;
    if (!this.#destinationIsV6) {
      const length = hasPacketInfo ? 3 : 1;
      to[at] = (control.data + length) * 4;
      to[at + control.level] = IPPROTO_IP;
      to[at + control.type] = this.#abi.ipControl;
      // No interface: the way back is the routing table's.
      if (hasPacketInfo) to[data] = 0;
      to[data + (hasPacketInfo ? 1 : 0)] = words[source];
      if (hasPacketInfo) to[data + 2] = 0;
      return aligned(control.data + length, control.align) * 4;
    }
    const first = words[source] & 0xff;
    // ff00::/8: nobody answers from a multicast address.
    if (first === 0xff) return 0;
    to[at] = (control.data + 5) * 4;
    to[at + control.level] = IPPROTO_IPV6;
    to[at + control.type] = this.#abi.IPV6_PKTINFO;
    for (let i = 0; i < 4; i++) to[data + i] = words[source + i];
    // fe80::/10 means nothing without its interface.
    to[data + 4] = first === 0xfe ? words[source + 4] : 0;
    return aligned(control.data + 5, control.align) * 4;
  }

  close(): void {
    for (const mapping of [this.memory, this.#messages, this.#heads]) unmap(mapping);
  }

  /** As recvmmsg(2), which is not everywhere. */
  #receiveEach(fd: number, address: number, count: number): number {
    const { batchWords, batchLength } = this.#abi.layout;
    const untold = this.#untold.get(fd) ?? 0;
    this.#untold.delete(fd);
    if (untold !== 0) return untold;
    for (let i = 0; i < count; i++) {
      const message = address + i * batchWords * 4;
      const length = this.#libc.recvmsg(fd, message, MSG_DONTWAIT);
      if (length < 0) {
        const errno = lastErrno();
        // Being told it makes the kernel forget an error, so it is kept for the next call.
        if (i > 0 && errno !== ERRNO.EAGAIN) this.#untold.set(fd, -errno);
        return i > 0 ? i : -errno;
      }
      this.#messageWords[(message - this.#messages.address) / 4 + batchLength] = length;
    }
    return count;
  }

  /** The kernel has overwritten the two lengths with those of what it received. */
  #reset(message: number): void {
    const { layout } = this.#abi;
    this.#messageWords[message + layout.nameLength] = NAME_BYTES;
    this.#messageWords[message + layout.controlLength] = CONTROL_BYTES;
  }

  #setPointer(at: number, address: number): void {
    setPointer(this.#messageWords, at, address, this.#abi.layout.pointer);
  }
}

/** Words of control data that `words` of content take up. */
export function aligned(words: number, align: number): number {
  return words + (words % align);
}

/** Writes an address of so many words at `at`. */
export function setPointer(words: Int32Array, at: number, address: number, pointer: 1 | 2): void {
  const high = (address / 4294967296) | 0;
  words[at] = address - high * 4294967296;
  if (pointer === 2) words[at + 1] = high;
}

/** Network byte order to ours and back. */
export function swapped(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}
