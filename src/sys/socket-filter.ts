/** Filters of sockets in classic BPF, run by the kernel on each frame before it is copied; Linux. */
import { SystemError } from './errno.js';
import { lastErrno, libc } from './libc.js';
import { mapAnonymous, unmap } from './memory.js';
import { BPF_RET_K, type ClassicFilter, SO_ATTACH_FILTER, SO_DETACH_FILTER } from './uapi/packet.js';
import { SOL_SOCKET } from './uapi/socket.js';

/** In the memory for a call: struct sock_fprog { length:16, pointer } and behind it the filter. */
const PROGRAM_BYTES = 16;
const INSTRUCTION_BYTES = 8;

/** Lets nothing through. */
export const NOTHING: ClassicFilter = [[BPF_RET_K, 0, 0, 0]];

/** Frames that come from now on go through the filter; offsets count from the Ethernet header. Throws a SystemError. */
export function attachFilter(fd: number, filter: ClassicFilter): void {
  const memory = mapAnonymous(4096);
  try {
    const view = new DataView(memory.buffer);
    view.setUint16(0, filter.length, true);
    view.setBigUint64(8, BigInt(memory.address + PROGRAM_BYTES), true);
    for (const [i, [code, jumpTrue, jumpFalse, constant]] of filter.entries()) {
      const at = PROGRAM_BYTES + i * INSTRUCTION_BYTES;
      view.setUint16(at, code, true);
      view.setUint8(at + 2, jumpTrue);
      view.setUint8(at + 3, jumpFalse);
      view.setUint32(at + 4, constant, true);
    }
    if (libc().setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, memory.address, PROGRAM_BYTES) < 0)
      throw new SystemError('attach a socket filter', lastErrno());
  } finally {
    unmap(memory);
  }
}

/** Everything is let through again. Throws a SystemError. */
export function detachFilter(fd: number): void {
  const memory = mapAnonymous(4096);
  try {
    if (libc().setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, memory.address, 4) < 0)
      throw new SystemError('detach a socket filter', lastErrno());
  } finally {
    unmap(memory);
  }
}
