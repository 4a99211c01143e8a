/**
 * The engine on io_uring (Linux 5.19 and later): one ring, one thread, one `io_uring_enter` a turn.
 *
 * Through the ring goes what may have to wait: accept (multishot), connect, receive, send. What never waits is called
 * directly: shutdown (IORING_OP_SHUTDOWN always goes to a kernel worker thread and would race the close), close, and
 * the first try of a large send.
 *
 * The rooms: `ring.ts` (the two rings), `operations.ts` (what a completion is called), `socket-table.ts` (what is known
 * of a socket, and when its number may go), `acceptor.ts` (accepting by grant), `buffer-ring.ts` (provided buffers).
 */
import type { Endpoint } from '../../core/address.js';
import { monotonicMs } from '../../sys/clock.js';
import { ERRNO } from '../../sys/errno.js';
import { mapAnonymous } from '../../sys/memory.js';
import { raiseFileLimit } from '../../sys/privileges.js';
import { removeSocketFile, StreamSockets } from '../../sys/stream-socket.js';
import * as uapi from '../../sys/uapi/io-uring.js';
import { AF_UNIX, MSG_NOSIGNAL, MSG_WAITALL } from '../../sys/uapi/socket.js';
import { createWakeDescriptor } from '../../sys/wake.js';
import type { Engine, EngineHandler, ForeignAddress, PeerAddress } from '../engine.js';
import { Acceptor } from './acceptor.js';
import { BufferRing, MAX_BUFFERS } from './buffer-ring.js';
import {
  ACCEPT,
  CANCEL,
  CONNECT,
  KIND_SHIFT,
  LISTEN,
  RECV,
  RECV_LARGE,
  SEND,
  SOCKET_MASK,
  WAKE,
} from './operations.js';
import { Ring } from './ring.js';
import {
  CLOSING,
  CONNECTING,
  ENDING,
  NONEMPTY,
  OPEN,
  PENDING,
  RECEIVING,
  SENDING,
  SocketTable,
  STREAMING,
} from './socket-table.js';

const RING_ENTRIES = 1024;
/** Requests and most answers fit; a stream that fills it is moved on to the large ones. */
const SMALL_BYTES = 16_384;
const LARGE_BYTES = 524_288;
const LARGE_LIMIT = 128;
const SMALL_GROUP = 0;
const LARGE_GROUP = 1;
/** Cancelling takes a moment; if an error has upset the books, this is how long it is waited for. */
const TEAR_DOWN_MS = 5000;

export class UringEngine implements Engine {
  readonly name = 'uring';
  readonly peer: PeerAddress;
  readonly wakeDescriptor: number;
  readonly ownDescriptors: readonly number[];
  readonly #handler: EngineHandler;
  readonly #ring: Ring;
  readonly #small: BufferRing;
  readonly #large: BufferRing;
  readonly #sockets = new StreamSockets();
  readonly #table = new SocketTable(this.#sockets);
  readonly #acceptor: Acceptor;
  readonly #wakeMemory = mapAnonymous(8);

  /** Outcomes known without the ring, reported on the next turn: triples of kind, socket and result. */
  #deferred: number[] = [];
  /** Sockets whose receive found every buffer in use. */
  #starved: number[] = [];
  /** Paths of the Unix listeners that were made here. */
  readonly #files = new Map<number, string>();
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
    this.#acceptor = new Acceptor(this.#ring, this.#table, this.#sockets, handler, raiseFileLimit());
    this.peer = this.#acceptor.peer;
    this.wakeDescriptor = createWakeDescriptor();
    this.ownDescriptors = [this.#ring.fd];
    this.#armWake();
  }

  /** As it was when this turn began, while the engine runs. */
  now(): number {
    return this.#running ? this.#now : monotonicMs();
  }

  listen(endpoint: Endpoint, backlog: number): number {
    const fd = this.#sockets.listen(endpoint, backlog, 0);
    if (fd < 0) {
      // There is no descriptor to name it by: the number of a listener that failed is the error itself.
      this.#deferred.push(LISTEN, fd, fd);
      return fd;
    }
    if (endpoint.kind === 'unix') this.#files.set(fd, endpoint.path);
    this.#acceptor.backlog = backlog;
    return this.adopt(fd, endpoint);
  }

  adopt(descriptor: number, _endpoint: Endpoint): number {
    this.#table.opened(descriptor);
    this.#acceptor.opened(descriptor);
    this.#deferred.push(LISTEN, descriptor, 0);
    return descriptor;
  }

  boundTo(listener: number): Endpoint {
    return this.#sockets.boundTo(listener);
  }

