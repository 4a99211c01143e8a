/**
 * The engine on non-blocking sockets: do what can be done at once, and let a poller tell when the rest can get on.
 * The same for epoll, poll and kqueue; docs/internals/readiness.md draws a turn.
 *
 * A turn has two halves. The first only books what the poller has told into the sockets' state and queues the
 * sockets that can get on; the second serves the queue. Handlers are called in the second half alone, so while
 * events are read no descriptor is closed and none can name another socket by then. An entry of the queue that has
 * outlived its socket is harmless: what is done is decided by the state of whoever has the number now.
 *
 * Hot path: typed arrays by descriptor, positional numbers, no objects, no closures.
 */
import type { Endpoint } from '../../core/address.js';
import { monotonicMs } from '../../sys/clock.js';
import { ERRNO } from '../../sys/errno.js';
import { libc } from '../../sys/libc.js';
import { mapAnonymous, unmap } from '../../sys/memory.js';
import { raiseFileLimit } from '../../sys/privileges.js';
import { removeSocketFile, type Sockaddr, StreamSockets } from '../../sys/stream-socket.js';
import { AF_UNIX, SOCK_NONBLOCK } from '../../sys/uapi/socket.js';
import { createWakePair } from '../../sys/wake.js';
import type { Engine, EngineHandler, EngineName, ForeignAddress, PeerAddress } from '../engine.js';
import { BufferPool, LARGE_BYTES, SMALL_BYTES } from './buffer-pool.js';
import { FAILED, HUNG_UP, PEER_ENDED, type Poller, READABLE, URGENT, WRITABLE } from './poller.js';

// Bits of a socket's state.
const OPEN = 1;
const LISTENING = 2;
const RECEIVING = 4;
const SENDING = 8;
const CONNECTING = 16;
/** Worth trying to receive (to accept): the poller said so and nothing has shown otherwise since. */
const MAY_READ = 32;
const MAY_WRITE = 64;
/** The peer's end of stream has come; what is left to be read lies before it. */
const ENDED = 128;
/** A receive that leaves room in its buffer does not prove that nothing is left. */
const DOUBTFUL = 256;
/** The last receive filled its buffer: the next one gets a large one. */
const STREAMING = 512;
/** Has an entry in the queue. Outlives the socket, so that a number has one entry at most. */
const QUEUED = 1024;
/** The outcome of the connect or the send is known and waits in `#outcome`. */
const SETTLED = 2048;
/** Accepting has met an error and waits for the next grant. */
const PAUSED = 4096;
/** To be shut down when the send under way has ended. */
const ENDING = 8192;
/** Everything has been read: the next receive is the end, without asking the kernel. */
const AT_END = 16_384;
/** The poller knows the socket. */
const WATCHED = 32_768;

const READY_TO_RECEIVE = RECEIVING | MAY_READ;
const READY_TO_ACCEPT = OPEN | LISTENING | MAY_READ;

/** A Unix listener with a full queue (EAGAIN) gives no sign of having room again, so it is asked again that often. */
const RETRY_MS = 10;

interface Retry {
  readonly socket: number;
  readonly target: Sockaddr;
}

export class ReadinessEngine implements Engine {
  readonly name: EngineName;
  readonly peer: PeerAddress = { words: new Int32Array(4), port: 0, isUnix: false };
  readonly wakeDescriptor: number;
  readonly ownDescriptors: readonly number[];
  readonly #handler: EngineHandler;
  readonly #poller: Poller;
  readonly #sockets = new StreamSockets();
  readonly #pool = new BufferPool();
  readonly #wakeReads: number;
  readonly #wakeMemory = mapAnonymous(4096);

  // Per socket, indexed by descriptor.
  #state = new Int32Array(1024);
  #outcome = new Int32Array(1024);
  #sendBuffer = new Int32Array(1024);
  #sendOffset = new Int32Array(1024);
  #sendEnd = new Int32Array(1024);
  #grants = new Int32Array(1024);
  /** Sockets that can get on, as a ring: as long as the arrays above, and a socket is in it once. */
  #queue = new Int32Array(1024);
  #queueHead = 0;
  #queueTail = 0;

