/**
 * The packet sockets behind a `PacketRing`: made by one thread, which may have rights that the thread that blocks on
 * them has not. Two sockets, as one may have rings of one version only, and a transmit ring of version 3 needs kernel 4.11.
 * Requires CAP_NET_RAW.
 */
import { ERRNO, SystemError } from './errno.js';
import { check, lastErrno, libc } from './libc.js';
import { type Mapping, mapAnonymous, mapOver, unmap } from './memory.js';
import { interfaceIndex } from './network-interface.js';
import { RESERVED_BYTES, type RingGeometry, type RingKernel, ROOM_TO_GROW } from './packet-ring.js';
import { attachFilter } from './socket-filter.js';
import * as uapi from './uapi/packet.js';
import { POLLERR, POLLIN } from './uapi/poll.js';
import {
  MSG_DONTWAIT,
  SO_ERROR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCKADDR_STORAGE_BYTES,
  SOL_SOCKET,
} from './uapi/socket.js';

export interface PacketRingOptions {
  readonly interfaceName: string;
  /** Of the interface. */
  readonly mtu: number;
  readonly receiveBytes: number;
  readonly transmitBytes: number;
  /** Which frames come, until it is taken off; all if it is undefined. */
  readonly filter?: uapi.ClassicFilter;
}

/** Numbers only, so that it can be handed to a thread. */
export interface OpenPacketRing {
  readonly interfaceName: string;
  readonly receives: number;
  readonly sends: number;
  readonly address: number;
  readonly geometry: RingGeometry;
}

/** A block holds the longest frame that the kernel puts together, and is what it can still find in one piece. */
const BLOCK_BYTES = 1 << 17;
const LONG_BYTES = 1 << 17;
/** The shortest time there is, in ms: so long a frame may wait in a block that is not full. */
const RETIRE_MS = 1;
/** In a slot: room for both headers in front, a multiple of four. */
const FRAME_AT = 44;
/** Ethernet header and two tags. */
const LINK_BYTES = 14 + 2 * 4;
/** In the memory of a kernel's ear: behind the two struct pollfd. */
const SCRATCH_AT = 64;

/** Opens both sockets and maps their rings. Throws a SystemError: EPERM, ENODEV, ENOMEM. */
export function openPacketRing(options: PacketRingOptions): OpenPacketRing {
  const { interfaceName, mtu } = options;
  const slotBytes = 2 ** Math.ceil(Math.log2(mtu + LINK_BYTES + FRAME_AT + ROOM_TO_GROW));
  const blocks = Math.ceil(options.receiveBytes / BLOCK_BYTES);
  const slots = Math.ceil(options.transmitBytes / BLOCK_BYTES) * (BLOCK_BYTES / slotBytes);
  const transmitAt = blocks * BLOCK_BYTES;
  const longAt = transmitAt + slots * slotBytes;
  let memory: Mapping | undefined;
  let receives: Socket | undefined;
  let sends: Socket | undefined;
  try {
    receives = new Socket(interfaceName);
    receives.setVersion(uapi.TPACKET_V3);
    receives.set(uapi.PACKET_RESERVE, RESERVED_BYTES, 'reserve room in the ring of');
    // Since 4.20; the ring looks at each frame anyway.
    const isOf420 = receives.try(uapi.SOL_PACKET, uapi.PACKET_IGNORE_OUTGOING, 1) === 0;
    const ring = { blockBytes: BLOCK_BYTES, blocks, frameBytes: slotBytes };
    receives.makeRing(uapi.PACKET_RX_RING, { ...ring, retireMs: RETIRE_MS });
    sends = new Socket(interfaceName);
    sends.setVersion(uapi.TPACKET_V2);
    // A frame that cannot be sent is skipped: it would stand in the way of all others for ever.
    sends.set(uapi.PACKET_LOSS, 1, 'skip bad frames in the ring of');
    sends.try(uapi.SOL_PACKET, uapi.PACKET_QDISC_BYPASS, 1);
    sends.set(uapi.PACKET_TX_HAS_OFF, 1, 'choose where frames begin in the ring of');
    // Transmit rings know it since 4.6, and do not say so.
    const headerBytes =
      isOf420 && sends.try(uapi.SOL_PACKET, uapi.PACKET_VNET_HDR, 1) === 0 ? uapi.VNET_HEADER.bytes : 0;
    sends.try(SOL_SOCKET, uapi.SO_SNDBUFFORCE, 2 * slots * slotBytes);
    sends.makeRing(uapi.PACKET_TX_RING, { ...ring, blocks: (slots * slotBytes) / BLOCK_BYTES });
    memory = mapAnonymous(longAt + LONG_BYTES);
    mapOver(memory, 0, transmitAt, receives.fd);
    mapOver(memory, transmitAt, longAt - transmitAt, sends.fd);
    sends.bind(0);
    if (options.filter) attachFilter(receives.fd, options.filter);
    // From here on frames come.
    receives.bind(uapi.ETH_P_ALL);
    const geometry: RingGeometry = {
      blockBytes: BLOCK_BYTES,
      blocks,
      transmitAt,
      slotBytes,
      slots,
      frameAt: FRAME_AT,
      headerBytes,
      longAt,
      longBytes: LONG_BYTES,
    };
    return { interfaceName, receives: receives.fd, sends: sends.fd, address: memory.address, geometry };
  } catch (error) {
    receives?.close();
    sends?.close();
    if (memory) unmap(memory);
    throw error;
  } finally {
    receives?.free();
    sends?.free();
  }
}

/** The thread that uses the ring must have ended. */
export function closePacketRing({ receives, sends, address, geometry }: OpenPacketRing): void {
  libc().close(receives);
  libc().close(sends);
  libc().munmap(address, geometry.longAt + geometry.longBytes);
}