  grantAccept(listener: number, clients: number, batch: number): void {
    this.#acceptor.grant(listener, clients, batch);
  }

  closeListener(listener: number): void {
    const file = this.#files.get(listener);
    if (file !== undefined) removeSocketFile(file);
    this.#files.delete(listener);
    this.#acceptor.closed(listener);
    // Stops listening now; the descriptor goes when the accept under way has been cancelled.
    this.#sockets.shutdownListener(listener);
    this.close(listener, false);
  }

  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined): number {
    const target = this.#sockets.sockaddr(endpoint);
    const fd = this.#sockets.create(target.family, 0);
    if (fd < 0) return fd;
    this.#table.opened(fd);
    this.#table.begin(fd, CONNECTING);
    const bound =
      source === undefined || target.family === AF_UNIX ? 0 : this.#sockets.bindSource(fd, target.family, source);
    if (bound < 0) this.#deferred.push(CONNECT, fd, bound);
    else
      this.#ring.prepConnect(
        fd,
        target.address,
        target.length,
        (CONNECT << KIND_SHIFT) | fd,
        this.#table.generation[fd],
      );
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
    const state = this.#table.state[socket];
    this.#table.begin(socket, RECEIVING);
    const large = (state & STREAMING) !== 0 && this.#large.hasFree();
    const ioprio = (state & NONEMPTY) !== 0 ? 0 : uapi.IORING_RECVSEND_POLL_FIRST;
    const low = ((large ? RECV_LARGE : RECV) << KIND_SHIFT) | socket;
    this.#ring.prepRecvSelect(socket, large ? LARGE_GROUP : SMALL_GROUP, ioprio, low, this.#table.generation[socket]);
  }

  send(socket: number, buffer: number, length: number): boolean {
    // A small send costs least as one more entry of the turn's submission (9-14 % of CPU per request less than a call
    // of its own), a large one as a call at once, while what was received is still in the cache (5 % less).
    const sent = buffer < MAX_BUFFERS ? 0 : this.#sockets.sendNow(socket, this.#address(buffer), length);
    if (sent === length) {
      this.release(buffer);
      return true;
    }
    this.#table.begin(socket, SENDING);
    if (sent < 0 && sent !== -ERRNO.EAGAIN) {
      this.release(buffer);
      this.#deferred.push(SEND, socket, sent);
      return false;
    }
    this.#table.sendBuffer[socket] = buffer;
    this.#table.sendOffset[socket] = Math.max(sent, 0);
    this.#table.sendEnd[socket] = length;
    this.#prepSend(socket);
    return false;
  }

  shutdown(socket: number): void {
    if ((this.#table.state[socket] & SENDING) !== 0) this.#table.state[socket] |= ENDING;
    else this.#sockets.shutdownWrite(socket);
  }

  close(socket: number, reset: boolean): void {
    const state = this.#table.state[socket];
    if ((state & OPEN) === 0) return;
    if (reset) this.#sockets.setResetOnClose(socket);
    if ((state & PENDING) === 0) {
      this.#table.closed(socket);
      return;
    }
    this.#table.state[socket] = (state & ~OPEN) | CLOSING;
    this.#cancel(socket);
  }

  bytes(buffer: number): Uint8Array {
    return buffer < MAX_BUFFERS ? this.#small.bytes(buffer) : this.#large.bytes(buffer - MAX_BUFFERS);
  }

  address(buffer: number): number {
    return this.#address(buffer);
  }

  acquire(bytes = 0): number {
    const large = bytes > SMALL_BYTES ? this.#large.acquire() : -1;
    return large < 0 ? this.#small.acquire() : large + MAX_BUFFERS;
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
    this.#now = monotonicMs();
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
    if (this.#acceptor.holds) this.#acceptor.report(this.#dismiss);
    if (this.#starved.length > 0) this.#feedStarved();
    if (this.#now >= this.#wakeTime) {
      this.#wakeTime = Infinity;
      this.#handler.timer(this.#now);
    }
    this.#handler.turn(this.#now);
  }

  /** Milliseconds that the next wait may last. */
  #patience(): number {
    if (this.#deferred.length > 0 || this.#acceptor.isBehind) return 0;
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
    if (kind !== WAKE && kind !== CANCEL && generation !== this.#table.generation[socket]) {
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
        this.#acceptor.accepted(socket, result, flags);
        break;
      case CONNECT:
        if (this.#table.finish(socket, CONNECTING)) this.#handler.connected(socket, result);
        break;
      case WAKE:
        this.#table.outstanding--;
        if (!this.#stopped) this.#armWake();
        break;
      case CANCEL:
        this.#table.outstanding--;
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
      let state = this.#table.state[socket] & ~(STREAMING | NONEMPTY);
      // What fills a small buffer moves a stream to large ones, what would not fill one moves it back.
      if (result >= SMALL_BYTES) state |= STREAMING;
      if ((flags & uapi.IORING_CQE_F_SOCK_NONEMPTY) !== 0) state |= NONEMPTY;
      this.#table.state[socket] = state;
    } else if (result === -ERRNO.ENOBUFS && (this.#table.state[socket] & CLOSING) === 0) {
      this.#table.state[socket] &= ~STREAMING;
      this.#starved.push(socket);
      return;
    }
    if (!this.#table.finish(socket, RECEIVING) || result <= 0) {
      if (buffer >= 0) this.release(buffer);
      buffer = -1;
    }
    if ((this.#table.state[socket] & OPEN) !== 0) this.#handler.received(socket, buffer, result);
  }

  /** A send that had to wait has ended, or has got on. */
  #sent(socket: number, result: number): void {
    if (result > 0 && (this.#table.state[socket] & OPEN) !== 0) {
      this.#table.sendOffset[socket] += result;
      if (this.#table.sendOffset[socket] < this.#table.sendEnd[socket]) {
        this.#prepSend(socket);
        return;
      }
    }
    const buffer = this.#table.sendBuffer[socket];
    if (buffer >= 0) this.release(buffer);
    this.#table.sendBuffer[socket] = -1;
    if (!this.#table.finish(socket, SENDING)) return;
    if ((this.#table.state[socket] & ENDING) !== 0) this.#sockets.shutdownWrite(socket);
    this.#handler.sent(socket, Math.min(result, 0));
  }

  #reportDeferred(): void {
    const list = this.#deferred;
    this.#deferred = [];
    for (let i = 0; i < list.length; i += 3) {
      const [kind, socket, result] = [list[i], list[i + 1], list[i + 2]];
      if (kind !== LISTEN) this.#complete(kind, socket, this.#table.generation[socket], result, 0);
      else if (!this.#stopped) this.#handler.listening(socket, result);
    }
  }

  /** Receives again where no buffer was left, as soon as one is. */
  #feedStarved(): void {
    const list = this.#starved;
    this.#starved = [];
    for (const socket of list) {
      if ((this.#table.state[socket] & CLOSING) !== 0) {
        this.#table.finish(socket, RECEIVING);
      } else if (this.#small.hasFree()) {
        this.#table.outstanding--;
        this.receive(socket);
      } else {
        this.#starved.push(socket);
      }
    }
  }

  #armWake(): void {
    this.#table.outstanding++;
    this.#ring.prepRead(this.wakeDescriptor, this.#wakeMemory.address, 8, WAKE << KIND_SHIFT, 0);
  }

  #prepSend(socket: number): void {
    const offset = this.#table.sendOffset[socket];
    const address = this.#address(this.#table.sendBuffer[socket]) + offset;
    const length = this.#table.sendEnd[socket] - offset;
    const low = (SEND << KIND_SHIFT) | socket;
    this.#ring.prepSend(socket, address, length, MSG_NOSIGNAL | MSG_WAITALL, low, this.#table.generation[socket]);
  }

  /** For clients who cannot be reported: made once, not for each turn. */
  readonly #dismiss = (socket: number): void => this.close(socket, false);

  #cancel(socket: number): void {
    this.#table.outstanding++;
    this.#ring.prepCancelFd(socket, CANCEL << KIND_SHIFT, 0);
  }

  #address(buffer: number): number {
    return buffer < MAX_BUFFERS ? this.#small.address(buffer) : this.#large.address(buffer - MAX_BUFFERS);
  }

  /** Ends every operation before the memory that they name goes; then the sockets, the ring and the buffers. */
  #tearDown(): void {
    for (let socket = 0; socket < this.#table.state.length; socket++) {
      if ((this.#table.state[socket] & OPEN) !== 0) this.close(socket, false);
    }
    this.#table.outstanding++;
    this.#ring.prepCancelAll(CANCEL << KIND_SHIFT, 0);
    for (const end = monotonicMs() + TEAR_DOWN_MS; this.#table.outstanding > 0 && monotonicMs() < end; ) {
      this.#ring.submitAndWait(this.#deferred.length > 0 ? 0 : 1000);
      this.#completions();
      this.#reportDeferred();
      for (const socket of this.#starved.splice(0)) this.#table.finish(socket, RECEIVING);
    }
    this.#ring.close();
    this.#small.close();
    this.#large.close();
  }
}