  /** Outcomes of `listen`, reported on the next turn: pairs of listener and result. */
  #listened: number[] = [];
  /** Sockets whose receive found every buffer in use. */
  #starved: number[] = [];
  #retries: Retry[] = [];
  #retryTime = Infinity;
  /** Paths of the Unix listeners that were made here. */
  readonly #files = new Map<number, string>();
  #batch = 1;
  #acceptedThisTurn = 0;
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
    const fd = this.#sockets.listen(endpoint, backlog, SOCK_NONBLOCK);
    if (fd < 0) {
      // There is no descriptor to name it by: the number of a listener that failed is the error itself.
      this.#listened.push(fd, fd);
      return fd;
    }
    if (endpoint.kind === 'unix') this.#files.set(fd, endpoint.path);
    return this.#serveClientsOf(fd);
  }

  adopt(descriptor: number, _endpoint: Endpoint): number {
    this.#sockets.setNonBlocking(descriptor);
    return this.#serveClientsOf(descriptor);
  }

  boundTo(listener: number): Endpoint {
    return this.#sockets.boundTo(listener);
  }

  grantAccept(listener: number, clients: number, batch: number): void {
    this.#grants[listener] += clients;
    this.#batch = batch;
    const state = this.#state[listener] & ~PAUSED;
    this.#state[listener] = state;
    if ((state & MAY_READ) !== 0 && this.#grants[listener] > 0) this.#enqueue(listener);
  }

  closeListener(listener: number): void {
    const file = this.#files.get(listener);
    if (file !== undefined) removeSocketFile(file);
    this.#files.delete(listener);
    this.close(listener, false);
  }

  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined): number {
    const target = this.#sockets.sockaddr(endpoint);
    const fd = this.#sockets.create(target.family, SOCK_NONBLOCK);
    if (fd < 0) return fd;
    const isUnix = target.family === AF_UNIX;
    this.#opened(fd, isUnix ? CONNECTING | DOUBTFUL : CONNECTING);
    const bound = source === undefined || isUnix ? 0 : this.#sockets.bindSource(fd, target.family, source);
    if (bound < 0) this.#settle(fd, bound);
    else this.#startConnect(fd, target);
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
    const state = this.#state[socket] | RECEIVING;
    this.#state[socket] = state;
    if ((state & MAY_READ) !== 0) this.#enqueue(socket);
    else this.#poller.want(socket, READABLE);
  }

  send(socket: number, buffer: number, length: number): boolean {
    const sent = this.#sockets.sendNow(socket, this.#pool.address(buffer), length);
    if (sent === length) {
      this.#pool.release(buffer);
      return true;
    }
    const state = (this.#state[socket] & ~MAY_WRITE) | SENDING;
    this.#state[socket] = state;
    if (sent < 0 && sent !== -ERRNO.EAGAIN) {
      this.#pool.release(buffer);
      this.#settle(socket, sent);
      return false;
    }
    this.#sendBuffer[socket] = buffer;
    this.#sendOffset[socket] = Math.max(sent, 0);
    this.#sendEnd[socket] = length;
    this.#poller.want(socket, WRITABLE);
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
    if ((state & (SENDING | SETTLED)) === SENDING) this.#pool.release(this.#sendBuffer[socket]);
    if ((state & WATCHED) !== 0) this.#poller.remove(socket);
    if (this.#retries.length > 0) this.#retries = this.#retries.filter((retry) => retry.socket !== socket);
    this.#state[socket] = state & QUEUED;
    this.#sockets.close(socket);
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
    this.#acceptedThisTurn = 0;
    // What is queued meanwhile is left for the next turn, after the poller has been asked about the others.
    for (let left = (this.#queueTail - this.#queueHead) | 0; left > 0; left--) this.#serveNext();
    if (this.#listened.length > 0) this.#reportListened();
    if (this.#starved.length > 0) this.#feedStarved();
    const now = this.#now;
    if (now >= this.#retryTime) this.#retryConnects();
    if (now >= this.#wakeTime) {
      this.#wakeTime = Infinity;
      this.#handler.timer(now);
    }
    this.#handler.turn(now);
  }

  /** Milliseconds that the next wait may last. */
  #patience(): number {
    if (this.#queueHead !== this.#queueTail || this.#listened.length > 0) return 0;
    const time = Math.min(this.#wakeTime, this.#retryTime);
    return time === Infinity ? Infinity : Math.max(0, time - this.#now);
  }

  /** Books what the poller told; calls nobody. */
  #note(socket: number, events: number): void {
    if (socket === this.#wakeReads) {
      libc().read(socket, this.#wakeMemory.address, this.#wakeMemory.bytes);
      this.#poller.want(socket, READABLE);
      return;
    }
    let state = this.#state[socket];
    if ((events & (READABLE | PEER_ENDED | FAILED | HUNG_UP)) !== 0) state |= MAY_READ;
    if ((events & (WRITABLE | FAILED | HUNG_UP)) !== 0) state |= MAY_WRITE;
    if ((events & (URGENT | FAILED | HUNG_UP)) !== 0) state |= DOUBTFUL;
    if ((events & PEER_ENDED) !== 0) state |= ENDED;
    this.#state[socket] = state;
    const canGetOn =
      (state & READY_TO_RECEIVE) === READY_TO_RECEIVE ||
      ((state & MAY_WRITE) !== 0 && (state & (SENDING | CONNECTING)) !== 0) ||
      (state & LISTENING) !== 0;
    if (canGetOn) this.#enqueue(socket);
  }

  #serveNext(): void {
    const socket = this.#queue[this.#queueHead & (this.#queue.length - 1)];
    this.#queueHead = (this.#queueHead + 1) | 0;
    let state = this.#state[socket] & ~QUEUED;
    this.#state[socket] = state;
    if ((state & LISTENING) !== 0) {
      this.#acceptFrom(socket);
    } else if ((state & CONNECTING) !== 0) {
      if ((state & (SETTLED | MAY_WRITE)) !== 0) this.#finishConnect(socket, state);
    } else {
      if ((state & SENDING) !== 0 && (state & (SETTLED | MAY_WRITE)) !== 0) {
        this.#sendOn(socket, state);
        state = this.#state[socket];
      }
      if ((state & READY_TO_RECEIVE) === READY_TO_RECEIVE) this.#receiveNow(socket, state);
    }
  }

  #receiveNow(socket: number, before: number): void {
    if ((before & AT_END) !== 0) {
      this.#state[socket] = before & ~RECEIVING;
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
      this.#state[socket] = state;
      this.#handler.received(socket, buffer, length);
      return;
    }
    pool.release(buffer);
    if (length === -ERRNO.EAGAIN) {
      this.#state[socket] = before & ~MAY_READ;
      this.#poller.want(socket, READABLE);
    } else if (length === -ERRNO.EINTR) {
      this.#enqueue(socket);
    } else {
      this.#state[socket] = before & ~RECEIVING;
      this.#handler.received(socket, -1, length);
    }
  }

  /** A send that had to wait gets on, or has failed at once. */
  #sendOn(socket: number, state: number): void {
    let result = 0;
    if ((state & SETTLED) !== 0) {
      result = this.#outcome[socket];
    } else {
      const buffer = this.#sendBuffer[socket];
      const offset = this.#sendOffset[socket];
      const left = this.#sendEnd[socket] - offset;
      const sent = this.#sockets.sendNow(socket, this.#pool.address(buffer) + offset, left);
      if (sent < left && (sent >= 0 || sent === -ERRNO.EAGAIN)) {
        this.#sendOffset[socket] = offset + Math.max(sent, 0);
        this.#state[socket] = state & ~MAY_WRITE;
        this.#poller.want(socket, WRITABLE);
        return;
      }
      this.#pool.release(buffer);
      result = Math.min(sent, 0);
    }
    this.#state[socket] = state & ~(SENDING | SETTLED | ENDING);
    if ((state & ENDING) !== 0) this.#sockets.shutdownWrite(socket);
    this.#handler.sent(socket, result);
  }

  #startConnect(socket: number, target: Sockaddr): void {
    const result = this.#sockets.connectNow(socket, target);
    if (result === -ERRNO.EINPROGRESS || result === -ERRNO.EINTR) {
      const added = this.#watch(socket, WRITABLE);
      if (added < 0) this.#settle(socket, added);
    } else if (result === -ERRNO.EAGAIN && target.family === AF_UNIX) {
      this.#retries.push({ socket, target });
      if (this.#retryTime === Infinity) this.#retryTime = this.now() + RETRY_MS;
    } else {
      this.#settle(socket, result === 0 ? this.#watch(socket, 0) : result);
    }
  }

  #retryConnects(): void {
    const list = this.#retries;
    this.#retries = [];
    this.#retryTime = Infinity;
    for (const { socket, target } of list) this.#startConnect(socket, target);
  }

  #finishConnect(socket: number, state: number): void {
    let result = 0;
    if ((state & SETTLED) !== 0) result = this.#outcome[socket];
    // A socket that became writable and nothing else is connected; there is no need to ask.
    else if ((state & DOUBTFUL) !== 0) result = this.#sockets.pendingError(socket);
    this.#state[socket] = state & ~(CONNECTING | SETTLED);
    this.#handler.connected(socket, result);
  }

  #acceptFrom(listener: number): void {
    while ((this.#state[listener] & (READY_TO_ACCEPT | PAUSED)) === READY_TO_ACCEPT && this.#grants[listener] > 0) {
      if (this.#acceptedThisTurn >= this.#batch) {
        this.#enqueue(listener);
        return;
      }
      const socket = this.#sockets.accept(listener);
      // Asked apart, because accept(2) gives an address to whoever has reset the connection, and this does not.
      const result = socket < 0 ? socket : this.#enter(socket, this.#sockets.peer(socket, this.peer.words));
      if (result >= 0) {
        this.#grants[listener]--;
        this.#acceptedThisTurn++;
        this.#handler.accepted(listener, result);
      } else if (isExhausted(result)) {
        this.#state[listener] |= PAUSED;
        this.#handler.accepted(listener, result);
      } else if (isPassing(result)) {
        this.#acceptedThisTurn++;
      } else {
        this.#state[listener] &= ~MAY_READ;
        this.#poller.want(listener, READABLE);
      }
    }
  }

  /** Takes up an accepted socket whose peer has that port (-1: a Unix socket); if that fails it is closed: -errno. */
  #enter(socket: number, peerPort: number): number {
    if (peerPort < -1) {
      this.#sockets.close(socket);
      return -ERRNO.ECONNABORTED;
    }
    const isUnix = peerPort === -1;
    this.#opened(socket, isUnix ? DOUBTFUL : 0);
    if (this.#watch(socket, 0) < 0) {
      this.close(socket, true);
      return -ERRNO.ENOMEM;
    }
    this.peer.port = Math.max(peerPort, 0);
    this.peer.isUnix = isUnix;
    return socket;
  }

  /** The socket listens, and takes part from now on. */
  #serveClientsOf(listener: number): number {
    this.#opened(listener, LISTENING);
    this.#grants[listener] = 0;
    const added = this.#watch(listener, READABLE);
    this.#listened.push(listener, added);
    if (added < 0) this.close(listener, false);
    return listener;
  }

  #reportListened(): void {
    const list = this.#listened;
    this.#listened = [];
    for (let i = 0; i < list.length; i += 2) this.#handler.listening(list[i], list[i + 1]);
  }

  /** Receives again where no buffer was left, once there is one. */
  #feedStarved(): void {
    if (!this.#pool.hasFree()) return;
    for (const socket of this.#starved) if ((this.#state[socket] & RECEIVING) !== 0) this.#enqueue(socket);
    this.#starved.length = 0;
  }

  #settle(socket: number, result: number): void {
    this.#outcome[socket] = result;
    this.#state[socket] |= SETTLED;
    this.#enqueue(socket);
  }

  #enqueue(socket: number): void {
    const state = this.#state[socket];
    if ((state & QUEUED) !== 0) return;
    this.#state[socket] = state | QUEUED;
    this.#queue[this.#queueTail & (this.#queue.length - 1)] = socket;
    this.#queueTail = (this.#queueTail + 1) | 0;
  }

  #watch(socket: number, bits: number): number {
    const added = this.#poller.add(socket, bits);
    if (added === 0) this.#state[socket] |= WATCHED;
    return added;
  }

  #opened(socket: number, bits: number): void {
    if (socket >= this.#state.length) this.#grow(socket);
    this.#state[socket] = (this.#state[socket] & QUEUED) | OPEN | bits;
  }

  #grow(socket: number): void {
    const size = 2 ** Math.ceil(Math.log2(socket + 1));
    const grown = (from: Int32Array): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(size);
      to.set(from);
      return to;
    };
    const queue = new Int32Array(size);
    const queued = (this.#queueTail - this.#queueHead) | 0;
    for (let i = 0; i < queued; i++) queue[i] = this.#queue[(this.#queueHead + i) & (this.#queue.length - 1)];
    this.#queue = queue;
    this.#queueHead = 0;
    this.#queueTail = queued;
    this.#state = grown(this.#state);
    this.#outcome = grown(this.#outcome);
    this.#sendBuffer = grown(this.#sendBuffer);
    this.#sendOffset = grown(this.#sendOffset);
    this.#sendEnd = grown(this.#sendEnd);
    this.#grants = grown(this.#grants);
  }

  #tearDown(): void {
    for (let socket = 0; socket < this.#state.length; socket++) {
      if ((this.#state[socket] & OPEN) !== 0) this.close(socket, false);
    }
    if (this.#wakeReads !== this.wakeDescriptor) this.#sockets.close(this.#wakeReads);
    this.#poller.close();
    this.#pool.close();
    unmap(this.#wakeMemory);
  }
}

/** Descriptors or memory have run out: accepting rests until somebody says that there are more. */
function isExhausted(result: number): boolean {
  const errno = -result;
  return errno === ERRNO.EMFILE || errno === ERRNO.ENFILE || errno === ERRNO.ENOBUFS || errno === ERRNO.ENOMEM;
}

/** That client has gone, or its connection has failed already (accept(2), Error handling): the next one may be well. */
function isPassing(result: number): boolean {
  const errno = -result;
  return (
    errno === ERRNO.ECONNABORTED ||
    errno === ERRNO.EINTR ||
    errno === ERRNO.EPROTO ||
    errno === ERRNO.EPERM ||
    errno === ERRNO.ENETDOWN ||
    errno === ERRNO.EHOSTUNREACH ||
    errno === ERRNO.ENETUNREACH
  );
}
