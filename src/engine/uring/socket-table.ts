/**
 * What the engine knows of its sockets, in typed arrays by descriptor. A descriptor is closed only after its last
 * operation has completed, so a number cannot come to name another socket while a completion for the old one is
 * still on its way; the generation makes that checkable.
 */
import type { StreamSockets } from '../../sys/stream-socket.js';

// Bits of a socket's state.
export const OPEN = 1;
export const CLOSING = 2;
export const RECEIVING = 4;
export const SENDING = 8;
export const CONNECTING = 16;
export const ACCEPTING = 32;
/** Accepting has met an error and waits for the next grant. */
export const PAUSED = 64;
/** The last receive filled its buffer: the next one gets a large one. */
export const STREAMING = 128;
/** The last receive left data behind: do not wait for readiness first. */
export const NONEMPTY = 256;
/** A multishot accept has been told to end, the grants being used up. */
export const RESTING = 512;
/** To be shut down when the send under way has ended. */
export const ENDING = 1024;
/** Operations under way. */
export const PENDING = RECEIVING | SENDING | CONNECTING | ACCEPTING;

export class SocketTable {
  readonly #sockets: StreamSockets;
  state = new Uint16Array(1024);
  generation = new Int32Array(1024);
  /** The send under way: its buffer (-1: none), and which of its bytes are still to go. */
  sendBuffer = new Int32Array(1024);
  sendOffset = new Int32Array(1024);
  sendEnd = new Int32Array(1024);
  /** The highest descriptor seen: the kernel hands out the lowest free one, so about that many are open at peak. */
  highest = 0;
  /** Operations in the ring. */
  outstanding = 0;

  constructor(sockets: StreamSockets) {
    this.#sockets = sockets;
  }

  opened(socket: number): void {
    if (socket > this.highest) this.highest = socket;
    if (socket >= this.state.length) this.#grow(socket);
    this.state[socket] = OPEN;
    this.sendBuffer[socket] = -1;
  }

  begin(socket: number, operation: number): void {
    this.state[socket] |= operation;
    this.outstanding++;
  }

  /** Books the end of an operation; false if the socket is being closed, which happens here once nothing names it. */
  finish(socket: number, operation: number): boolean {
    this.outstanding--;
    const state = this.state[socket] & ~operation;
    this.state[socket] = state;
    if ((state & CLOSING) === 0) return true;
    if ((state & PENDING) === 0) this.closed(socket);
    return false;
  }

  /** Nothing names the socket any more: its descriptor goes. */
  closed(socket: number): void {
    this.state[socket] = 0;
    this.generation[socket] = (this.generation[socket] + 1) | 0;
    this.#sockets.close(socket);
  }

  #grow(socket: number): void {
    const size = 2 ** Math.ceil(Math.log2(socket + 1));
    const grown = <T extends Int32Array | Uint16Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.state = grown(this.state, new Uint16Array(size));
    this.generation = grown(this.generation, new Int32Array(size));
    this.sendBuffer = grown(this.sendBuffer, new Int32Array(size));
    this.sendOffset = grown(this.sendOffset, new Int32Array(size));
    this.sendEnd = grown(this.sendEnd, new Int32Array(size));
  }
}
