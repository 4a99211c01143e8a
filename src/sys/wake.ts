/** Waking a thread that blocks in the kernel: an eventfd (a pipe where there is none) it waits on, written by any other thread. */
import { check, libc } from './libc.js';
import { type Mapping, mapAnonymous, unmap } from './memory.js';
import { F_SETFD, F_SETFL, FD_CLOEXEC, O_NONBLOCK } from './uapi/fcntl.js';
import { EFD_CLOEXEC, EFD_NONBLOCK } from './uapi/socket.js';

/** A new eventfd, blocking (io_uring answers EAGAIN at once to a read of a non-blocking one); the caller closes it. */
export function createWakeDescriptor(): number {
  return check(libc().eventfd(0, EFD_CLOEXEC), 'eventfd');
}

/** Two ends, both non-blocking; one and the same descriptor where it is an eventfd. */
export interface WakePair {
  readonly reads: number;
  readonly writes: number;
}

/** For a thread that waits for readiness; the caller closes both ends. */
export function createWakePair(): WakePair {
  if (process.platform === 'linux') {
    const fd = check(libc().eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), 'eventfd');
    return { reads: fd, writes: fd };
  }
  const ends = mapAnonymous(8);
  try {
    check(libc().pipe(ends.address), 'pipe');
    const [reads, writes] = new Int32Array(ends.buffer, 0, 2);
    for (const fd of [reads, writes]) {
      libc().fcntl(fd, F_SETFD, 'int', FD_CLOEXEC);
      libc().fcntl(fd, F_SETFL, 'int', O_NONBLOCK);
    }
    return { reads, writes };
  } finally {
    unmap(ends);
  }
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
