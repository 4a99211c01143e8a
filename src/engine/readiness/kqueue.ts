/**
 * kqueue (FreeBSD, OpenBSD, macOS), by edges (EV_CLEAR). Changes cost no call: they are handed over with the next
 * wait. Short reads are not trusted: soreceive stops at the mark of urgent data, and no edge tells what is behind it.
 */
import { ERRNO, SystemError } from '../../sys/errno.js';
import { check, type Libc, lastErrno, libc } from '../../sys/libc.js';
import { type Mapping, mapAnonymous, unmap } from '../../sys/memory.js';
import * as uapi from '../../sys/uapi/kqueue.js';
import { FAILED, HUNG_UP, PEER_ENDED, type Poller, READABLE, WRITABLE } from './poller.js';

const FIRST_ROOM = 512;

export class KqueuePoller implements Poller {
  readonly descriptor: number;
  readonly trustsShortReads = false;
  sockets = new Int32Array(0);
  events = new Int32Array(0);
  readonly #libc: Libc = libc();
  readonly #eventBytes: number;
  /** struct timespec: two 64-bit integers. */
  readonly #timeout = mapAnonymous(16);
  readonly #timespec = new DataView(this.#timeout.buffer);
  /** Changes for the kernel, then room for as many events: each change may come back as an error. */
  #memory!: Mapping;
  #view!: DataView;
  #room = 0;
  #changes = 0;

  /** Throws a SystemError where there is no kqueue. */
  constructor() {
    this.#eventBytes = uapi.KEVENT_BYTES[process.platform] ?? 0;
    if (this.#eventBytes === 0) throw new SystemError('kqueue', ERRNO.ENOSYS);
    this.descriptor = check(this.#libc.kqueue(), 'kqueue');
    this.#reserve(FIRST_ROOM);
  }

  add(fd: number, bits: number): number {
    this.#change(fd, uapi.EVFILT_READ);
    this.want(fd, bits);
    return 0;
  }

  want(fd: number, bits: number): void {
    // Adding a filter again is no error, and tells what is true already.
    if ((bits & WRITABLE) !== 0) this.#change(fd, uapi.EVFILT_WRITE);
  }

  /** Closing does it. A change that still waits then fails with EBADF, or is one that the number's next owner makes too. */
  remove(_fd: number): void {}

  wait(timeoutMs: number): number {
    const { address } = this.#memory;
    const events = address + this.#room * this.#eventBytes;
    const timeout = timeoutMs === Infinity ? 0 : this.#setTimeout(timeoutMs);
    const count = this.#libc.kevent(this.descriptor, address, this.#changes, events, this.#room, timeout);
    this.#changes = 0;
    if (count < 0) {
      const errno = lastErrno();
      if (errno !== ERRNO.EINTR) throw new SystemError('kevent', errno);
      return 0;
    }
    let told = 0;
    for (let i = 0; i < count; i++) {
      const at = (this.#room + i) * this.#eventBytes;
      const bits = bitsOf(this.#view, at);
      if (bits === 0) continue;
      this.sockets[told] = this.#view.getUint32(at + uapi.KEVENT.ident, true);
      this.events[told++] = bits;
    }
    return told;
  }

  close(): void {
    this.#libc.close(this.descriptor);
    unmap(this.#memory);
    unmap(this.#timeout);
  }

  #change(fd: number, filter: number): void {
    if (this.#changes === this.#room) this.#reserve(2 * this.#room);
    uapi.writeChange(this.#view, this.#changes++ * this.#eventBytes, fd, filter, uapi.EV_ADD | uapi.EV_CLEAR);
  }

  #setTimeout(timeoutMs: number): number {
    const seconds = Math.floor(timeoutMs / 1000);
    this.#timespec.setUint32(0, seconds, true);
    this.#timespec.setUint32(8, Math.ceil((timeoutMs - seconds * 1000) * 1e6), true);
    return this.#timeout.address;
  }

  #reserve(room: number): void {
    const memory = mapAnonymous(2 * room * this.#eventBytes);
    if (this.#room > 0) {
      const changes = new Uint8Array(this.#memory.buffer, 0, this.#changes * this.#eventBytes);
      new Uint8Array(memory.buffer).set(changes);
      unmap(this.#memory);
    }
    this.#memory = memory;
    this.#view = new DataView(memory.buffer);
    this.#room = room;
    this.sockets = new Int32Array(room);
    this.events = new Int32Array(room);
  }
}

/** One struct kevent as bits of poller.ts; 0 for a change that came back as an error. */
export function bitsOf(view: DataView, at: number): number {
  const flags = view.getUint16(at + uapi.KEVENT.flags, true);
  if ((flags & uapi.EV_ERROR) !== 0) return 0;
  const reads = view.getInt16(at + uapi.KEVENT.filter, true) === uapi.EVFILT_READ;
  let bits = reads ? READABLE : WRITABLE;
  if ((flags & uapi.EV_EOF) === 0) return bits;
  bits |= reads ? PEER_ENDED : HUNG_UP;
  // With EV_EOF, fflags is the error that the socket has met.
  return view.getUint32(at + uapi.KEVENT.fflags, true) === 0 ? bits : bits | FAILED;
}
