/** A datagram socket that sends lines of ours to one address, and never waits: what the kernel has no room for is lost. */
import { formatEndpoint, type IpEndpoint } from '../core/address.js';
import { check, type Libc, lastErrno, libc } from './libc.js';
import { type Mapping, mapAnonymous, unmap } from './memory.js';
import { familyOf, writeSockaddr } from './sockaddr.js';
import { F_SETFD, F_SETFL, FD_CLOEXEC, O_NONBLOCK } from './uapi/fcntl.js';
import { MSG_NOSIGNAL, SOCK_DGRAM } from './uapi/socket.js';

const PAGE = 4096;

export class LineSocket {
  /** The line to send is written here. */
  readonly bytes: Uint8Array;
  readonly #libc: Libc = libc();
  readonly #memory: Mapping;
  readonly #descriptor: number;

  /** Throws a SystemError. Requires FFI. */
  static open(to: IpEndpoint): LineSocket {
    const { socket, connect, fcntl, close } = libc();
    const descriptor = check(socket(familyOf(to), SOCK_DGRAM, 0), 'socket', formatEndpoint(to));
    const memory = mapAnonymous(PAGE);
    try {
      check(fcntl(descriptor, F_SETFD, 'int', FD_CLOEXEC), 'fcntl');
      check(fcntl(descriptor, F_SETFL, 'int', O_NONBLOCK), 'fcntl');
      const length = writeSockaddr(new DataView(memory.buffer), 0, to);
      check(connect(descriptor, memory.address, length), 'connect', formatEndpoint(to));
    } catch (error) {
      close(descriptor);
      unmap(memory);
      throw error;
    }
    return new LineSocket(descriptor, memory);
  }

  private constructor(descriptor: number, memory: Mapping) {
    this.#descriptor = descriptor;
    this.#memory = memory;
    this.bytes = new Uint8Array(memory.buffer);
  }

  /** Sends the first `length` of `bytes`: 0, or -errno. */
  send(length: number): number {
    return this.#libc.send(this.#descriptor, this.#memory.address, length, MSG_NOSIGNAL) < 0 ? -lastErrno() : 0;
  }

  /** To be called once. */
  close(): void {
    this.#libc.close(this.#descriptor);
    unmap(this.#memory);
  }
}
