/**
 * Netlink, whatever is talked about (netlink(7)): messages of a header, a body and attributes, some of which hold others.
 * The kernel works on what is sent before `send` returns, so its answers are there then. Linux.
 *
 *   nlmsghdr   length:32 type:16 flags:16 sequence:32 port:32      body   attribute*
 *   attribute  length:16 type:16   value, filled up to a multiple of four
 */
import { ERRNO, SystemError } from './errno.js';
import { check, lastErrno, libc } from './libc.js';
import { type Mapping, mapAnonymous, unmap } from './memory.js';
import * as uapi from './uapi/netlink.js';
import { MSG_DONTWAIT, SOCK_CLOEXEC } from './uapi/socket.js';

/** A value, or the attributes that it consists of. */
export type Attribute = readonly [type: number, value: Uint8Array | readonly Attribute[]];

export interface NetlinkMessage {
  readonly type: number;
  /** NLM_F_REQUEST is added. */
  readonly flags: number;
  readonly sequence: number;
  /** What stands before the attributes. */
  readonly body: Uint8Array;
  readonly attributes?: readonly Attribute[];
}

/** Messages as they are sent, one behind the other. Throws a RangeError for an attribute that is too long. */
export function encodeMessages(messages: readonly NetlinkMessage[]): Uint8Array {
  const lengths = messages.map(({ body, attributes = [] }) => uapi.NLMSGHDR.bytes + body.length + bytesIn(attributes));
  const bytes = new Uint8Array(lengths.reduce((sum, length) => sum + aligned(length), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [i, { type, flags, sequence, body, attributes = [] }] of messages.entries()) {
    view.setUint32(at + uapi.NLMSGHDR.length, lengths[i], true);
    view.setUint16(at + uapi.NLMSGHDR.type, type, true);
    view.setUint16(at + uapi.NLMSGHDR.flags, flags | uapi.NLM_F_REQUEST, true);
    view.setUint32(at + uapi.NLMSGHDR.sequence, sequence, true);
    bytes.set(body, at + uapi.NLMSGHDR.bytes);
    writeAttributes(bytes, view, at + uapi.NLMSGHDR.bytes + body.length, attributes);
    at += aligned(lengths[i]);
  }
  return bytes;
}

/** Attributes of a message by type; what does not fit ends them. */
export function attributes(view: DataView, from: number, end: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  for (let at = from; at + uapi.RTATTR_BYTES <= end; ) {
    const length = view.getUint16(at, true);
    if (length < uapi.RTATTR_BYTES || at + length > end) break;
    const value = new DataView(view.buffer, view.byteOffset + at + uapi.RTATTR_BYTES, length - uapi.RTATTR_BYTES);
    found.set(view.getUint16(at + 2, true) & 0x3fff, value);
    at += aligned(length);
  }
  return found;
}

/** A socket to talk to a part of the kernel; the caller closes it. */
export class NetlinkSocket {
  readonly #fd: number;
  readonly #memory: Mapping;
  #isClosed = false;

  /** `room` is for the longest that is sent or received in one go. Throws a SystemError. */
  constructor(protocol: number, room: number) {
    this.#fd = check(libc().socket(uapi.AF_NETLINK, uapi.SOCK_RAW | SOCK_CLOEXEC, protocol), 'open a netlink socket');
    this.#memory = mapAnonymous(room);
  }

  /** A number that no other socket of this protocol has in the network namespace. Throws a SystemError. */
  name(): number {
    const { address, buffer } = this.#memory;
    const view = new DataView(buffer);
    const lengthAt = uapi.SOCKADDR_NL.bytes;
    new Uint8Array(buffer).fill(0, 0, lengthAt);
    view.setUint16(uapi.SOCKADDR_NL.family, uapi.AF_NETLINK, true);
    view.setUint32(lengthAt, uapi.SOCKADDR_NL.bytes, true);
    check(libc().bind(this.#fd, address, uapi.SOCKADDR_NL.bytes), 'bind a netlink socket');
    check(libc().getsockname(this.#fd, address, address + lengthAt), 'name a netlink socket');
    return view.getUint32(uapi.SOCKADDR_NL.port, true);
  }

  /** Sends whole messages; `action` is what an error says that could not be done. Throws a SystemError. */
  send(messages: Uint8Array, action: string): void {
    new Uint8Array(this.#memory.buffer).set(messages);
    check(libc().send(this.#fd, this.#memory.address, messages.length, 0), action);
  }

  /** What the kernel has answered next; good until the next call. Throws a SystemError: EAGAIN if there is nothing. */
  receive(action: string): DataView {
    for (;;) {
      const received = libc().recv(this.#fd, this.#memory.address, this.#memory.bytes, MSG_DONTWAIT);
      if (received >= 0) return new DataView(this.#memory.buffer, 0, received);
      const errno = lastErrno();
      if (errno !== ERRNO.EINTR) throw new SystemError(action, errno);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    libc().close(this.#fd);
    unmap(this.#memory);
  }
}

function writeAttributes(bytes: Uint8Array, view: DataView, from: number, list: readonly Attribute[]): void {
  let at = from;
  for (const [type, value] of list) {
    const isLeaf = value instanceof Uint8Array;
    const length = uapi.RTATTR_BYTES + (isLeaf ? value.length : bytesIn(value));
    if (length > 0xffff) throw new RangeError(`netlink attribute ${type} has ${length} bytes, 65,535 are the most`);
    view.setUint16(at, length, true);
    view.setUint16(at + 2, isLeaf ? type : type | uapi.NLA_F_NESTED, true);
    if (isLeaf) bytes.set(value, at + uapi.RTATTR_BYTES);
    else writeAttributes(bytes, view, at + uapi.RTATTR_BYTES, value);
    at += aligned(length);
  }
}

function bytesIn(list: readonly Attribute[]): number {
  let sum = 0;
  for (const [, value] of list) {
    sum += uapi.RTATTR_BYTES + aligned(value instanceof Uint8Array ? value.length : bytesIn(value));
  }
  return sum;
}

function aligned(length: number): number {
  return Math.ceil(length / 4) * 4;
}
