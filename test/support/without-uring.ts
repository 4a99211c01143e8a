/**
 * `node without-uring.js pen|penctl ARGS`: launch.ts in a process for which io_uring_setup answers EPERM, as in most
 * containers. The seccomp filter is installed on every thread there is; those to come inherit it.
 */
import { check, libc } from '../../src/sys/libc.js';
import { mapAnonymous } from '../../src/sys/memory.js';

// System call numbers, <asm/unistd.h>.
const NUMBERS: Record<string, { readonly prctl: number; readonly seccomp: number }> = {
  x64: { prctl: 157, seccomp: 317 },
  arm64: { prctl: 167, seccomp: 277 },
};
const IO_URING_SETUP = 425;

// <linux/prctl.h>, <linux/seccomp.h>
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;
const SECCOMP_RET_ERRNO = 0x00050000;
const SECCOMP_RET_ALLOW = 0x7fff0000;
const EPERM = 1;

/** struct sock_filter { code:16 jt:8 jf:8 k:32 }, <linux/filter.h>. */
const FILTER = [
  [0x20, 0, 0, 0], // load the system call's number
  [0x15, 0, 1, IO_URING_SETUP], // is it that one? if not skip one
  [0x06, 0, 0, SECCOMP_RET_ERRNO | EPERM],
  [0x06, 0, 0, SECCOMP_RET_ALLOW],
] as const;

function forbidUring(): void {
  const numbers = NUMBERS[process.arch];
  if (numbers === undefined) throw new Error(`cannot forbid io_uring: unknown numbers on ${process.arch}`);
  const memory = mapAnonymous(4096);
  const view = new DataView(memory.buffer);
  // struct sock_fprog { len:16, filter:pointer } at 0, the filter at 64.
  view.setUint16(0, FILTER.length, true);
  view.setBigUint64(8, BigInt(memory.address + 64), true);
  FILTER.forEach(([code, jt, jf, k], i) => {
    const at = 64 + i * 8;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jt);
    view.setUint8(at + 3, jf);
    view.setUint32(at + 4, k, true);
  });
  const { syscall } = libc();
  check(syscall(numbers.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0), 'prctl');
  check(
    syscall(numbers.seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, memory.address, 0, 0, 0),
    'seccomp',
  );
}

forbidUring();
await import('./launch.js');
