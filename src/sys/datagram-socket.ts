/**
 * UDP sockets by system call: bound ones for clients, connected ones for servers. Errors come back as -errno, so that
 * the hot path makes no exceptions. Batches of messages are the engine's business.
 */
import { ANY_V4, ANY_V6, type Endpoint, isV4 } from '../core/address.js';
import { type Libc, lastErrno, libc } from './libc.js';
import { type Mapping, mapAnonymous } from './memory.js';
import { type ForeignSource, type Sockaddr, StreamSockets } from './stream-socket.js';
import { F_SETFD, F_SETFL, FD_CLOEXEC, O_NONBLOCK } from './uapi/fcntl.js';
import * as message from './uapi/message.js';
import * as uapi from './uapi/socket.js';

/**
 * Room for what comes while a worker is busy elsewhere: at 100,000 datagrams a second 10 ms of them, counted with the
 * kernel's 768 bytes for each small one.
 */
const LISTENER_BUFFER_BYTES = 4 * 1024 * 1024;
/** The same for what comes from a server within one session; a limit, no memory is taken before it is needed. */
const SERVER_BUFFER_BYTES = 1024 * 1024;
/** sk_buff counts of SO_MEMINFO; the drops are the ninth (<linux/sock_diag.h>). */
const MEMINFO_BYTES = 36;

export class DatagramSockets {
  readonly #libc: Libc = libc();
  /** Addresses, copies and closing are the same for all sockets. */
  readonly #sockets = new StreamSockets();
  readonly #scratch: Mapping = mapAnonymous(4096);
  readonly #option = new Int32Array(this.#scratch.buffer, 0, 16);
  readonly #optionLength = new Int32Array(this.#scratch.buffer, 128, 1);

  /**
   * So many sockets bound to one port, among which the kernel spreads the clients by address and port (SO_REUSEPORT),
   * or -errno. The first is bound without the flag, so that a port which any other process has is an error. Transparent
   * ones take what is on its way to other hosts.
   */
  bindGroup(endpoint: Endpoint, count: number, isTransparent = false): number[] | number {
    const group: number[] = [];
    let target = endpoint;
    for (let i = 0; i < count; i++) {
      const fd = this.#bindOne(target, i, count > 1, isTransparent);
      if (fd < 0) {
        for (const opened of group) this.close(opened);
        return fd;
      }
      // Port 0: the others join the port that the first was given.
      if (i === 0) target = this.boundTo(fd);
      group.push(fd);
    }
    return group;
  }

