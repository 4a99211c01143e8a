/**
 * io_uring as a poller: one multishot poll a socket, which goes on reporting until it is removed or the ring runs out
 * of room, and one system call a turn that both takes up new sockets and waits.
 */
import { IORING_CQE_F_MORE } from '../../sys/uapi/io-uring.js';
import { type Poller, READABLE, WRITABLE } from '../readiness/poller.js';
import { Ring } from './ring.js';

const ENTRIES = 1024;
/** Reports taken at a time. */
const BATCH = 512;
/** Which use of a descriptor a report is about: 20 bits, so that it and the descriptor make an exact number. */
const GENERATIONS = 2 ** 20;
/** The kernel does no more than 20 pieces of the work it has put off in a call that waits for nothing (IO_LOCAL_TW_DEFAULT_MAX, 6.13). */
const REMOVALS_A_CALL = 16;
/** High word of the user data of removals, whose end is of no interest. */
const REMOVAL = -1;

export class RingPoller implements Poller {
  readonly trustsShortReads = true;
  readonly sockets = new Int32Array(BATCH);
  readonly events = new Int32Array(BATCH);
  readonly #ring: Ring;
  /** By descriptor: which use of it this is, and what it is polled for (0: it is not). */
  #generation = new Int32Array(1024);
  #wanted = new Int32Array(1024);
  /** Removals since the last `settle`. */
  #removals = 0;

  /** Throws a SystemError where io_uring is missing or forbidden. */
  constructor() {
    this.#ring = new Ring(ENTRIES);
  }

  get descriptor(): number {
    return this.#ring.fd;
  }

  add(fd: number, bits: number): number {
    if (fd >= this.#wanted.length) this.#grow(fd);
    this.#generation[fd] = (this.#generation[fd] + 1) % GENERATIONS;
    this.#wanted[fd] = 0;
    // As with epoll: readability from the start, writability when it is asked for.
    this.#poll(fd, bits | READABLE);
    return 0;
  }

  want(fd: number, bits: number): void {
    if ((bits & ~this.#wanted[fd]) === 0) return;
    const wanted = this.#wanted[fd] | bits;
    this.remove(fd);
    this.#generation[fd] = (this.#generation[fd] + 1) % GENERATIONS;
    this.#poll(fd, wanted);
  }

  /** The ring holds the socket as well: without this, closing its descriptor would not close it. */
  remove(fd: number): void {
    if (this.#wanted[fd] === 0) return;
    this.#wanted[fd] = 0;
    this.#removals++;
    this.#ring.prepCancel(this.#generation[fd] * 2 ** 32 + fd, fd, REMOVAL);
  }

  settle(): void {
    for (; this.#removals > 0; this.#removals -= REMOVALS_A_CALL) this.#ring.submitAndWait(0);
    this.#removals = 0;
  }

  wait(timeoutMs: number): number {
    const ring = this.#ring;
    ring.submitAndWait(timeoutMs);
    const ready = Math.min(ring.ready(), BATCH);
    let told = 0;
    for (let i = 0; i < ready; i++) {
      const cqe = ring.peekCqe(i);
      const fd = ring.dataLow(cqe);
      if (ring.dataHigh(cqe) !== this.#generation[fd] || this.#wanted[fd] === 0) continue;
      const result = ring.result(cqe);
      if ((ring.flags(cqe) & IORING_CQE_F_MORE) === 0) this.#poll(fd, this.#wanted[fd]);
      if (result <= 0) continue;
      this.sockets[told] = fd;
      this.events[told++] = result;
    }
    ring.cqAdvance(ready);
    return told;
  }

  close(): void {
    this.#ring.close();
  }

  #poll(fd: number, bits: number): void {
    this.#wanted[fd] = bits;
    this.#ring.prepPollMultishot(fd, bits & (READABLE | WRITABLE), fd, this.#generation[fd]);
  }

  #grow(fd: number): void {
    const size = 2 ** Math.ceil(Math.log2(fd + 1));
    const generation = new Int32Array(size);
    generation.set(this.#generation);
    this.#generation = generation;
    const wanted = new Int32Array(size);
    wanted.set(this.#wanted);
    this.#wanted = wanted;
  }
}
