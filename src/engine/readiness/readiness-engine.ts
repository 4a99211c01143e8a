/**
 * The engine on non-blocking sockets: do what can be done at once, and let a poller tell when the rest can get on.
 * The same for epoll, poll and kqueue; docs/internals/readiness.md draws a turn.
 *
 * A turn has two halves. The first only books what the poller has told into the sockets' state and queues the
 * sockets that can get on; the second serves the queue. Handlers are called in the second half alone, so while
 * events are read no descriptor is closed and none can name another socket by then.
 *
 * The rooms: `socket-table.ts` (what is known of a socket, and the queue), `acceptor.ts` (listeners, accepting by grant),
 * `connector.ts` (connecting), `buffer-pool.ts`, and the pollers. Receiving and sending are here.
 *
 * Hot path: typed arrays by descriptor, positional numbers, no objects, no closures.
 */
import type { Endpoint } from '../../core/address.js';
import { monotonicMs } from '../../sys/clock.js';
import { ERRNO } from '../../sys/errno.js';
import { libc } from '../../sys/libc.js';
import { mapAnonymous, unmap } from '../../sys/memory.js';
import { raiseFileLimit } from '../../sys/privileges.js';
import { StreamSockets } from '../../sys/stream-socket.js';
import { createWakePair } from '../../sys/wake.js';
import type { Engine, EngineHandler, EngineName, ForeignAddress, PeerAddress } from '../engine.js';
import { Acceptor } from './acceptor.js';
import { BufferPool, LARGE_BYTES, SMALL_BYTES } from './buffer-pool.js';
import { Connector } from './connector.js';
import { FAILED, HUNG_UP, PEER_ENDED, type Poller, READABLE, URGENT, WRITABLE } from './poller.js';
import {
  AT_END,
  CONNECTING,
  DOUBTFUL,
  ENDED,
  ENDING,
  LISTENING,
  MAY_READ,
  MAY_WRITE,
  OPEN,
  RECEIVING,
  SENDING,
  SETTLED,
  SocketTable,
  STREAMING,
} from './socket-table.js';

const READY_TO_RECEIVE = RECEIVING | MAY_READ;

export class ReadinessEngine implements Engine {
  readonly name: EngineName;
  readonly peer: PeerAddress;
  readonly wakeDescriptor: number;
  readonly ownDescriptors: readonly number[];
  readonly #handler: EngineHandler;
  readonly #poller: Poller;
  readonly #sockets = new StreamSockets();
  readonly #pool = new BufferPool();
  readonly #table: SocketTable;
  readonly #acceptor: Acceptor;
  readonly #connector: Connector;
  readonly #wakeReads: number;
  readonly #wakeMemory = mapAnonymous(4096);

  /** Sockets whose receive found every buffer in use. */
  #starved: number[] = [];
  #wakeTime = Infinity;
  /** The clock, read once a turn, after the wait: a reading costs as much as a quick system call. */
  #now = monotonicMs();
  #running = false;
  #stopped = false;

  /** The poller becomes the engine's. */
  constructor(name: EngineName, poller: Poller, handler: EngineHandler) {
    this.name = name;
    this.#poller = poller;
    this.#handler = handler;
    this.#table = new SocketTable(this.#sockets, poller);
    this.#acceptor = new Acceptor(this.#sockets, poller, this.#table, handler);
    this.#connector = new Connector(this.#sockets, this.#table, handler);
    this.peer = this.#acceptor.peer;
    raiseFileLimit();
    const { reads, writes } = createWakePair();
    this.#wakeReads = reads;
    this.wakeDescriptor = writes;
    this.ownDescriptors = [poller.descriptor, reads].filter((fd) => fd >= 0 && fd !== writes);
    poller.add(reads, READABLE);
  }

  /** As it was when this turn began, while the engine runs. */
  now(): number {
    return this.#running ? this.#now : monotonicMs();
  }

  listen(endpoint: Endpoint, backlog: number): number {
    return this.#acceptor.listen(endpoint, backlog);
  }

  adopt(descriptor: number, _endpoint: Endpoint): number {
    return this.#acceptor.adopt(descriptor);
  }

  boundTo(listener: number): Endpoint {
    return this.#sockets.boundTo(listener);
  }

  grantAccept(listener: number, clients: number, batch: number): void {
    this.#acceptor.grant(listener, clients, batch);
  }

