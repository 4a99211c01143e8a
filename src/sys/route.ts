/** Which way packets go: the kernel's own answer (RTM_GETROUTE), with its rules, metrics and learnt exceptions. Linux. */
import { ERRNO, SystemError } from './errno.js';
import { check, lastErrno, libc } from './libc.js';
import { type Mapping, mapAnonymous, unmap } from './memory.js';
import * as uapi from './uapi/netlink.js';
import { AF_INET, AF_INET6, MSG_DONTWAIT, SOCK_CLOEXEC } from './uapi/socket.js';

export interface Route {
  readonly interfaceIndex: number;
  /** 4 or 16 bytes, undefined where the destination is on the link itself. */
  readonly gateway: Uint8Array | undefined;
  /** Of the route if it has one of its own, by configuration or learnt; else the interface's counts. */
  readonly mtu: number | undefined;
  /** False for this host's own addresses, and where packets are refused. */
  readonly isUnicast: boolean;
}

const ROOM = 4096;

/** A socket to ask with; the caller closes it. */
export class Routes {
  readonly #fd: number;
  readonly #memory: Mapping = mapAnonymous(ROOM);
  #sequence = 0;
  #isClosed = false;

  /** Throws a SystemError. */
  constructor() {
    this.#fd = check(
      libc().socket(uapi.AF_NETLINK, uapi.SOCK_RAW | SOCK_CLOEXEC, uapi.NETLINK_ROUTE),
      'open a netlink socket',
    );
  }

  /** The route to an address of 4 or 16 bytes; undefined if there is none. Throws a SystemError. */
  to(address: Uint8Array): Route | undefined {
    const length = this.#ask(address);
    for (;;) {
      const received = libc().recv(this.#fd, this.#memory.address, ROOM, MSG_DONTWAIT);
      if (received < 0) {
        const errno = lastErrno();
        if (errno === ERRNO.EINTR) continue;
        throw new SystemError('ask for a route', errno);
      }
      const answer = new DataView(this.#memory.buffer.slice(0, received));
      // An answer to a question before this one, which was given up.
      if (received < length || answer.getUint32(uapi.NLMSGHDR.sequence, true) !== this.#sequence) continue;
      return routeIn(answer);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    libc().close(this.#fd);
    unmap(this.#memory);
  }

  /** Gives the length of the least answer. */
  #ask(address: Uint8Array): number {
    const attributeAt = uapi.NLMSGHDR.bytes + uapi.RTMSG.bytes;
    const length = attributeAt + uapi.RTATTR_BYTES + address.length;
    const bytes = new Uint8Array(this.#memory.buffer, 0, length).fill(0);
    const view = new DataView(this.#memory.buffer);
    this.#sequence = (this.#sequence + 1) >>> 0;
    view.setUint32(uapi.NLMSGHDR.length, length, true);
    view.setUint16(uapi.NLMSGHDR.type, uapi.RTM_GETROUTE, true);
    view.setUint16(uapi.NLMSGHDR.flags, uapi.NLM_F_REQUEST, true);
    view.setUint32(uapi.NLMSGHDR.sequence, this.#sequence, true);
    bytes[uapi.NLMSGHDR.bytes + uapi.RTMSG.family] = address.length === 4 ? AF_INET : AF_INET6;
    bytes[uapi.NLMSGHDR.bytes + uapi.RTMSG.destinationBits] = address.length * 8;
    view.setUint16(attributeAt, uapi.RTATTR_BYTES + address.length, true);
    view.setUint16(attributeAt + 2, uapi.RTA_DST, true);
    bytes.set(address, attributeAt + uapi.RTATTR_BYTES);
    check(libc().send(this.#fd, this.#memory.address, length, 0), 'ask for a route');
    return uapi.NLMSGHDR.bytes + 4;
  }
}

function routeIn(answer: DataView): Route | undefined {
  const type = answer.getUint16(uapi.NLMSGHDR.type, true);
  if (type === uapi.NLMSG_ERROR) {
    const errno = -answer.getInt32(uapi.NLMSGHDR.bytes, true);
    // Unreachable, blackhole and prohibit are said as errors too.
    const says: readonly number[] = [ERRNO.ENETUNREACH, ERRNO.EHOSTUNREACH, ERRNO.EINVAL, ERRNO.EACCES];
    if (says.includes(errno)) return undefined;
    throw new SystemError('ask for a route', errno);
  }
  if (type !== uapi.RTM_NEWROUTE) return undefined;
  const found = attributes(answer, uapi.NLMSGHDR.bytes + uapi.RTMSG.bytes, answer.byteLength);
  const via = found.get(uapi.RTA_VIA);
  const metrics = found.get(uapi.RTA_METRICS);
  const mtu = metrics && attributes(metrics, 0, metrics.byteLength).get(uapi.RTAX_MTU)?.getUint32(0, true);
  return {
    interfaceIndex: found.get(uapi.RTA_OIF)?.getUint32(0, true) ?? 0,
    gateway: bytesOf(found.get(uapi.RTA_GATEWAY)) ?? bytesOf(via)?.slice(2),
    mtu: mtu === 0 ? undefined : mtu,
    isUnicast: answer.getUint8(uapi.NLMSGHDR.bytes + uapi.RTMSG.type) === uapi.RTN_UNICAST,
  };
}

/** Attributes of a message by type; what does not fit ends them. */
export function attributes(view: DataView, from: number, end: number): Map<number, DataView> {
  const found = new Map<number, DataView>();
  for (let at = from; at + uapi.RTATTR_BYTES <= end; ) {
    const length = view.getUint16(at, true);
    if (length < uapi.RTATTR_BYTES || at + length > end) break;
    const value = new DataView(view.buffer, view.byteOffset + at + uapi.RTATTR_BYTES, length - uapi.RTATTR_BYTES);
    found.set(view.getUint16(at + 2, true) & 0x3fff, value);
    at += Math.ceil(length / 4) * 4;
  }
  return found;
}

function bytesOf(view: DataView | undefined): Uint8Array | undefined {
  return view && new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
}
