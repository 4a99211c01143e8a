/** From <sys/epoll.h> of Linux (linux/eventpoll.h). The low event bits are those of poll(2). */
export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 1 << 31;

/** struct epoll_event { events:32 data:64 } in 32-bit words. */
export interface EpollEventLayout {
  readonly words: number;
  /** Word at which `data` begins. */
  readonly data: number;
}

/** Packed on x86-64 (EPOLL_PACKED) and naturally so on i386; elsewhere `data` is aligned to eight bytes. */
export function epollEventLayout(arch: string): EpollEventLayout {
  return arch === 'x64' || arch === 'ia32' ? { words: 3, data: 1 } : { words: 4, data: 2 };
}
