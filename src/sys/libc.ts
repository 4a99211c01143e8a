/**
 * The C library's functions that Pen calls, typed. Pointers are numbers (addresses of memory from
 * `memory.ts`): koffi passes a number in 0.1 us, a Buffer in 0.17 us.
 */
import { ERRNO, SystemError } from './errno.js';
import { bindFunctions, koffi } from './ffi.js';

export interface Libc {
  syscall(number: number, a: number, b: number, c: number, d: number, e: number, f: number): number;
  mmap(address: number, length: number, prot: number, flags: number, fd: number, offset: number): number;
  munmap(address: number, length: number): number;
  memcpy(to: number, from: number, length: number): number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: number, length: number): number;
  listen(fd: number, backlog: number): number;
  shutdown(fd: number, how: number): number;
  close(fd: number): number;
  accept(fd: number, address: number, length: number): number;
  accept4(fd: number, address: number, length: number, flags: number): number;
  connect(fd: number, address: number, length: number): number;
  send(fd: number, data: number, length: number, flags: number): number;
  recv(fd: number, data: number, length: number, flags: number): number;
  recvmsg(fd: number, message: number, flags: number): number;
  sendmsg(fd: number, message: number, flags: number): number;
  recvmmsg(fd: number, messages: number, count: number, flags: number, timeout: number): number;
  sendmmsg(fd: number, messages: number, count: number, flags: number): number;
  getpeername(fd: number, address: number, length: number): number;
  getsockname(fd: number, address: number, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: number, length: number): number;
  setsockopt(fd: number, level: number, option: number, value: number, length: number): number;
  eventfd(initial: number, flags: number): number;
  read(fd: number, data: number, length: number): number;
  write(fd: number, data: number, length: number): number;
  pipe(descriptors: number): number;
  clock_gettime(clock: number, time: number): number;
  ioctl(fd: number, request: number, argument: number): number;
  fcntl(fd: number, command: number, type: 'int', value: number): number;
  poll(descriptors: number, count: number, timeoutMs: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, operation: number, fd: number, event: number): number;
  epoll_wait(epoll: number, events: number, count: number, timeoutMs: number): number;
  kqueue(): number;
  kevent(kqueue: number, changes: number, changed: number, events: number, count: number, timeout: number): number;
  chroot(path: string): number;
  flock(fd: number, operation: number): number;
  unlinkat(directory: number, path: string, flags: number): number;
  prctl(option: number, a: number, b: number, c: number, d: number): number;
  capget(header: number, data: number): number;
  capset(header: number, data: number): number;
  getpagesize(): number;
  if_nametoindex(name: string): number;
  getrlimit(resource: number, limits: number): number;
  setrlimit(resource: number, limits: number): number;
  getpwnam(name: string): number;
  openlog(ident: number, option: number, facility: number): void;
  syslog(priority: number, format: string, type: 'const char *', line: string): void;
}

const prototypes: Record<keyof Libc, string> = {
  syscall: 'long syscall(long, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t)',
  mmap: 'intptr_t mmap(uintptr_t, size_t, int, int, int, long)',
  memcpy: 'uintptr_t memcpy(uintptr_t, uintptr_t, size_t)',
  munmap: 'int munmap(uintptr_t, size_t)',
  socket: 'int socket(int, int, int)',
  bind: 'int bind(int, uintptr_t, unsigned int)',
  listen: 'int listen(int, int)',
  shutdown: 'int shutdown(int, int)',
  close: 'int close(int)',
  accept: 'int accept(int, uintptr_t, uintptr_t)',
  accept4: 'int accept4(int, uintptr_t, uintptr_t, int)',
  connect: 'int connect(int, uintptr_t, unsigned int)',
  send: 'long send(int, uintptr_t, size_t, int)',
  recv: 'long recv(int, uintptr_t, size_t, int)',
  recvmsg: 'long recvmsg(int, uintptr_t, int)',
  sendmsg: 'long sendmsg(int, uintptr_t, int)',
  recvmmsg: 'int recvmmsg(int, uintptr_t, unsigned int, int, uintptr_t)',
  sendmmsg: 'int sendmmsg(int, uintptr_t, unsigned int, int)',
  getpeername: 'int getpeername(int, uintptr_t, uintptr_t)',
  getsockname: 'int getsockname(int, uintptr_t, uintptr_t)',
  getsockopt: 'int getsockopt(int, int, int, uintptr_t, uintptr_t)',
  setsockopt: 'int setsockopt(int, int, int, uintptr_t, unsigned int)',
  eventfd: 'int eventfd(unsigned int, int)',
  read: 'long read(int, uintptr_t, size_t)',
  write: 'long write(int, uintptr_t, size_t)',
  pipe: 'int pipe(uintptr_t)',
  clock_gettime: 'int clock_gettime(int, uintptr_t)',
  ioctl: 'int ioctl(int, unsigned long, uintptr_t)',
  fcntl: 'int fcntl(int, int, ...)',
  poll: 'int poll(uintptr_t, unsigned long, int)',
  epoll_create1: 'int epoll_create1(int)',
  epoll_ctl: 'int epoll_ctl(int, int, int, uintptr_t)',
  epoll_wait: 'int epoll_wait(int, uintptr_t, int, int)',
  kqueue: 'int kqueue()',
  kevent: 'int kevent(int, uintptr_t, int, uintptr_t, int, uintptr_t)',
  chroot: 'int chroot(const char *)',
  flock: 'int flock(int, int)',
  unlinkat: 'int unlinkat(int, const char *, int)',
  prctl: 'int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)',
  capget: 'int capget(uintptr_t, uintptr_t)',
  capset: 'int capset(uintptr_t, uintptr_t)',
  getpagesize: 'int getpagesize()',
  if_nametoindex: 'unsigned int if_nametoindex(const char *)',
  getrlimit: 'int getrlimit(int, uintptr_t)',
  setrlimit: 'int setrlimit(int, uintptr_t)',
  getpwnam: 'uintptr_t getpwnam(const char *)',
  openlog: 'void openlog(uintptr_t, int, int)',
  syslog: 'void syslog(int, const char *, ...)',
};

let bound: Libc | undefined;

/** The bound functions; throws where there is no FFI. A function that this system lacks (epoll, kqueue) throws when called. */
export function libc(): Libc {
  if (bound === undefined) {
    bound = bindFunctions(prototypes, (name) => () => {
      throw new SystemError(name, ERRNO.ENOSYS);
    }) as unknown as Libc;
  }
  return bound;
}

let errnoOf: (() => number) | undefined;

/** errno of this thread's last call; ask at once. */
export function lastErrno(): number {
  errnoOf ??= koffi().errno as () => number;
  return errnoOf();
}

/** Turns -1 into a SystemError. */
export function check(result: number, syscall: string, subject?: string): number {
  if (result < 0) throw new SystemError(syscall, lastErrno(), subject);
  return result;
}
