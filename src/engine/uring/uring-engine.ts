/**
 * The engine on io_uring (Linux 5.19 and later): one ring, one thread, one `io_uring_enter` a turn.
 *
 * Through the ring goes what may have to wait: accept (multishot), connect, receive, send. What never waits is called
 * directly: shutdown (IORING_OP_SHUTDOWN always goes to a kernel worker thread and would race the close), close, and
 * the first try of a large send.
 *
 * Identity: user data is kind:8 | socket:24 and the socket's generation. A socket's descriptor is closed only
 * after its last operation has completed, so a number cannot come to name another socket while a completion for
 * the old one is still on its way; the generation makes that checkable.
 */
import type { Endpoint } from '../../core/address.js';
import { monotonicMs } from '../../sys/clock.js';
import { ERRNO } from '../../sys/errno.js';
import { mapAnonymous } from '../../sys/memory.js';
import { raiseFileLimit } from '../../sys/privileges.js';
import { removeSocketFile, StreamSockets } from '../../sys/stream-socket.js';
import * as uapi from '../../sys/uapi/io-uring.js';
import { AF_UNIX, MSG_NOSIGNAL, MSG_WAITALL, SOCK_CLOEXEC } from '../../sys/uapi/socket.js';
import { createWakeDescriptor } from '../../sys/wake.js';
import type { Engine, EngineHandler, ForeignAddress, PeerAddress } from '../engine.js';
import { BufferRing, MAX_BUFFERS } from './buffer-ring.js';
import { Ring } from './ring.js';

const RING_ENTRIES = 1024;
/** Requests and most answers fit; a stream that fills it is moved on to the large ones. */
const SMALL_BYTES = 16_384;
const LARGE_BYTES = 524_288;
const LARGE_LIMIT = 128;
const SMALL_GROUP = 0;
const LARGE_GROUP = 1;
/** Cancelling takes a moment; if an error has upset the books, this is how long it is waited for. */
const TEAR_DOWN_MS = 5000;
/** Descriptors kept for everything that is no client or server: logs, control, files. */
const DESCRIPTOR_MARGIN = 64;

// Operation kinds in user data.
const ACCEPT = 1;
const CONNECT = 2;
const RECV = 3;
const SEND = 4;
const WAKE = 5;
const CANCEL = 6;
/** A receive into a large buffer. */
const RECV_LARGE = 7;
/** Never in the ring: the outcome of `listen`, reported like a completion. */
const LISTEN = 8;
const KIND_SHIFT = 24;
const SOCKET_MASK = 0xffffff;

// Bits of a socket's state.
const OPEN = 1;
const CLOSING = 2;
const RECEIVING = 4;
const SENDING = 8;
const CONNECTING = 16;
const ACCEPTING = 32;
/** Accepting has met an error and waits for the next grant. */
const PAUSED = 64;
/** The last receive filled its buffer: the next one gets a large one. */
const STREAMING = 128;
/** The last receive left data behind: do not wait for readiness first. */
const NONEMPTY = 256;
/** A multishot accept has been told to end, the grants being used up. */
const RESTING = 512;
/** To be shut down when the send under way has ended. */
const ENDING = 1024;
const PENDING = RECEIVING | SENDING | CONNECTING | ACCEPTING;

export class UringEngine implements Engine {
  readonly name = 'uring';
  readonly peer: PeerAddress = { words: new Int32Array(4), port: 0, isUnix: false };
  readonly wakeDescriptor: number;
  readonly ownDescriptors: readonly number[];
  readonly #handler: EngineHandler;
  readonly #ring: Ring;
  readonly #small: BufferRing;
  readonly #large: BufferRing;
  readonly #sockets = new StreamSockets();
  readonly #wakeMemory = mapAnonymous(8);

  // Per socket, indexed by descriptor.
  #state = new Uint16Array(1024);
  #generation = new Int32Array(1024);
  #sendBuffer = new Int32Array(1024);
  #sendOffset = new Int32Array(1024);
  #sendEnd = new Int32Array(1024);

  /** Outcomes known without the ring, reported on the next turn: triples of kind, socket and result. */
  #deferred: number[] = [];
  /** Sockets whose receive found every buffer in use. */
  #starved: number[] = [];
  /** Clients that each listener may still report. */
  readonly #grants = new Map<number, number>();
  /** Paths of the Unix listeners that were made here. */
  readonly #files = new Map<number, string>();
  /** Accepted ahead of a grant or beyond the batch: pairs of listener and socket, oldest first. */
  #held: number[] = [];
  /** Held clients could be reported at once, if the batch were not full. */
  #moreToReport = false;
  #batch = 1;
  #backlog = 511;
  readonly #fileLimit = raiseFileLimit();
  /** The highest descriptor seen: the kernel hands out the lowest free one, so about that many are open at peak. */
  #highest = 0;
  #outstanding = 0;
  /** The clock, read once a turn. */
  #now = monotonicMs();
  #wakeTime = Infinity;
  #running = false;
  #stopped = false;

