/**
 * What the engine knows of its sockets, in typed arrays by descriptor, and the queue of those that can get on. A
 * descriptor is closed only where handlers are called, never while events are read, so that none of those can name
 * another socket by then. An entry of the queue that has outlived its socket is harmless: what is done is decided by
 * the state of whoever has the number now.
 *
 * Hot path: numbers and typed arrays.
 */
import type { StreamSockets } from '../../sys/stream-socket.js';
import type { Poller } from './poller.js';

// Bits of a socket's state.
export const OPEN = 1;
export const LISTENING = 2;
export const RECEIVING = 4;
export const SENDING = 8;
export const CONNECTING = 16;
/** Worth trying to receive (to accept): the poller said so and nothing has shown otherwise since. */
export const MAY_READ = 32;
export const MAY_WRITE = 64;
/** The peer's end of stream has come; what is left to be read lies before it. */
export const ENDED = 128;
/** A receive that leaves room in its buffer does not prove that nothing is left. */
export const DOUBTFUL = 256;
/** The last receive filled its buffer: the next one gets a large one. */
export const STREAMING = 512;
/** Has an entry in the queue. Outlives the socket, so that a number has one entry at most. */
export const QUEUED = 1024;
/** The outcome of the connect or the send is known and waits in `outcome`. */
export const SETTLED = 2048;
/** Accepting has met an error and waits for the next grant. */
export const PAUSED = 4096;
/** To be shut down when the send under way has ended. */
export const ENDING = 8192;
/** Everything has been read: the next receive is the end, without asking the kernel. */
export const AT_END = 16_384;
/** The poller knows the socket. */
export const WATCHED = 32_768;

export class SocketTable {
  state = new Int32Array(1024);
  outcome = new Int32Array(1024);
  /** The send that had to wait: its buffer, and which of its bytes are still to go. */
  sendBuffer = new Int32Array(1024);
  sendOffset = new Int32Array(1024);
  sendEnd = new Int32Array(1024);
  /** Clients that a listener may still report. */
  grants = new Int32Array(1024);
  readonly #sockets: StreamSockets;
  readonly #poller: Poller;
  /** A ring, as long as the arrays above: a socket is in it once. */
  #queue = new Int32Array(1024);
  #queueHead = 0;
  #queueTail = 0;

  constructor(sockets: StreamSockets, poller: Poller) {
    this.#sockets = sockets;
    this.#poller = poller;
  }

  opened(socket: number, bits: number): void {
    if (socket >= this.state.length) this.#grow(socket);
    this.state[socket] = (this.state[socket] & QUEUED) | OPEN | bits;
  }

  /** Has the poller watch over the socket; 0 or -errno. */
  watch(socket: number, bits: number): number {
    const added = this.#poller.add(socket, bits);
    if (added === 0) this.state[socket] |= WATCHED;
    return added;
  }

  /** How the connect or the send has ended, to be reported from the queue. */
  settle(socket: number, result: number): void {
    this.outcome[socket] = result;
    this.state[socket] |= SETTLED;
    this.enqueue(socket);
  }

  /** Closes the descriptor of an open socket. */
  close(socket: number): void {
    const state = this.state[socket];
    if ((state & WATCHED) !== 0) this.#poller.remove(socket);
    this.state[socket] = state & QUEUED;
    this.#sockets.close(socket);
  }

  enqueue(socket: number): void {
    const state = this.state[socket];
    if ((state & QUEUED) !== 0) return;
    this.state[socket] = state | QUEUED;
    this.#queue[this.#queueTail & (this.#queue.length - 1)] = socket;
    this.#queueTail = (this.#queueTail + 1) | 0;
  }

  /** How many sockets the queue holds. */
  queued(): number {
    return (this.#queueTail - this.#queueHead) | 0;
  }

  /** The first of the queue, which must hold one. */
  dequeue(): number {
    const socket = this.#queue[this.#queueHead & (this.#queue.length - 1)];
    this.#queueHead = (this.#queueHead + 1) | 0;
    this.state[socket] &= ~QUEUED;
    return socket;
  }

  #grow(socket: number): void {
    const size = 2 ** Math.ceil(Math.log2(socket + 1));
    const grown = (from: Int32Array): Int32Array<ArrayBuffer> => {
      const to = new Int32Array(size);
      to.set(from);
      return to;
    };
    const queue = new Int32Array(size);
    const queued = this.queued();
    for (let i = 0; i < queued; i++) queue[i] = this.#queue[(this.#queueHead + i) & (this.#queue.length - 1)];
    this.#queue = queue;
    this.#queueHead = 0;
    this.#queueTail = queued;
    this.state = grown(this.state);
    this.outcome = grown(this.outcome);
    this.sendBuffer = grown(this.sendBuffer);
    this.sendOffset = grown(this.sendOffset);
    this.sendEnd = grown(this.sendEnd);
    this.grants = grown(this.grants);
  }
}