/** Frames that the receive ring had no room for, since the last time this was asked. */
export function ringDrops({ receives }: OpenPacketRing): number {
  const memory = mapAnonymous(4096);
  try {
    const words = new Uint32Array(memory.buffer);
    words[4] = uapi.TPACKET_STATS.bytes;
    const { address } = memory;
    check(libc().getsockopt(receives, uapi.SOL_PACKET, uapi.PACKET_STATISTICS, address, address + 16), 'getsockopt');
    return words[uapi.TPACKET_STATS.drops >> 2];
  } finally {
    unmap(memory);
  }
}

/** A packet socket while it is made ready; `free` when that is done. */
class Socket {
  readonly fd: number;
  readonly #interfaceName: string;
  readonly #index: number;
  readonly #memory: Mapping;

  constructor(interfaceName: string) {
    this.#interfaceName = interfaceName;
    this.#index = interfaceIndex(interfaceName);
    const type = uapi.SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    this.fd = check(libc().socket(uapi.AF_PACKET, type, 0), 'open a packet socket on', interfaceName);
    this.#memory = mapAnonymous(4096);
  }

  setVersion(version: number): void {
    this.set(uapi.PACKET_VERSION, version, `get a packet ring of version ${version + 1} on`);
  }

  set(option: number, value: number, action: string): void {
    if (this.try(uapi.SOL_PACKET, option, value) < 0) throw new SystemError(action, lastErrno(), this.#interfaceName);
  }

  try(level: number, option: number, value: number): number {
    new Int32Array(this.#memory.buffer)[0] = value;
    return libc().setsockopt(this.fd, level, option, this.#memory.address, 4);
  }

  makeRing(
    option: number,
    ring: { readonly blockBytes: number; readonly blocks: number; readonly frameBytes: number; retireMs?: number },
  ): void {
    const { blockBytes, blocks, frameBytes, retireMs } = ring;
    const view = new DataView(this.#memory.buffer);
    view.setUint32(uapi.TPACKET_REQ.blockBytes, blockBytes, true);
    view.setUint32(uapi.TPACKET_REQ.blocks, blocks, true);
    view.setUint32(uapi.TPACKET_REQ.frameBytes, frameBytes, true);
    view.setUint32(uapi.TPACKET_REQ.frames, blocks * (blockBytes / frameBytes), true);
    view.setUint32(uapi.TPACKET_REQ3.retireMs, retireMs ?? 0, true);
    const bytes = retireMs === undefined ? uapi.TPACKET_REQ.bytes : uapi.TPACKET_REQ3.bytes;
    const megabytes = (blocks * blockBytes) / 2 ** 20;
    const action = `get ${megabytes} MB of ring memory for`;
    check(
      libc().setsockopt(this.fd, uapi.SOL_PACKET, option, this.#memory.address, bytes),
      action,
      this.#interfaceName,
    );
    new Uint8Array(this.#memory.buffer).fill(0, 0, bytes);
  }

  bind(etherType: number): void {
    const view = new DataView(this.#memory.buffer, 0, SOCKADDR_STORAGE_BYTES);
    view.setUint16(uapi.SOCKADDR_LL.family, uapi.AF_PACKET, true);
    view.setUint16(uapi.SOCKADDR_LL.protocolBe, etherType, false);
    view.setInt32(uapi.SOCKADDR_LL.index, this.#index, true);
    const bound = libc().bind(this.fd, this.#memory.address, uapi.SOCKADDR_LL.bytes);
    check(bound, 'bind a packet socket to', this.#interfaceName);
  }

  close(): void {
    libc().close(this.fd);
  }

  free(): void {
    unmap(this.#memory);
  }
}

/** What the thread of a ring asks the kernel for. Another thread wakes it by writing to `wake`. */
export class PacketRingKernel implements RingKernel {
  readonly #ring: OpenPacketRing;
  readonly #wake: number;
  readonly #memory = mapAnonymous(4096);
  readonly #events: Int16Array;

  constructor(ring: OpenPacketRing, wake: number) {
    this.#ring = ring;
    this.#wake = wake;
    const words = new Int32Array(this.#memory.buffer);
    this.#events = new Int16Array(this.#memory.buffer);
    for (const [slot, fd] of [ring.receives, wake].entries()) {
      words[slot * 2] = fd;
      words[slot * 2 + 1] = POLLIN;
    }
  }

  send(): number {
    const sent = libc().send(this.#ring.sends, 0, 0, MSG_DONTWAIT);
    if (sent >= 0) return sent;
    const errno = lastErrno();
    // Else there is nothing to be done about it: the interface is down, or gone.
    return errno === ERRNO.EAGAIN || errno === ERRNO.ENOBUFS ? -errno : 0;
  }

  wait(timeoutMs: number): void {
    const ready = libc().poll(this.#memory.address, 2, timeoutMs);
    if (ready < 0) {
      const errno = lastErrno();
      if (errno !== ERRNO.EINTR) throw new SystemError('poll', errno);
      return;
    }
    // Asked once, an interface that went down is quiet until it is up again.
    if ((this.#events[3] & POLLERR) !== 0) this.#clearError();
    if (this.#events[7] !== 0) libc().read(this.#wake, this.#memory.address + SCRATCH_AT, 8);
  }

  close(): void {
    unmap(this.#memory);
  }

  #clearError(): void {
    const at = this.#memory.address + SCRATCH_AT;
    new Int32Array(this.#memory.buffer, SCRATCH_AT + 8, 1)[0] = 4;
    libc().getsockopt(this.#ring.receives, SOL_SOCKET, SO_ERROR, at, at + 8);
  }
}
