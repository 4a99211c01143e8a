/** A network card put into netmap mode: opened by one thread, used by another. */
import { closeSync, constants, openSync } from 'node:fs';
import { ERRNO, SystemError } from './errno.js';
import { check, lastErrno, libc } from './libc.js';
import { map, mapAnonymous, unmap } from './memory.js';
import type { NetmapKernel } from './netmap-port.js';
import { MAP_SHARED } from './uapi/mman.js';
import {
  NETMAP_API,
  NETMAP_DEVICE,
  NETMAP_REQ_REGISTER,
  NIOCCTRL,
  NMREQ_HEADER,
  NMREQ_REGISTER,
  NR_REG_NIC_SW,
} from './uapi/netmap.js';
import { POLLIN } from './uapi/poll.js';

/** Numbers only, so that it can be handed to a thread. */
export interface OpenNetmap {
  readonly descriptor: number;
  readonly address: number;
  readonly bytes: number;
  /** Where the structure about the interface lies. */
  readonly interfaceAt: number;
}

const BODY_AT = 128;
const SCRATCH_AT = 64;

/** Takes the card from the host, with the host's rings, until it is closed. Throws a SystemError: ENOENT, EACCES, ENXIO. */
export function openNetmap(interfaceName: string): OpenNetmap {
  const descriptor = openDevice();
  const memory = mapAnonymous(4096);
  try {
    const request = nmreq(interfaceName, memory.address + BODY_AT);
    new Uint8Array(memory.buffer).set(request);
    const view = new DataView(memory.buffer, BODY_AT);
    view.setUint32(NMREQ_REGISTER.mode, NR_REG_NIC_SW, true);
    check(libc().ioctl(descriptor, NIOCCTRL, memory.address), 'put into netmap mode', interfaceName);
    const bytes = Number(view.getBigUint64(NMREQ_REGISTER.memoryBytes, true));
    const interfaceAt = Number(view.getBigUint64(NMREQ_REGISTER.offset, true));
    const { address } = map(bytes, MAP_SHARED, descriptor, 0);
    return { descriptor, address, bytes, interfaceAt };
  } catch (error) {
    closeSync(descriptor);
    throw error;
  } finally {
    unmap(memory);
  }
}

/** The thread that uses it must have ended. */
export function closeNetmap({ descriptor, address, bytes }: OpenNetmap): void {
  libc().munmap(address, bytes);
  closeSync(descriptor);
}

/** The bytes of a request to register an interface, whose body lies at `body`. */
export function nmreq(interfaceName: string, body: number): Uint8Array {
  const bytes = new Uint8Array(NMREQ_HEADER.bytes);
  const view = new DataView(bytes.buffer);
  view.setUint16(NMREQ_HEADER.version, NETMAP_API, true);
  view.setUint16(NMREQ_HEADER.type, NETMAP_REQ_REGISTER, true);
  bytes.set(new TextEncoder().encode(interfaceName), NMREQ_HEADER.name);
  view.setBigUint64(NMREQ_HEADER.body, BigInt(body), true);
  return bytes;
}

/** What the thread of a port asks the kernel for. Another thread wakes it by writing to the other end of `wake`. */
export class NetmapEar implements NetmapKernel {
  readonly #wake: number;
  readonly #memory = mapAnonymous(4096);
  readonly #events: Int16Array;

  constructor({ descriptor }: OpenNetmap, wake: number) {
    this.#wake = wake;
    const words = new Int32Array(this.#memory.buffer);
    this.#events = new Int16Array(this.#memory.buffer);
    for (const [slot, fd] of [descriptor, wake].entries()) {
      words[slot * 2] = fd;
      words[slot * 2 + 1] = POLLIN;
    }
  }

  /** poll(2) on a netmap descriptor also has the kernel send what was put into transmit rings. */
  wait(): void {
    if (libc().poll(this.#memory.address, 2, -1) < 0) {
      const errno = lastErrno();
      if (errno !== ERRNO.EINTR) throw new SystemError('poll', errno);
      return;
    }
    if (this.#events[7] !== 0) libc().read(this.#wake, this.#memory.address + SCRATCH_AT, 64);
  }

  close(): void {
    unmap(this.#memory);
  }
}

function openDevice(): number {
  try {
    return openSync(NETMAP_DEVICE, constants.O_RDWR);
  } catch (error) {
    throw new SystemError('open', (error as NodeJS.ErrnoException).errno ?? ERRNO.ENOENT, NETMAP_DEVICE);
  }
}
