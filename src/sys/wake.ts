/** Waking a thread that blocks in the kernel: an eventfd it waits on, written by any other thread. */
import { check, libc } from './libc.js';
import { type Mapping, mapAnonymous } from './memory.js';
import { EFD_CLOEXEC } from './uapi/socket.js';

/** A new eventfd, blocking (io_uring answers EAGAIN at once to a read of a non-blocking one); the caller closes it. */
export function createWakeDescriptor(): number {
  return check(libc().eventfd(0, EFD_CLOEXEC), 'eventfd');
}

let one: Mapping | undefined;

/** Wakes the thread that reads `fd`; cheap, and harmless if it is awake or has been woken already. */
export function writeWake(fd: number): void {
  if (one === undefined) {
    one = mapAnonymous(8);
    new Uint32Array(one.buffer, 0, 2)[0] = 1;
    if (new Uint8Array(one.buffer, 0, 1)[0] !== 1) new Uint8Array(one.buffer, 0, 8)[7] = 1;
  }
  libc().write(fd, one.address, 8);
}
