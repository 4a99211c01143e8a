/**
 * io_uring's two rings as typed arrays over shared mappings, in liburing's grammar.
 *
 *      we write                kernel reads            kernel writes            we read
 *   sq tail ──► [sqe|sqe|sqe] ──► sq head        cq tail ──► [cqe|cqe|cqe] ──► cq head
 *
 * A submission entry (64 bytes) as 32-bit words, the way every `prep` below fills it:
 *
 *   0  opcode:8 flags:8 ioprio:16      4,5  address            8,9  user data (low, high)
 *   1  fd                              6    length             10   buffer group:16 personality:16
 *   2,3 offset / address 2             7    operation's flags  11   file index      12-15 zero
 *
 * A completion entry (16 bytes): 0,1 user data, 2 result, 3 flags.
 *
 * Memory order: the kernel on this or another CPU reads and writes the ring heads and tails, so those four
 * words, and only those, are accessed with Atomics (sequentially consistent: stronger than the acquire and
 * release that io_uring(7) asks for, and not measurable here).
 */
import { ERRNO, SystemError } from '../../sys/errno.js';
import { type Libc, lastErrno, libc } from '../../sys/libc.js';
import { type Mapping, map, mapAnonymous, unmap } from '../../sys/memory.js';
import * as uapi from '../../sys/uapi/io-uring.js';
import { MAP_POPULATE, MAP_SHARED } from '../../sys/uapi/mman.js';

const SQE_WORDS = uapi.SQE_BYTES / 4;
const CQE_WORDS = uapi.CQE_BYTES / 4;

/** Flag sets from the newest kernel to the oldest that has what the engine needs (5.19). */
const SETUP_FLAGS = [
  uapi.IORING_SETUP_SINGLE_ISSUER | uapi.IORING_SETUP_DEFER_TASKRUN | uapi.IORING_SETUP_SUBMIT_ALL,
  uapi.IORING_SETUP_COOP_TASKRUN | uapi.IORING_SETUP_SUBMIT_ALL,
];

export class Ring {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #mappings: Mapping[];
  readonly #sq: Int32Array;
  readonly #sqes: Int32Array;
  readonly #cq: Int32Array;
  readonly #sqHeadAt: number;
  readonly #sqTailAt: number;
  readonly #sqMask: number;
  readonly #sqEntries: number;
  readonly #cqHeadAt: number;
  readonly #cqTailAt: number;
  readonly #cqMask: number;
  readonly #cqesAt: number;
  /** Our copy of the submission tail; published to the kernel by `#publish`. */
  #tail = 0;
  #head = 0;
  #toSubmit = 0;
  /** struct io_uring_getevents_arg at 0, struct __kernel_timespec at 24. */
  readonly #wait: Mapping;
  readonly #waitWords: Int32Array;
  readonly #timespecWords: Uint32Array;