  #bindOne(endpoint: Endpoint, place: number, shared: boolean, isTransparent: boolean): number {
    const target = this.#sockets.sockaddr(endpoint);
    const fd = this.#create(target.family);
    if (fd < 0) return fd;
    if (target.family === uapi.AF_INET6) this.#set(fd, uapi.IPPROTO_IPV6, uapi.IPV6_V6ONLY, 0);
    if (shared && place > 0) this.#set(fd, uapi.SOL_SOCKET, uapi.SO_REUSEPORT, 1);
    this.#enlarge(fd);
    let result = isTransparent ? this.setTransparent(fd, target.family, true) : 0;
    if (result === 0) result = this.#result(this.#libc.bind(fd, target.address, target.length));
    if (result < 0) {
      this.close(fd);
      return result;
    }
    if (shared && place === 0) this.#set(fd, uapi.SOL_SOCKET, uapi.SO_REUSEPORT, 1);
    return fd;
  }

  /** Has each datagram tell which local address it was sent to; only a wildcard socket needs to ask. */
  askDestination(fd: number, isV6: boolean): void {
    const abi = message.messageAbi;
    if (isV6) this.#set(fd, uapi.IPPROTO_IPV6, abi.IPV6_RECVPKTINFO, 1);
    else this.#set(fd, uapi.IPPROTO_IP, abi.ipOption, 1);
  }

  /** Takes runs of datagrams of one size joined into one (UDP_GRO, Linux 5.0); false where there is no such thing. */
  joinReceived(fd: number): boolean {
    const { UDP_GRO } = message.messageAbi;
    return UDP_GRO !== 0 && this.#set(fd, message.SOL_UDP, UDP_GRO, 1) === 0;
  }

  /** Whether the socket may have an address that is not this host's; 0 or -errno (EPERM, EOPNOTSUPP). */
  setTransparent(fd: number, family: number, isTransparent: boolean): number {
    return this.#sockets.setTransparent(fd, family, isTransparent);
  }

  /** A non-blocking socket that talks to that address only, or -errno: for a foreign source also EPERM, EADDRINUSE. */
  connect(target: Sockaddr, source: Endpoint | ForeignSource | undefined): number {
    const fd = this.#create(target.family);
    if (fd < 0) return fd;
    this.#set(fd, uapi.SOL_SOCKET, message.messageAbi.SO_RCVBUF, SERVER_BUFFER_BYTES);
    let result = 0;
    if (source !== undefined) result = this.#sockets.bindDatagrams(fd, target.family, source);
    if (result === 0) result = this.#sockets.connectNow(fd, target);
    if (result === 0) return fd;
    this.close(fd);
    return result;
  }

  /** The C form of an endpoint; valid as long as the process lives. */
  sockaddr(endpoint: Endpoint): Sockaddr {
    return this.#sockets.sockaddr(endpoint);
  }

  boundTo(fd: number): Endpoint {
    return this.#sockets.boundTo(fd);
  }

  duplicate(fd: number): number {
    return this.#sockets.duplicate(fd);
  }

  close(fd: number): void {
    this.#libc.close(fd);
  }

  /** Datagrams that the kernel threw away because the socket's buffer was full; 0 where it does not tell. */
  dropped(fd: number): number {
    const { SO_MEMINFO } = message.messageAbi;
    if (SO_MEMINFO === 0) return 0;
    this.#optionLength[0] = MEMINFO_BYTES;
    const { address } = this.#scratch;
    const result = this.#libc.getsockopt(fd, uapi.SOL_SOCKET, SO_MEMINFO, address, address + 128);
    return result < 0 ? 0 : this.#option[8] >>> 0;
  }

  #create(family: number): number {
    if (uapi.socketAbi.hasTypeFlags) {
      return this.#result(this.#libc.socket(family, message.SOCK_DGRAM | uapi.SOCK_CLOEXEC | uapi.SOCK_NONBLOCK, 0));
    }
    const fd = this.#result(this.#libc.socket(family, message.SOCK_DGRAM, 0));
    if (fd >= 0) {
      this.#libc.fcntl(fd, F_SETFD, 'int', FD_CLOEXEC);
      this.#libc.fcntl(fd, F_SETFL, 'int', O_NONBLOCK);
    }
    return fd;
  }

  /** As far as the system allows; what it does not is no error. */
  #enlarge(fd: number): void {
    const { SO_RCVBUF, SO_RCVBUFFORCE, SO_SNDBUF } = message.messageAbi;
    if (SO_RCVBUFFORCE === 0 || this.#set(fd, uapi.SOL_SOCKET, SO_RCVBUFFORCE, LISTENER_BUFFER_BYTES) < 0) {
      this.#set(fd, uapi.SOL_SOCKET, SO_RCVBUF, LISTENER_BUFFER_BYTES);
    }
    this.#set(fd, uapi.SOL_SOCKET, SO_SNDBUF, LISTENER_BUFFER_BYTES);
  }

  #set(fd: number, level: number, option: number, value: number): number {
    this.#option[0] = value;
    return this.#result(this.#libc.setsockopt(fd, level, option, this.#scratch.address, 4));
  }

  #result(value: number): number {
    return value < 0 ? -lastErrno() : value;
  }
}

/** Bound to every address of the host. */
export function isWildcard(endpoint: Endpoint): boolean {
  if (endpoint.kind !== 'ip') return false;
  const any = isV4(endpoint.address) ? ANY_V4 : ANY_V6;
  return endpoint.address.every((word, i) => word === any[i]);
}
