/** Which way packets go: the kernel's own answer (RTM_GETROUTE), with its rules, metrics and learnt exceptions. Linux. */
import { ERRNO, SystemError } from './errno.js';
import { attributes, encodeMessages, NetlinkSocket } from './netlink.js';
import * as uapi from './uapi/netlink.js';
import { AF_INET, AF_INET6 } from './uapi/socket.js';

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
const ACTION = 'ask for a route';

/** A socket to ask with; the caller closes it. */
export class Routes {
  readonly #socket = new NetlinkSocket(uapi.NETLINK_ROUTE, ROOM);
  #sequence = 0;

  /** The route to an address of 4 or 16 bytes; undefined if there is none. Throws a SystemError. */
  to(address: Uint8Array): Route | undefined {
    this.#ask(address);
    for (;;) {
      const answer = this.#socket.receive(ACTION);
      // An answer to a question before this one, which was given up.
      if (answer.byteLength < uapi.NLMSGHDR.bytes + 4) continue;
      if (answer.getUint32(uapi.NLMSGHDR.sequence, true) !== this.#sequence) continue;
      return routeIn(answer);
    }
  }

  close(): void {
    this.#socket.close();
  }

  #ask(address: Uint8Array): void {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const body = new Uint8Array(uapi.RTMSG.bytes);
    body[uapi.RTMSG.family] = address.length === 4 ? AF_INET : AF_INET6;
    body[uapi.RTMSG.destinationBits] = address.length * 8;
    const head = { type: uapi.RTM_GETROUTE, flags: 0, sequence: this.#sequence, body };
    this.#socket.send(encodeMessages([{ ...head, attributes: [[uapi.RTA_DST, address]] }]), ACTION);
  }
}

function routeIn(answer: DataView): Route | undefined {
  const type = answer.getUint16(uapi.NLMSGHDR.type, true);
  if (type === uapi.NLMSG_ERROR) {
    const errno = -answer.getInt32(uapi.NLMSGHDR.bytes, true);
    // Unreachable, blackhole and prohibit are said as errors too.
    const says: readonly number[] = [ERRNO.ENETUNREACH, ERRNO.EHOSTUNREACH, ERRNO.EINVAL, ERRNO.EACCES];
    if (says.includes(errno)) return undefined;
    throw new SystemError(ACTION, errno);
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

function bytesOf(view: DataView | undefined): Uint8Array | undefined {
  return view && new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
}