  /** Throws a SystemError where io_uring is missing, forbidden (EPERM, ENOSYS) or too old. */
  constructor(handler: EngineHandler) {
    this.#handler = handler;
    this.#ring = new Ring(RING_ENTRIES);
    this.#small = new BufferRing(this.#ring, {
      group: SMALL_GROUP,
      bufferBytes: SMALL_BYTES,
      chunk: 64,
      limit: MAX_BUFFERS,
    });
    this.#large = new BufferRing(this.#ring, {
      group: LARGE_GROUP,
      bufferBytes: LARGE_BYTES,
      chunk: 8,
      limit: LARGE_LIMIT,
    });
    this.wakeDescriptor = createWakeDescriptor();
    this.ownDescriptors = [this.#ring.fd];
    this.#armWake();
  }

  now(): number {
    return this.#now;
  }

  listen(endpoint: Endpoint, backlog: number): number {
    const fd = this.#sockets.listen(endpoint, backlog, 0);
    if (fd < 0) {
      // There is no descriptor to name it by: the number of a listener that failed is the error itself.
      this.#deferred.push(LISTEN, fd, fd);
      return fd;
    }
    if (endpoint.kind === 'unix') this.#files.set(fd, endpoint.path);
    this.#backlog = backlog;
    return this.adopt(fd, endpoint);
  }

  adopt(descriptor: number, _endpoint: Endpoint): number {
    this.#opened(descriptor);
    this.#grants.set(descriptor, 0);
    this.#deferred.push(LISTEN, descriptor, 0);
    return descriptor;
  }

  boundTo(listener: number): Endpoint {
    return this.#sockets.boundTo(listener);
  }

  grantAccept(listener: number, clients: number, batch: number): void {
    this.#grants.set(listener, (this.#grants.get(listener) ?? 0) + clients);
    this.#batch = batch;
    this.#moreToReport = this.#held.length > 0;
    this.#state[listener] &= ~PAUSED;
    if ((this.#state[listener] & ACCEPTING) === 0) this.#armAccept(listener);
  }

  closeListener(listener: number): void {
    const file = this.#files.get(listener);
    if (file !== undefined) removeSocketFile(file);
    this.#files.delete(listener);
    this.#grants.delete(listener);
    // Stops listening now; the descriptor goes when the accept under way has been cancelled.
    this.#sockets.shutdownListener(listener);
    this.close(listener, false);
  }

  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined): number {
    const target = this.#sockets.sockaddr(endpoint);
    const fd = this.#sockets.create(target.family, 0);
    if (fd < 0) return fd;
    this.#opened(fd);
    this.#begin(fd, CONNECTING);
    const bound =
      source === undefined || target.family === AF_UNIX ? 0 : this.#sockets.bindSource(fd, target.family, source);
    if (bound < 0) this.#deferred.push(CONNECT, fd, bound);
    else this.#ring.prepConnect(fd, target.address, target.length, (CONNECT << KIND_SHIFT) | fd, this.#generation[fd]);
    return fd;
  }

  setOptions(socket: number, noDelay: boolean, keepAlive: boolean): void {
    if (noDelay) this.#sockets.setNoDelay(socket);
    if (keepAlive) this.#sockets.setKeepAlive(socket);
  }

  unsentBytes(socket: number): number {
    return this.#sockets.unsentBytes(socket);
  }

  receive(socket: number): void {
    const state = this.#state[socket];
    this.#begin(socket, RECEIVING);
    const large = (state & STREAMING) !== 0 && this.#large.hasFree();
    const ioprio = (state & NONEMPTY) !== 0 ? 0 : uapi.IORING_RECVSEND_POLL_FIRST;
    const low = ((large ? RECV_LARGE : RECV) << KIND_SHIFT) | socket;
    this.#ring.prepRecvSelect(socket, large ? LARGE_GROUP : SMALL_GROUP, ioprio, low, this.#generation[socket]);
  }

  send(socket: number, buffer: number, length: number): boolean {
    // A small send costs least as one more entry of the turn's submission (9-14 % of CPU per request less than a call
    // of its own), a large one as a call at once, while what was received is still in the cache (5 % less).
    const sent = buffer < MAX_BUFFERS ? 0 : this.#sockets.sendNow(socket, this.#address(buffer), length);
    if (sent === length) {
      this.release(buffer);
      return true;
    }
    this.#begin(socket, SENDING);
    if (sent < 0 && sent !== -ERRNO.EAGAIN) {
      this.release(buffer);
      this.#deferred.push(SEND, socket, sent);
      return false;
    }
    this.#sendBuffer[socket] = buffer;
    this.#sendOffset[socket] = Math.max(sent, 0);
    this.#sendEnd[socket] = length;
    this.#prepSend(socket);
    return false;
  }

  shutdown(socket: number): void {
    if ((this.#state[socket] & SENDING) !== 0) this.#state[socket] |= ENDING;
    else this.#sockets.shutdownWrite(socket);
  }

  close(socket: number, reset: boolean): void {
    const state = this.#state[socket];
    if ((state & OPEN) === 0) return;
    if (reset) this.#sockets.setResetOnClose(socket);
    if ((state & PENDING) === 0) {
      this.#closed(socket);
      return;
    }
    this.#state[socket] = (state & ~OPEN) | CLOSING;
    this.#cancel(socket);
  }

  bytes(buffer: number): Uint8Array {
    return buffer < MAX_BUFFERS ? this.#small.bytes(buffer) : this.#large.bytes(buffer - MAX_BUFFERS);
  }

  acquire(): number {
    return this.#small.acquire();
  }

  release(buffer: number): void {
    if (buffer < MAX_BUFFERS) this.#small.release(buffer);
    else this.#large.release(buffer - MAX_BUFFERS);
  }

  buffersInUse(): number {
    return this.#small.inUse() + this.#large.inUse();
  }

  poolBytes(): number {
    return this.#small.poolBytes() + this.#large.poolBytes();
  }

  wakeAt(timeMs: number): void {
    this.#wakeTime = timeMs;
  }

  run(): void {
    this.#running = true;
    try {
      while (!this.#stopped) this.#turn();
    } finally {
      this.#stopped = true;
      this.#tearDown();
    }
  }

  stop(): void {
    this.#stopped = true;
    if (!this.#running) this.#tearDown();
  }

  #turn(): void {
    this.#ring.submitAndWait(this.#patience());
    this.#now = monotonicMs();
    this.#completions();
    if (this.#deferred.length > 0) this.#reportDeferred();
    if (this.#held.length > 0) this.#reportAccepted();
    if (this.#starved.length > 0) this.#feedStarved();
    if (this.#now >= this.#wakeTime) {
      this.#wakeTime = Infinity;
      this.#handler.timer(this.#now);
    }
    this.#handler.turn(this.#now);
  }

  /** Milliseconds that the next wait may last. */
  #patience(): number {
    if (this.#deferred.length > 0 || this.#moreToReport) return 0;
    return this.#wakeTime === Infinity ? Infinity : Math.max(0, this.#wakeTime - this.#now);
  }

  #completions(): void {
    const ring = this.#ring;
    const count = ring.ready();
    let seen = 0;
    try {
      while (seen < count) {
        const cqe = ring.peekCqe(seen++);
        const low = ring.dataLow(cqe);
        this.#complete(low >>> KIND_SHIFT, low & SOCKET_MASK, ring.dataHigh(cqe), ring.result(cqe), ring.flags(cqe));
      }
    } finally {
      // Also when a handler throws: tearing down must not meet these again.
      if (seen > 0) ring.cqAdvance(seen);
    }
  }

  #complete(kind: number, socket: number, generation: number, result: number, flags: number): void {
    // An operation of an earlier socket of this number cannot still be under way; if it were, it is not ours.
    if (kind !== WAKE && kind !== CANCEL && generation !== this.#generation[socket]) {
      throw new Error(`io_uring completion of kind ${kind} for an older socket ${socket}`);
    }
    switch (kind) {
      case RECV:
      case RECV_LARGE:
        this.#received(kind, socket, result, flags);
        break;
      case SEND:
        this.#sent(socket, result);
        break;
      case ACCEPT:
        this.#accepted(socket, result, flags);
        break;
      case CONNECT:
        if (this.#finish(socket, CONNECTING)) this.#handler.connected(socket, result);
        break;
      case WAKE:
        this.#outstanding--;
        if (!this.#stopped) this.#armWake();
        break;
      case CANCEL:
        this.#outstanding--;
        break;
    }
  }

  #received(kind: number, socket: number, result: number, flags: number): void {
    let buffer = -1;
    if ((flags & uapi.IORING_CQE_F_BUFFER) !== 0) {
      const id = flags >>> uapi.IORING_CQE_BUFFER_SHIFT;
      const pool = kind === RECV ? this.#small : this.#large;
      pool.took();
      buffer = kind === RECV ? id : id + MAX_BUFFERS;
      let state = this.#state[socket] & ~(STREAMING | NONEMPTY);
      // What fills a small buffer moves a stream to large ones, what would not fill one moves it back.
      if (result >= SMALL_BYTES) state |= STREAMING;
      if ((flags & uapi.IORING_CQE_F_SOCK_NONEMPTY) !== 0) state |= NONEMPTY;
      this.#state[socket] = state;
    } else if (result === -ERRNO.ENOBUFS && (this.#state[socket] & CLOSING) === 0) {
      this.#state[socket] &= ~STREAMING;
      this.#starved.push(socket);
      return;
    }
    if (!this.#finish(socket, RECEIVING) || result <= 0) {
      if (buffer >= 0) this.release(buffer);
      buffer = -1;
    }
    if ((this.#state[socket] & OPEN) !== 0) this.#handler.received(socket, buffer, result);
  }

  /** A send that had to wait has ended, or has got on. */
  #sent(socket: number, result: number): void {
    if (result > 0 && (this.#state[socket] & OPEN) !== 0) {
      this.#sendOffset[socket] += result;
      if (this.#sendOffset[socket] < this.#sendEnd[socket]) {
        this.#prepSend(socket);
        return;
      }
    }
    const buffer = this.#sendBuffer[socket];
    if (buffer >= 0) this.release(buffer);
    this.#sendBuffer[socket] = -1;
    if (!this.#finish(socket, SENDING)) return;
    if ((this.#state[socket] & ENDING) !== 0) this.#sockets.shutdownWrite(socket);
    this.#handler.sent(socket, Math.min(result, 0));
  }

  #accepted(listener: number, result: number, flags: number): void {
    const ended = (flags & uapi.IORING_CQE_F_MORE) === 0;
    if (ended) {
      this.#outstanding--;
      this.#state[listener] &= ~(ACCEPTING | RESTING);
    }
    if (result >= 0) {
      this.#opened(result);
      this.#held.push(listener, result);
    }
    if ((this.#state[listener] & OPEN) === 0) {
      if (ended) this.#closed(listener);
      return;
    }
    if (isExhausted(result)) {
      this.#state[listener] |= PAUSED;
      this.#handler.accepted(listener, result);
    }
    const granted = (this.#grants.get(listener) as number) - this.#held.length / 2;
    if (!ended && granted <= 0 && (this.#state[listener] & RESTING) === 0) {
      this.#state[listener] |= RESTING;
      this.#cancel(listener);
    }
    // Anything else that ends an accept (a client that has gone, a full completion queue) is passing.
    if (ended && (this.#state[listener] & (OPEN | PAUSED | ACCEPTING)) === OPEN) this.#armAccept(listener);
  }

  /** Reports accepted clients: as many as are granted and fit a batch. */
  #reportAccepted(): void {
    const list = this.#held;
    this.#held = [];
    let left = this.#batch;
    for (let i = 0; i < list.length; i += 2) {
      const [listener, socket] = [list[i], list[i + 1]];
      const granted = this.#grants.get(listener);
      if (granted === undefined) {
        this.close(socket, false);
      } else if (granted === 0 || left === 0) {
        this.#held.push(listener, socket);
      } else {
        const port = this.#sockets.peer(socket, this.peer.words);
        if (port < -1) {
          // The client has gone between being accepted and now.
          this.close(socket, false);
          continue;
        }
        left--;
        this.#grants.set(listener, granted - 1);
        this.peer.port = Math.max(port, 0);
        this.peer.isUnix = port === -1;
        this.#handler.accepted(listener, socket);
      }
    }
    this.#moreToReport = this.#held.some((listener, i) => i % 2 === 0 && this.#grants.get(listener) !== 0);
  }

  #reportDeferred(): void {
    const list = this.#deferred;
    this.#deferred = [];
    for (let i = 0; i < list.length; i += 3) {
      const [kind, socket, result] = [list[i], list[i + 1], list[i + 2]];
      if (kind !== LISTEN) this.#complete(kind, socket, this.#generation[socket], result, 0);
      else if (!this.#stopped) this.#handler.listening(socket, result);
    }
  }

  /** Receives again where no buffer was left, as soon as one is. */
  #feedStarved(): void {
    const list = this.#starved;
    this.#starved = [];
    for (const socket of list) {
      if ((this.#state[socket] & CLOSING) !== 0) {
        this.#finish(socket, RECEIVING);
      } else if (this.#small.hasFree()) {
        this.#outstanding--;
        this.receive(socket);
      } else {
        this.#starved.push(socket);
      }
    }
  }

  /**
   * One accept serves many clients while there are grants and descriptors for all that the kernel's queue may hold
   * on top; near either limit it is one client at a time, so that nobody is accepted who cannot be served.
   */
  #armAccept(listener: number): void {
    const granted = (this.#grants.get(listener) as number) - this.#held.length / 2;
    if (granted <= 0) return;
    const descriptorsLeft = this.#fileLimit - this.#highest;
    const many = descriptorsLeft > 2 * granted + this.#backlog + DESCRIPTOR_MARGIN;
    this.#begin(listener, ACCEPTING);
    const low = (ACCEPT << KIND_SHIFT) | listener;
    const ioprio = many ? uapi.IORING_ACCEPT_MULTISHOT : 0;
    this.#ring.prepAccept(listener, SOCK_CLOEXEC, ioprio, low, this.#generation[listener]);
  }

  #armWake(): void {
    this.#outstanding++;
    this.#ring.prepRead(this.wakeDescriptor, this.#wakeMemory.address, 8, WAKE << KIND_SHIFT, 0);
  }

  #prepSend(socket: number): void {
    const offset = this.#sendOffset[socket];
    const address = this.#address(this.#sendBuffer[socket]) + offset;
    const length = this.#sendEnd[socket] - offset;
    const low = (SEND << KIND_SHIFT) | socket;
    this.#ring.prepSend(socket, address, length, MSG_NOSIGNAL | MSG_WAITALL, low, this.#generation[socket]);
  }

  #cancel(socket: number): void {
    this.#outstanding++;
    this.#ring.prepCancelFd(socket, CANCEL << KIND_SHIFT, 0);
  }

  #address(buffer: number): number {
    return buffer < MAX_BUFFERS ? this.#small.address(buffer) : this.#large.address(buffer - MAX_BUFFERS);
  }

  #begin(socket: number, operation: number): void {
    this.#state[socket] |= operation;
    this.#outstanding++;
  }

  /** Books the end of an operation; false if the socket is being closed, which happens here once nothing names it. */
  #finish(socket: number, operation: number): boolean {
    this.#outstanding--;
    const state = this.#state[socket] & ~operation;
    this.#state[socket] = state;
    if ((state & CLOSING) === 0) return true;
    if ((state & PENDING) === 0) this.#closed(socket);
    return false;
  }

  #opened(socket: number): void {
    if (socket > this.#highest) this.#highest = socket;
    if (socket >= this.#state.length) this.#grow(socket);
    this.#state[socket] = OPEN;
    this.#sendBuffer[socket] = -1;
  }

  #closed(socket: number): void {
    this.#state[socket] = 0;
    this.#generation[socket] = (this.#generation[socket] + 1) | 0;
    this.#sockets.close(socket);
  }

  #grow(socket: number): void {
    const size = 2 ** Math.ceil(Math.log2(socket + 1));
    const grown = <T extends Int32Array | Uint16Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#state = grown(this.#state, new Uint16Array(size));
    this.#generation = grown(this.#generation, new Int32Array(size));
    this.#sendBuffer = grown(this.#sendBuffer, new Int32Array(size));
    this.#sendOffset = grown(this.#sendOffset, new Int32Array(size));
    this.#sendEnd = grown(this.#sendEnd, new Int32Array(size));
  }

  /** Ends every operation before the memory that they name goes; then the sockets, the ring and the buffers. */
  #tearDown(): void {
    for (let socket = 0; socket < this.#state.length; socket++) {
      if ((this.#state[socket] & OPEN) !== 0) this.close(socket, false);
    }
    this.#outstanding++;
    this.#ring.prepCancelAll(CANCEL << KIND_SHIFT, 0);
    for (const end = monotonicMs() + TEAR_DOWN_MS; this.#outstanding > 0 && monotonicMs() < end; ) {
      this.#ring.submitAndWait(this.#deferred.length > 0 ? 0 : 1000);
      this.#completions();
      this.#reportDeferred();
      for (const socket of this.#starved.splice(0)) this.#finish(socket, RECEIVING);
    }
    this.#ring.close();
    this.#small.close();
    this.#large.close();
  }
}

function isExhausted(result: number): boolean {
  const errno = -result;
  return errno === ERRNO.EMFILE || errno === ERRNO.ENFILE || errno === ERRNO.ENOBUFS || errno === ERRNO.ENOMEM;
}
