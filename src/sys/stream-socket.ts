/**
 * Stream sockets by system call, for the engines that work on descriptors. Errors come back as -errno, so that
 * the hot path makes no exceptions.
 */
import { unlinkSync } from 'node:fs';
import type { Endpoint } from '../core/address.js';
import { ERRNO } from './errno.js';
import { type Libc, lastErrno, libc } from './libc.js';
import { type Mapping, mapAnonymous } from './memory.js';
import { familyOf, readIpSockaddr, readSockaddr, writeIpSockaddr, writeSockaddr } from './sockaddr.js';
import { F_SETFD, F_SETFL, FD_CLOEXEC, O_NONBLOCK } from './uapi/fcntl.js';
import * as uapi from './uapi/socket.js';

/** A C struct sockaddr at an address that stays. */
export interface Sockaddr {
  readonly family: number;
  readonly address: number;
  readonly length: number;
}

/** An address that need not be this host's: four words as in core/address (IPv4 mapped), and a port or 0. */
export interface ForeignSource {
  readonly kind: 'foreign';
  readonly words: Int32Array;
  readonly port: number;
}

export class StreamSockets {
  readonly #libc: Libc = libc();
  /** A page of scratch: an address at 0, its length at 128, an option's value at 136, that one's length at 144. */
  readonly #scratch: Mapping = mapAnonymous(4096);
  readonly #view = new DataView(this.#scratch.buffer);
  readonly #addressLength = new Int32Array(this.#scratch.buffer, 128, 1);
  readonly #option = new Int32Array(this.#scratch.buffer, 136, 2);
  readonly #optionLength = new Int32Array(this.#scratch.buffer, 144, 1);
  /** Endpoints are immutable, so each is laid out once. */
  readonly #sockaddrs = new WeakMap<Endpoint, Sockaddr>();
  #page: Mapping = mapAnonymous(65_536);
  #used = 0;

