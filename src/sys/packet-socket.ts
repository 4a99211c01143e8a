/** Frames of an interface, past the network stack (packet(7)); Linux. Requires CAP_NET_RAW. */
import { ERRNO, SystemError } from './errno.js';
import { check, lastErrno, libc } from './libc.js';
import { type Mapping, mapAnonymous, unmap } from './memory.js';
import { interfaceIndex } from './network-interface.js';
import { attachFilter } from './socket-filter.js';
import * as uapi from './uapi/packet.js';
import { MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCKADDR_STORAGE_BYTES } from './uapi/socket.js';

const FRAME_BYTES = 2048;
/** In the socket's memory: frame received, address, frame to be sent, as long as any MTU allows. */
const ADDRESS_AT = FRAME_BYTES;
const SEND_AT = 4096;
const MEMORY_BYTES = SEND_AT + 65_536 + 4096;

export interface PacketSocketOptions {
  readonly interfaceName: string;
  /** Of the frames that are received; 0 for none, until `listen`. */
  readonly etherType: number;
  /** Lets the kernel keep frames away that nobody wants; offsets count from the Ethernet header. */
  readonly filter?: uapi.ClassicFilter;
}

export class PacketSocket {
  readonly #interfaceName: string;
  readonly #index: number;
  readonly #fd: number;
  readonly #memory: Mapping;
  readonly #bytes: Uint8Array;
  #isClosed = false;

  /** Throws a SystemError: EPERM, ENODEV. */
  constructor({ interfaceName, etherType, filter }: PacketSocketOptions) {
    this.#interfaceName = interfaceName;
    this.#index = interfaceIndex(interfaceName);
    const type = uapi.SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    // Protocol 0 receives nothing: the filter is to be there before the first frame.
    this.#fd = check(libc().socket(uapi.AF_PACKET, type, 0), 'open a packet socket on', interfaceName);
    this.#memory = mapAnonymous(MEMORY_BYTES);
    this.#bytes = new Uint8Array(this.#memory.buffer);
    try {
      if (filter) attachFilter(this.#fd, filter);
      this.listen(etherType);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Frames of this type are received from now on; no capability is needed for it. Throws a SystemError. */
  listen(etherType: number): void {
    const view = new DataView(this.#memory.buffer, ADDRESS_AT, SOCKADDR_STORAGE_BYTES);
    view.setUint16(uapi.SOCKADDR_LL.family, uapi.AF_PACKET, true);
    view.setUint16(uapi.SOCKADDR_LL.protocolBe, etherType, false);
    view.setInt32(uapi.SOCKADDR_LL.index, this.#index, true);
    const address = this.#memory.address + ADDRESS_AT;
    check(libc().bind(this.#fd, address, uapi.SOCKADDR_LL.bytes), 'bind a packet socket to', this.#interfaceName);
  }

  /** Sends a frame as it is; false if the interface is down or its queue full, which passes, or it is too long for it. */
  send(frame: Uint8Array): boolean {
    this.#bytes.set(frame, SEND_AT);
    const sent = libc().send(this.#fd, this.#memory.address + SEND_AT, frame.length, MSG_DONTWAIT);
    return sent === frame.length;
  }

  /** The next frame that waits, its first 2,048 bytes; undefined if none does. A copy. */
  receive(): Uint8Array | undefined {
    const length = libc().recv(this.#fd, this.#memory.address, FRAME_BYTES, MSG_DONTWAIT);
    if (length >= 0) return this.#bytes.slice(0, length);
    const errno = lastErrno();
    // An interface that went down says so once.
    if (errno === ERRNO.EAGAIN || errno === ERRNO.ENETDOWN) return undefined;
    throw new SystemError('receive from a packet socket', errno);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    libc().close(this.#fd);
    unmap(this.#memory);
  }
}
