/**
 * poll(2), for any POSIX system. The array that the kernel reads is kept as it is from call to call: a socket has a
 * slot in it, the last slot moves into the one of a socket that goes. A slot in which nothing is wanted holds the
 * descriptor's complement, which poll ignores; else a hang-up that nobody can act on yet would be told for ever.
 *
 *   slot    0            1            2
 *        [ 7 | IN | - ][~9 | 0 | - ][12 | OUT | - ]      struct pollfd { fd, events, revents }
 */
import { ERRNO, SystemError } from '../../sys/errno.js';
import { type Libc, lastErrno, libc } from '../../sys/libc.js';
import { type Mapping, mapAnonymous, unmap } from '../../sys/memory.js';
import { POLLERR, POLLFD_BYTES, POLLHUP, POLLNVAL } from '../../sys/uapi/poll.js';
import { FAILED, type Poller, wholeMs } from './poller.js';

export class PollPoller implements Poller {
  readonly descriptor = -1;
  readonly trustsShortReads = true;
  sockets = new Int32Array(0);
  events = new Int32Array(0);
  readonly #libc: Libc = libc();
  #memory!: Mapping;
  #words!: Int32Array;
  #halves!: Int16Array;
  #slots = new Int32Array(1024);
  #count = 0;

  constructor() {
    this.#reserve(64);
  }

  add(fd: number, bits: number): number {
    if (this.#count === this.sockets.length) this.#reserve(2 * this.#count);
    if (fd >= this.#slots.length) {
      const grown = new Int32Array(2 ** Math.ceil(Math.log2(fd + 1)));
      grown.set(this.#slots);
      this.#slots = grown;
    }
    const slot = this.#count++;
    this.#slots[fd] = slot;
    this.#words[slot * 2] = ~fd;
    this.#words[slot * 2 + 1] = 0;
    if (bits !== 0) this.want(fd, bits);
    return 0;
  }

  want(fd: number, bits: number): void {
    const slot = this.#slots[fd];
    this.#words[slot * 2] = fd;
    this.#halves[slot * 4 + 2] |= bits;
  }

  remove(fd: number): void {
    const slot = this.#slots[fd];
    const last = --this.#count;
    if (slot === last) return;
    const moved = this.#words[last * 2];
    this.#words[slot * 2] = moved;
    this.#words[slot * 2 + 1] = this.#words[last * 2 + 1];
    this.#slots[moved < 0 ? ~moved : moved] = slot;
  }

  wait(timeoutMs: number): number {
    let left = this.#libc.poll(this.#memory.address, this.#count, wholeMs(timeoutMs));
    if (left < 0) {
      const errno = lastErrno();
      if (errno !== ERRNO.EINTR && errno !== ERRNO.EAGAIN) throw new SystemError('poll', errno);
      return 0;
    }
    let told = 0;
    for (let slot = 0; left > 0; slot++) {
      const bits = this.#halves[slot * 4 + 3];
      if (bits === 0) continue;
      left--;
      this.sockets[told] = this.#words[slot * 2];
      this.events[told++] = (bits & POLLNVAL) !== 0 ? bits | FAILED : bits;
      this.#told(slot, bits);
    }
    return told;
  }

  close(): void {
    unmap(this.#memory);
  }

  /** What has been told is not wanted any more until somebody wants it again. */
  #told(slot: number, bits: number): void {
    const isOver = (bits & (POLLERR | POLLHUP | POLLNVAL)) !== 0;
    const wanted = isOver ? 0 : this.#halves[slot * 4 + 2] & ~bits;
    this.#halves[slot * 4 + 2] = wanted;
    if (wanted === 0) this.#words[slot * 2] = ~this.#words[slot * 2];
  }

  #reserve(sockets: number): void {
    const memory = mapAnonymous(sockets * POLLFD_BYTES);
    const words = new Int32Array(memory.buffer);
    if (this.#count > 0) {
      words.set(this.#words.subarray(0, this.#count * 2));
      unmap(this.#memory);
    }
    this.#memory = memory;
    this.#words = words;
    this.#halves = new Int16Array(memory.buffer);
    this.sockets = new Int32Array(sockets);
    this.events = new Int32Array(sockets);
  }
}