  /** Requires kernel 5.19; throws a SystemError (EPERM and ENOSYS where containers forbid io_uring). */
  constructor(entries: number) {
    this.#libc = libc();
    const params = mapAnonymous(uapi.PARAMS.bytes);
    const words = new Uint32Array(params.buffer, 0, uapi.PARAMS.bytes / 4);
    this.fd = this.#setup(entries, params, words);
    const at = (offset: number) => words[offset / 4] as number;
    if ((at(uapi.PARAMS.features) & uapi.IORING_FEAT_EXT_ARG) === 0)
      throw new SystemError('io_uring_setup', ERRNO.ENOSYS);
    this.#sqEntries = at(uapi.PARAMS.sqEntries);
    const ringBytes = Math.max(
      at(uapi.PARAMS.sqArray) + this.#sqEntries * 4,
      at(uapi.PARAMS.cqCqes) + at(uapi.PARAMS.cqEntries) * uapi.CQE_BYTES,
    );
    // IORING_FEAT_SINGLE_MMAP (5.4): both rings lie in one mapping.
    const rings = map(ringBytes, MAP_SHARED | MAP_POPULATE, this.fd, uapi.IORING_OFF_SQ_RING);
    const sqes = map(this.#sqEntries * uapi.SQE_BYTES, MAP_SHARED | MAP_POPULATE, this.fd, uapi.IORING_OFF_SQES);
    this.#sq = new Int32Array(rings.buffer);
    this.#cq = this.#sq;
    this.#sqes = new Int32Array(sqes.buffer);
    this.#sqHeadAt = at(uapi.PARAMS.sqHead) / 4;
    this.#sqTailAt = at(uapi.PARAMS.sqTail) / 4;
    this.#sqMask = this.#sq[at(uapi.PARAMS.sqMask) / 4] as number;
    this.#cqHeadAt = at(uapi.PARAMS.cqHead) / 4;
    this.#cqTailAt = at(uapi.PARAMS.cqTail) / 4;
    this.#cqMask = this.#cq[at(uapi.PARAMS.cqMask) / 4] as number;
    this.#cqesAt = at(uapi.PARAMS.cqCqes) / 4;
    // The indirection array stays the identity: entry i of the queue is sqe i.
    const arrayAt = at(uapi.PARAMS.sqArray) / 4;
    for (let i = 0; i < this.#sqEntries; i++) this.#sq[arrayAt + i] = i;
    this.#wait = mapAnonymous(64);
    this.#waitWords = new Int32Array(this.#wait.buffer, 0, 6);
    this.#timespecWords = new Uint32Array(this.#wait.buffer, 24, 4);
    this.#mappings = [params, rings, sqes, this.#wait];
  }

  /** A zeroed submission entry: the index of its first word in `sqes`. Submits what is there if the queue is full. */
  getSqe(): number {
    if (this.#toSubmit === this.#sqEntries) this.#flush();
    const at = (this.#tail & this.#sqMask) * SQE_WORDS;
    this.#tail = (this.#tail + 1) | 0;
    this.#toSubmit++;
    return at;
  }

  prepAccept(fd: number, flags: number, ioprio: number, dataLow: number, dataHigh: number): void {
    this.#prep(uapi.IORING_OP_ACCEPT | (ioprio << 16), fd, 0, 0, 0, flags, dataLow, dataHigh, 0);
  }

  /** `address` must stay valid until the entry has been submitted. */
  prepConnect(fd: number, address: number, length: number, dataLow: number, dataHigh: number): void {
    this.#prep(uapi.IORING_OP_CONNECT, fd, length, address, 0, 0, dataLow, dataHigh, 0);
  }

  /** Receives into a buffer of `group` that the kernel picks when data is there. */
  prepRecvSelect(fd: number, group: number, ioprio: number, dataLow: number, dataHigh: number): void {
    const head = uapi.IORING_OP_RECV | (uapi.IOSQE_BUFFER_SELECT << 8) | (ioprio << 16);
    this.#prep(head, fd, 0, 0, 0, 0, dataLow, dataHigh, group);
  }

  prepSend(fd: number, address: number, length: number, flags: number, dataLow: number, dataHigh: number): void {
    this.#prep(uapi.IORING_OP_SEND, fd, 0, address, length, flags, dataLow, dataHigh, 0);
  }

  prepRead(fd: number, address: number, length: number, dataLow: number, dataHigh: number): void {
    this.#prep(uapi.IORING_OP_READ, fd, 0, address, length, 0, dataLow, dataHigh, 0);
  }

  /** Reports each time one of the poll(2) bits `events` comes true, until it is removed or IORING_CQE_F_MORE is missing. */
  prepPollMultishot(fd: number, events: number, dataLow: number, dataHigh: number): void {
    this.#prep(uapi.IORING_OP_POLL_ADD, fd, 0, 0, uapi.IORING_POLL_ADD_MULTI, events, dataLow, dataHigh, 0);
  }

  /**
   * Ends the operation with that user data (an exact number); completes only if there is none. For polls too:
   * IORING_OP_POLL_REMOVE does nothing (EALREADY) to one that has something to report, which then holds its socket for ever.
   */
  prepCancel(data: number, dataLow: number, dataHigh: number): void {
    const head = uapi.IORING_OP_ASYNC_CANCEL | (uapi.IOSQE_CQE_SKIP_SUCCESS << 8);
    this.#prep(head, -1, 0, data, 0, 0, dataLow, dataHigh, 0);
  }

  /** Cancels every operation of the ring. */
  prepCancelAll(dataLow: number, dataHigh: number): void {
    const flags = uapi.IORING_ASYNC_CANCEL_ANY | uapi.IORING_ASYNC_CANCEL_ALL;
    this.#prep(uapi.IORING_OP_ASYNC_CANCEL, -1, 0, 0, 0, flags, dataLow, dataHigh, 0);
  }

  /** Cancels every operation on `fd`; each ends with -ECANCELED. */
  prepCancelFd(fd: number, dataLow: number, dataHigh: number): void {
    const flags = uapi.IORING_ASYNC_CANCEL_FD | uapi.IORING_ASYNC_CANCEL_ALL;
    this.#prep(uapi.IORING_OP_ASYNC_CANCEL, fd, 0, 0, 0, flags, dataLow, dataHigh, 0);
  }

  /**
   * Submits what has been prepared and waits for a completion, at most `timeoutMs` (Infinity: for ever, 0: not
   * at all). Returns also on a signal or the time-out; throws a SystemError on anything else.
   */
  submitAndWait(timeoutMs: number): void {
    let flags = uapi.IORING_ENTER_GETEVENTS;
    let argument = 0;
    let argumentBytes = 0;
    if (timeoutMs > 0 && timeoutMs !== Infinity) {
      this.#setTimeout(timeoutMs);
      flags |= uapi.IORING_ENTER_EXT_ARG;
      argument = this.#wait.address;
      argumentBytes = 24;
    }
    const wanted = timeoutMs <= 0 || this.#head !== Atomics.load(this.#cq, this.#cqTailAt) ? 0 : 1;
    this.#enter(wanted, flags, argument, argumentBytes);
  }

  /** Completions ready to be read. */
  ready(): number {
    // Acquire: the entries before this tail are complete.
    return (Atomics.load(this.#cq, this.#cqTailAt) - this.#head) | 0;
  }

  /** Word index of the `n`th oldest unread completion; read it with `result`, `flags`, `dataLow`, `dataHigh`. */
  peekCqe(n: number): number {
    return this.#cqesAt + ((this.#head + n) & this.#cqMask) * CQE_WORDS;
  }

  dataLow(cqe: number): number {
    return this.#cq[cqe] as number;
  }

  dataHigh(cqe: number): number {
    return this.#cq[cqe + 1] as number;
  }

  result(cqe: number): number {
    return this.#cq[cqe + 2] as number;
  }

  flags(cqe: number): number {
    return this.#cq[cqe + 3] as number;
  }

  /** Gives the `count` oldest completions back to the kernel. */
  cqAdvance(count: number): void {
    this.#head = (this.#head + count) | 0;
    // Release: the kernel may overwrite the entries only after we have read them.
    Atomics.store(this.#cq, this.#cqHeadAt, this.#head);
  }

  /** io_uring_register(2); throws a SystemError. */
  register(opcode: number, address: number, count: number): void {
    if (this.#libc.syscall(uapi.SYS_IO_URING_REGISTER, this.fd, opcode, address, count, 0, 0) < 0) {
      throw new SystemError('io_uring_register', lastErrno());
    }
  }

  close(): void {
    this.#libc.close(this.fd);
    for (const mapping of this.#mappings) unmap(mapping);
  }

  #setup(entries: number, params: Mapping, words: Uint32Array): number {
    let errno = 0;
    for (const flags of SETUP_FLAGS) {
      words.fill(0);
      words[uapi.PARAMS.flags / 4] = flags | uapi.IORING_SETUP_CQSIZE | uapi.IORING_SETUP_CLAMP;
      words[uapi.PARAMS.cqEntries / 4] = entries * 4;
      const fd = this.#libc.syscall(uapi.SYS_IO_URING_SETUP, entries, params.address, 0, 0, 0, 0);
      if (fd >= 0) return fd;
      errno = lastErrno();
      if (errno !== ERRNO.EINVAL) break;
    }
    throw new SystemError('io_uring_setup', errno);
  }

  #prep(
    head: number,
    fd: number,
    offset: number,
    address: number,
    length: number,
    flags: number,
    dataLow: number,
    dataHigh: number,
    group: number,
  ): void {
    const at = this.getSqe();
    const sqes = this.#sqes;
    const high = (address / 4294967296) | 0;
    sqes[at] = head;
    sqes[at + 1] = fd;
    sqes[at + 2] = offset;
    sqes[at + 3] = 0;
    sqes[at + 4] = address - high * 4294967296;
    sqes[at + 5] = high;
    sqes[at + 6] = length;
    sqes[at + 7] = flags;
    sqes[at + 8] = dataLow;
    sqes[at + 9] = dataHigh;
    sqes[at + 10] = group;
    sqes[at + 11] = 0;
  }

  #setTimeout(timeoutMs: number): void {
    const seconds = Math.floor(timeoutMs / 1000);
    // struct __kernel_timespec: two 64-bit integers whose high words stay 0.
    this.#timespecWords[0] = seconds;
    this.#timespecWords[2] = Math.ceil((timeoutMs - seconds * 1000) * 1e6);
    const address = this.#wait.address + 24;
    const high = (address / 4294967296) | 0;
    this.#waitWords[4] = address - high * 4294967296;
    this.#waitWords[5] = high;
  }

  #flush(): void {
    while (this.#toSubmit > 0) this.#enter(0, uapi.IORING_ENTER_GETEVENTS, 0, 0);
  }

  #enter(wanted: number, flags: number, argument: number, argumentBytes: number): void {
    // Release: the kernel sees the entries before it sees the new tail.
    Atomics.store(this.#sq, this.#sqTailAt, this.#tail);
    const result = this.#libc.syscall(
      uapi.SYS_IO_URING_ENTER,
      this.fd,
      this.#toSubmit,
      wanted,
      flags,
      argument,
      argumentBytes,
    );
    if (result >= 0) {
      this.#toSubmit -= result;
      return;
    }
    const errno = lastErrno();
    // EBUSY, EAGAIN: the completion queue is full or memory short; what is prepared stays and is submitted next time.
    if (errno !== ERRNO.EINTR && errno !== ERRNO.ETIME && errno !== ERRNO.EBUSY && errno !== ERRNO.EAGAIN) {
      throw new SystemError('io_uring_enter', errno);
    }
    // The kernel may have consumed entries before it was interrupted.
    this.#toSubmit = (this.#tail - Atomics.load(this.#sq, this.#sqHeadAt)) | 0;
  }
}
