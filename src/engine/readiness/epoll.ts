/**
 * epoll (Linux), edge-triggered: a socket is registered once and never touched again, unless a send has to wait.
 * Writability is not asked for before that, because every new socket is writable and would wake us to say so.
 */
import { ERRNO, SystemError } from '../../sys/errno.js';
import { check, type Libc, lastErrno, libc } from '../../sys/libc.js';
import { mapAnonymous, unmap } from '../../sys/memory.js';
import * as uapi from '../../sys/uapi/epoll.js';
import { type Poller, wholeMs } from './poller.js';

/** Events taken at a time. */
const BATCH = 512;
const ALWAYS = uapi.EPOLLIN | uapi.EPOLLPRI | uapi.EPOLLRDHUP | uapi.EPOLLET | 0;

const layout = uapi.epollEventLayout(process.arch);

export class EpollPoller implements Poller {
  readonly descriptor: number;
  readonly trustsShortReads = true;
  readonly sockets = new Int32Array(BATCH);
  readonly events = new Int32Array(BATCH);
  readonly #libc: Libc = libc();
  /** The kernel's array of events, and one event of ours behind it. */
  readonly #memory = mapAnonymous((BATCH + 1) * layout.words * 4);
  readonly #words = new Int32Array(this.#memory.buffer);
  readonly #ours = BATCH * layout.words;
  /** 1 for sockets that are registered for writability too. */
  #writes = new Uint8Array(1024);

  /** Throws a SystemError where epoll is missing or forbidden. */
  constructor() {
    this.descriptor = check(this.#libc.epoll_create1(uapi.EPOLL_CLOEXEC), 'epoll_create1');
  }

  add(fd: number, bits: number): number {
    if (fd >= this.#writes.length) {
      const grown = new Uint8Array(2 ** Math.ceil(Math.log2(fd + 1)));
      grown.set(this.#writes);
      this.#writes = grown;
    }
    this.#writes[fd] = 0;
    return this.#control(uapi.EPOLL_CTL_ADD, fd, bits & uapi.EPOLLOUT);
  }

  want(fd: number, bits: number): void {
    // Once is enough: from then on each change is told, and this call itself tells what is true already.
    if ((bits & uapi.EPOLLOUT) !== 0 && this.#writes[fd] === 0) this.#control(uapi.EPOLL_CTL_MOD, fd, uapi.EPOLLOUT);
  }

  /** Closing does it: no descriptor of ours is shared with another process. */
  remove(_fd: number): void {}

  wait(timeoutMs: number): number {
    const count = this.#libc.epoll_wait(this.descriptor, this.#memory.address, BATCH, wholeMs(timeoutMs));
    if (count < 0) {
      const errno = lastErrno();
      if (errno !== ERRNO.EINTR) throw new SystemError('epoll_wait', errno);
      return 0;
    }
    for (let i = 0, at = 0; i < count; i++, at += layout.words) {
      this.events[i] = this.#words[at];
      this.sockets[i] = this.#words[at + layout.data];
    }
    return count;
  }

  close(): void {
    this.#libc.close(this.descriptor);
    unmap(this.#memory);
  }

  #control(operation: number, fd: number, writes: number): number {
    this.#words[this.#ours] = ALWAYS | writes;
    this.#words[this.#ours + layout.data] = fd;
    const event = this.#memory.address + this.#ours * 4;
    if (this.#libc.epoll_ctl(this.descriptor, operation, fd, event) < 0) return -lastErrno();
    if (writes !== 0) this.#writes[fd] = 1;
    return 0;
  }
}