  closeListener(listener: number): void {
    this.#acceptor.removeFile(listener);
    this.close(listener, false);
  }

  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined): number {
    return this.#connector.connect(endpoint, source, this.now());
  }

  setOptions(socket: number, noDelay: boolean, keepAlive: boolean): void {
    if (noDelay) this.#sockets.setNoDelay(socket);
    if (keepAlive) this.#sockets.setKeepAlive(socket);
  }

  unsentBytes(socket: number): number {
    return this.#sockets.unsentBytes(socket);
  }

  receive(socket: number): void {
    const table = this.#table;
    const state = table.state[socket] | RECEIVING;
    table.state[socket] = state;
    if ((state & MAY_READ) !== 0) table.enqueue(socket);
    else this.#poller.want(socket, READABLE);
  }

  send(socket: number, buffer: number, length: number): boolean {
    const sent = this.#sockets.sendNow(socket, this.#pool.address(buffer), length);
    if (sent === length) {
      this.#pool.release(buffer);
      return true;
    }
    const table = this.#table;
    table.state[socket] = (table.state[socket] & ~MAY_WRITE) | SENDING;
    if (sent < 0 && sent !== -ERRNO.EAGAIN) {
      this.#pool.release(buffer);
      table.settle(socket, sent);
      return false;
    }
    table.sendBuffer[socket] = buffer;
    table.sendOffset[socket] = Math.max(sent, 0);
    table.sendEnd[socket] = length;
    this.#poller.want(socket, WRITABLE);
    return false;
  }

  shutdown(socket: number): void {
    if ((this.#table.state[socket] & SENDING) !== 0) this.#table.state[socket] |= ENDING;
    else this.#sockets.shutdownWrite(socket);
  }

  close(socket: number, reset: boolean): void {
    const table = this.#table;
    const state = table.state[socket];
    if ((state & OPEN) === 0) return;
    if (reset) this.#sockets.setResetOnClose(socket);
    if ((state & (SENDING | SETTLED)) === SENDING) this.#pool.release(table.sendBuffer[socket]);
    if ((state & CONNECTING) !== 0) this.#connector.forget(socket);
    table.close(socket);
  }

  bytes(buffer: number): Uint8Array {
    return this.#pool.bytes(buffer);
  }

  address(buffer: number): number {
    return this.#pool.address(buffer);
  }

  acquire(bytes = 0): number {
    return this.#pool.take(bytes > SMALL_BYTES);
  }

  release(buffer: number): void {
    this.#pool.release(buffer);
  }

  buffersInUse(): number {
    return this.#pool.inUse();
  }

  poolBytes(): number {
    return this.#pool.totalBytes();
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
    const count = this.#poller.wait(this.#patience());
    this.#now = monotonicMs();
    const { sockets, events } = this.#poller;
    for (let i = 0; i < count; i++) this.#note(sockets[i], events[i]);
    this.#acceptor.beginTurn();
    // What is queued meanwhile is left for the next turn, after the poller has been asked about the others.
    for (let left = this.#table.queued(); left > 0; left--) this.#serveNext();
    if (this.#acceptor.hasNews) this.#acceptor.report();
    if (this.#starved.length > 0) this.#feedStarved();
    const now = this.#now;
    if (now >= this.#connector.retryTimeMs) this.#connector.retry(now);
    if (now >= this.#wakeTime) {
      this.#wakeTime = Infinity;
      this.#handler.timer(now);
    }
    this.#handler.turn(now);
  }

  /** Milliseconds that the next wait may last. */
  #patience(): number {
    if (this.#table.queued() > 0 || this.#acceptor.hasNews) return 0;
    const time = Math.min(this.#wakeTime, this.#connector.retryTimeMs);
    return time === Infinity ? Infinity : Math.max(0, time - this.#now);
  }

  /** Books what the poller told; calls nobody. */
  #note(socket: number, events: number): void {
    if (socket === this.#wakeReads) {
      libc().read(socket, this.#wakeMemory.address, this.#wakeMemory.bytes);
      this.#poller.want(socket, READABLE);
      return;
    }
    let state = this.#table.state[socket];
    if ((events & (READABLE | PEER_ENDED | FAILED | HUNG_UP)) !== 0) state |= MAY_READ;
    if ((events & (WRITABLE | FAILED | HUNG_UP)) !== 0) state |= MAY_WRITE;
    if ((events & (URGENT | FAILED | HUNG_UP)) !== 0) state |= DOUBTFUL;
    if ((events & PEER_ENDED) !== 0) state |= ENDED;
    this.#table.state[socket] = state;
    const canGetOn =
      (state & READY_TO_RECEIVE) === READY_TO_RECEIVE ||
      ((state & MAY_WRITE) !== 0 && (state & (SENDING | CONNECTING)) !== 0) ||
      (state & LISTENING) !== 0;
    if (canGetOn) this.#table.enqueue(socket);
  }

  #serveNext(): void {
    const table = this.#table;
    const socket = table.dequeue();
    let state = table.state[socket];
    if ((state & LISTENING) !== 0) {
      this.#acceptor.acceptFrom(socket);
    } else if ((state & CONNECTING) !== 0) {
      this.#connector.finish(socket);
    } else {
      if ((state & SENDING) !== 0 && (state & (SETTLED | MAY_WRITE)) !== 0) {
        this.#sendOn(socket, state);
        state = table.state[socket];
      }
      if ((state & READY_TO_RECEIVE) === READY_TO_RECEIVE) this.#receiveNow(socket, state);
    }
  }

  #receiveNow(socket: number, before: number): void {
    if ((before & AT_END) !== 0) {
      this.#table.state[socket] = before & ~RECEIVING;
      this.#handler.received(socket, -1, 0);
      return;
    }
    const pool = this.#pool;
    const buffer = pool.take((before & STREAMING) !== 0);
    if (buffer < 0) {
      this.#starved.push(socket);
      return;
    }
    const capacity = pool.capacity(buffer);
    const length = this.#sockets.receiveNow(socket, pool.address(buffer), capacity);
    if (length > 0) {
      let state = before & ~(RECEIVING | STREAMING);
      // Half a large buffer keeps a stream on large ones, a whole small one moves it there.
      if (length === capacity || length >= LARGE_BYTES / 2) state |= STREAMING;
      if (length < capacity && (state & DOUBTFUL) === 0 && this.#poller.trustsShortReads) {
        state = (state & ENDED) !== 0 ? state | AT_END : state & ~MAY_READ;
      }
      this.#table.state[socket] = state;
      this.#handler.received(socket, buffer, length);
      return;
    }
    pool.release(buffer);
    if (length === -ERRNO.EAGAIN) {
      this.#table.state[socket] = before & ~MAY_READ;
      this.#poller.want(socket, READABLE);
    } else if (length === -ERRNO.EINTR) {
      this.#table.enqueue(socket);
    } else {
      this.#table.state[socket] = before & ~RECEIVING;
      this.#handler.received(socket, -1, length);
    }
  }

  /** A send that had to wait gets on, or has failed at once. */
  #sendOn(socket: number, state: number): void {
    let result = 0;
    if ((state & SETTLED) !== 0) {
      result = this.#table.outcome[socket];
    } else {
      const buffer = this.#table.sendBuffer[socket];
      const offset = this.#table.sendOffset[socket];
      const left = this.#table.sendEnd[socket] - offset;
      const sent = this.#sockets.sendNow(socket, this.#pool.address(buffer) + offset, left);
      if (sent < left && (sent >= 0 || sent === -ERRNO.EAGAIN)) {
        this.#table.sendOffset[socket] = offset + Math.max(sent, 0);
        this.#table.state[socket] = state & ~MAY_WRITE;
        this.#poller.want(socket, WRITABLE);
        return;
      }
      this.#pool.release(buffer);
      result = Math.min(sent, 0);
    }
    this.#table.state[socket] = state & ~(SENDING | SETTLED | ENDING);
    if ((state & ENDING) !== 0) this.#sockets.shutdownWrite(socket);
    this.#handler.sent(socket, result);
  }

  /** Receives again where no buffer was left, once there is one. */
  #feedStarved(): void {
    if (!this.#pool.hasFree()) return;
    for (const socket of this.#starved) if ((this.#table.state[socket] & RECEIVING) !== 0) this.#table.enqueue(socket);
    this.#starved.length = 0;
  }

  #tearDown(): void {
    for (let socket = 0; socket < this.#table.state.length; socket++) {
      if ((this.#table.state[socket] & OPEN) !== 0) this.close(socket, false);
    }
    if (this.#wakeReads !== this.wakeDescriptor) this.#sockets.close(this.#wakeReads);
    this.#poller.close();
    this.#pool.close();
    unmap(this.#wakeMemory);
  }
}