  /** The C form of an endpoint; valid as long as the process lives. */
  sockaddr(endpoint: Endpoint): Sockaddr {
    let known = this.#sockaddrs.get(endpoint);
    if (known === undefined) {
      if (this.#used + uapi.SOCKADDR_STORAGE_BYTES > this.#page.bytes) {
        this.#page = mapAnonymous(65_536);
        this.#used = 0;
      }
      const length = writeSockaddr(new DataView(this.#page.buffer), this.#used, endpoint);
      known = { family: familyOf(endpoint), address: this.#page.address + this.#used, length };
      this.#used += uapi.SOCKADDR_STORAGE_BYTES;
      this.#sockaddrs.set(endpoint, known);
    }
    return known;
  }

  /** A blocking stream socket of that family (`extraType`: SOCK_NONBLOCK for readiness engines), or -errno. */
  create(family: number, extraType: number): number {
    if (uapi.socketAbi.hasTypeFlags) {
      return this.#result(this.#libc.socket(family, uapi.SOCK_STREAM | uapi.SOCK_CLOEXEC | extraType, 0));
    }
    const fd = this.#result(this.#libc.socket(family, uapi.SOCK_STREAM, 0));
    if (fd >= 0) this.#prepare(fd, extraType);
    return fd;
  }

  /**
   * Binds and listens, or -errno. No SO_REUSEPORT: a second listener on the port is an error. An IPv6 wildcard
   * takes IPv4 clients too.
   */
  listen(endpoint: Endpoint, backlog: number, extraType: number): number {
    const group = this.listenGroup(endpoint, backlog, 1, extraType);
    return typeof group === 'number' ? group : (group[0] as number);
  }

  /**
   * So many listening sockets on one port, among which the kernel spreads the clients (SO_REUSEPORT), or -errno. The
   * first is bound without the flag, so that a port which any other process has is an error, and gets it before the
   * others come. A Unix socket cannot be shared out: its group are copies of one descriptor. A transparent listener
   * takes clients that are on their way to other hosts.
   */
  listenGroup(
    endpoint: Endpoint,
    backlog: number,
    count: number,
    extraType: number,
    isTransparent = false,
  ): number[] | number {
    const group: number[] = [];
    let target = endpoint;
    for (let i = 0; i < count; i++) {
      const isCopy = endpoint.kind === 'unix' && i > 0;
      const fd = isCopy
        ? this.duplicate(group[0] as number)
        : this.#listenOne(target, backlog, i, count > 1, extraType, isTransparent);
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

  /** Another descriptor for the same socket, or -errno. */
  duplicate(fd: number): number {
    return this.#result(this.#libc.fcntl(fd, uapi.F_DUPFD_CLOEXEC, 'int', 0));
  }

  #listenOne(
    endpoint: Endpoint,
    backlog: number,
    place: number,
    shared: boolean,
    extraType: number,
    isTransparent: boolean,
  ): number {
    const target = this.sockaddr(endpoint);
    const fd = this.create(target.family, extraType);
    if (fd < 0) return fd;
    const sharesPort = shared && target.family !== uapi.AF_UNIX;
    if (target.family !== uapi.AF_UNIX) this.#set(fd, uapi.SOL_SOCKET, uapi.SO_REUSEADDR, 1);
    if (target.family === uapi.AF_INET6) this.#set(fd, uapi.IPPROTO_IPV6, uapi.IPV6_V6ONLY, 0);
    if (sharesPort && place > 0) this.#set(fd, uapi.SOL_SOCKET, uapi.SO_REUSEPORT, 1);
    let result = isTransparent && target.family !== uapi.AF_UNIX ? this.setTransparent(fd, target.family, true) : 0;
    if (result === 0) result = this.#result(this.#libc.bind(fd, target.address, target.length));
    if (sharesPort && place === 0) this.#set(fd, uapi.SOL_SOCKET, uapi.SO_REUSEPORT, 1);
    if (result === 0) result = this.#result(this.#libc.listen(fd, backlog));
    if (result === 0) return fd;
    this.#libc.close(fd);
    return result;
  }

  /** The next client of a non-blocking listener, non-blocking itself; or -errno. */
  accept(listener: number): number {
    if (uapi.socketAbi.hasTypeFlags) {
      return this.#result(this.#libc.accept4(listener, 0, 0, uapi.SOCK_CLOEXEC | uapi.SOCK_NONBLOCK));
    }
    const fd = this.#result(this.#libc.accept(listener, 0, 0));
    if (fd >= 0) this.#prepare(fd, uapi.SOCK_NONBLOCK);
    return fd;
  }

  /** 0 if connected at once, else -errno: EINPROGRESS is the usual one, EAGAIN a Unix listener whose queue is full. */
  connectNow(fd: number, target: Sockaddr): number {
    return this.#result(this.#libc.connect(fd, target.address, target.length));
  }

  /** The error that a socket has met while nobody asked (0 or -errno); it is forgotten by asking. */
  pendingError(fd: number): number {
    this.#optionLength[0] = 4;
    const at = this.#scratch.address + 136;
    const result = this.#libc.getsockopt(fd, uapi.SOL_SOCKET, uapi.SO_ERROR, at, at + 8);
    return result < 0 ? -lastErrno() : -(this.#option[0] as number);
  }

  /**
   * Sets the local address of a socket of that family that is going to connect; the port is chosen at connect time,
   * unless a foreign address has one. -errno: EADDRNOTAVAIL, for a foreign address EPERM without the privilege.
   */
  bindSource(fd: number, family: number, source: Endpoint | ForeignSource): number {
    if (source.kind === 'foreign') return this.#bindForeign(fd, family, source);
    const local = this.sockaddr(source);
    if (uapi.IP_BIND_ADDRESS_NO_PORT !== 0) this.#set(fd, uapi.IPPROTO_IP, uapi.IP_BIND_ADDRESS_NO_PORT, 1);
    return this.#result(this.#libc.bind(fd, local.address, local.length));
  }

  /** Whether the socket may have an address that is not this host's; 0 or -errno (EPERM, EOPNOTSUPP). */
  setTransparent(fd: number, family: number, isTransparent: boolean): number {
    const { transparent } = uapi.socketAbi;
    if (transparent === undefined) return -ERRNO.EOPNOTSUPP;
    const { level, option } = family === uapi.AF_INET ? transparent.ip4 : transparent.ip6;
    return this.#set(fd, level, option, isTransparent ? 1 : 0);
  }

  /**
   * The same for a socket of datagrams, for which the port is chosen here. No two may have one address and port, as
   * nothing would tell the answers of one server to them apart.
   */
  bindDatagrams(fd: number, family: number, source: Endpoint | ForeignSource): number {
    if (source.kind === 'foreign') {
      const result = this.setTransparent(fd, family, true);
      return result < 0 ? result : this.#bindWords(fd, family, source);
    }
    const local = this.sockaddr(source);
    return this.#result(this.#libc.bind(fd, local.address, local.length));
  }

  #bindForeign(fd: number, family: number, source: ForeignSource): number {
    const result = this.setTransparent(fd, family, true);
    if (result < 0) return result;
    // The client's port may still be held by its last connection (TIME_WAIT), or by one to another server. Without one
    // the choice is made at connect time for the four-tuple: each client has all ports for each server.
    if (source.port !== 0) this.#set(fd, uapi.SOL_SOCKET, uapi.SO_REUSEADDR, 1);
    else if (uapi.IP_BIND_ADDRESS_NO_PORT !== 0) this.#set(fd, uapi.IPPROTO_IP, uapi.IP_BIND_ADDRESS_NO_PORT, 1);
    return this.#bindWords(fd, family, source);
  }

  #bindWords(fd: number, family: number, { words, port }: ForeignSource): number {
    const length = writeIpSockaddr(this.#view, 0, family, words, port);
    return this.#result(this.#libc.bind(fd, this.#scratch.address, length));
  }

  boundTo(fd: number): Endpoint {
    this.#addressLength[0] = uapi.SOCKADDR_STORAGE_BYTES;
    this.#libc.getsockname(fd, this.#scratch.address, this.#scratch.address + 128);
    return readSockaddr(this.#view, 0, this.#addressLength[0] as number);
  }

  /** Reads the peer's IP address into `words`; returns its port, -1 for a Unix socket, -errno (ENOTCONN) if it has gone. */
  peer(fd: number, words: Int32Array): number {
    this.#addressLength[0] = uapi.SOCKADDR_STORAGE_BYTES;
    if (this.#libc.getpeername(fd, this.#scratch.address, this.#scratch.address + 128) < 0) {
      words.fill(0);
      return -lastErrno();
    }
    return readIpSockaddr(this.#view, 0, words);
  }

  setNonBlocking(fd: number): void {
    this.#libc.fcntl(fd, F_SETFL, 'int', O_NONBLOCK);
  }

  setNoDelay(fd: number): void {
    this.#set(fd, uapi.IPPROTO_TCP, uapi.TCP_NODELAY, 1);
  }

  setKeepAlive(fd: number): void {
    this.#set(fd, uapi.SOL_SOCKET, uapi.SO_KEEPALIVE, 1);
  }

  /** The next close sends a reset. */
  setResetOnClose(fd: number): void {
    this.#option[0] = 1;
    this.#option[1] = 0;
    this.#libc.setsockopt(fd, uapi.SOL_SOCKET, uapi.SO_LINGER, this.#scratch.address + 136, 8);
  }

  /** Bytes that the kernel took without waiting, or -errno. */
  sendNow(fd: number, address: number, length: number): number {
    return this.#result(this.#libc.send(fd, address, length, uapi.MSG_DONTWAIT | uapi.MSG_NOSIGNAL));
  }

  /** Bytes that were there to be read from a non-blocking socket, 0 at the end of the stream, or -errno. */
  receiveNow(fd: number, address: number, length: number): number {
    return this.#result(this.#libc.recv(fd, address, length, 0));
  }

  /** Bytes in the send queue that the peer has not acknowledged; negative where that cannot be told. */
  unsentBytes(fd: number): number {
    if (uapi.SIOCOUTQ === 0) return -1;
    const result = this.#result(this.#libc.ioctl(fd, uapi.SIOCOUTQ, this.#scratch.address + 136));
    return result < 0 ? result : this.#option[0];
  }

  shutdownWrite(fd: number): void {
    this.#libc.shutdown(fd, uapi.SHUT_WR);
  }

  /** Refuses new clients and lets another socket have the port, before the descriptor is closed. */
  shutdownListener(fd: number): void {
    this.#libc.shutdown(fd, uapi.SHUT_RDWR);
  }

  close(fd: number): void {
    this.#libc.close(fd);
  }

  /** What socket(2) and accept4(2) do elsewhere by flags of the type. */
  #prepare(fd: number, extraType: number): void {
    this.#libc.fcntl(fd, F_SETFD, 'int', FD_CLOEXEC);
    if (extraType === uapi.SOCK_NONBLOCK) this.setNonBlocking(fd);
  }

  #set(fd: number, level: number, option: number, value: number): number {
    this.#option[0] = value;
    return this.#result(this.#libc.setsockopt(fd, level, option, this.#scratch.address + 136, 4));
  }

  #result(value: number): number {
    return value < 0 ? -lastErrno() : value;
  }
}

/** Removes the file of a Unix listener; it may have gone, or be out of reach after privileges were dropped. */
export function removeSocketFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Nothing depends on it: the next start finds it stale and removes it.
  }
}
