/**
 * One connection of the `node` engine: a net.Socket whose fate only the engine decides. The stream machinery
 * of Node destroys a socket at the first error or when both directions have ended; here `destroy` merely
 * notes the error, so that what the peer sent before a failed write can still be read (a server that answers
 * "413" and closes resets the connection that is still uploading).
 *
 * Reading goes through one scratch buffer that all sockets of the engine share (libuv reads only when data is
 * there, on Windows too, and calls back at once), so a socket that waits holds no memory.
 *
 *     receive() --> reading --+-- chunk filled the scratch, no new receive(): stopped at once
 *                             +-- shorter chunk: stays reading until the end of the batch, because the next
 *                                 receive() mostly comes before that; stopping and starting costs two
 *                                 epoll_ctl. What arrives in between is held: one chunk, never more.
 */
import net from 'node:net';
import { type Endpoint, ipEndpoint, parseIp } from '../../core/address.js';
import { errnoOfError, handleOf, type NativeHandle } from './native-handle.js';

export interface SocketOwner {
  readonly scratch: Uint8Array;
  onConnected(socket: NodeSocket, result: number): void;
  /** `length` bytes are in the scratch buffer; a buffer is to be taken and delivered, or held if there is no receive. */
  onChunk(socket: NodeSocket, length: number): void;
  /** End of stream (0) or -errno. */
  onEnd(socket: NodeSocket, result: number): void;
  onSent(socket: NodeSocket, result: number): void;
  /** The number may be used again. */
  onGone(socket: NodeSocket): void;
}

const OPEN = 0;
const CLOSING = 1;
const RESET_WHEN_SHUT = 2;
const CLOSED = 3;
type Lifecycle = typeof OPEN | typeof CLOSING | typeof RESET_WHEN_SHUT | typeof CLOSED;

/** `ended` while the stream goes on; the end of stream itself is 0. */
export const NOT_ENDED = 1;

export class NodeSocket extends net.Socket {
  readonly number: number;
  isConnecting: boolean;
  isReceiving = false;
  isReading = false;
  /** Waits for the end of the batch to be stopped if there is no receive by then. */
  isLingering = false;
  /** The chunk that came without a receive. */
  heldBuffer = -1;
  heldLength = 0;
  /** NOT_ENDED, or what the next receive will be told: 0 or -errno. */
  ended = NOT_ENDED;
  /** The buffer that is being sent, -1 if none. */
  sendBuffer = -1;
  /** Why nothing more can be sent, 0 = it can. */
  sendError = 0;
  readonly #owner: SocketOwner;
  #lifecycle: Lifecycle = OPEN;
  #isShutting = false;
  /** Writes that were reported as done and whose callbacks are still to come. */
  #writesDone = 0;

  /** With a handle an accepted connection, without one a socket to connect. */
  constructor(owner: SocketOwner, number: number, handle: NativeHandle | undefined) {
    const options = {
      allowHalfOpen: true,
      handle,
      manualStart: true,
      onread: { buffer: owner.scratch, callback: (length: number) => this.#onChunk(length) },
    };
    super(options as net.SocketConstructorOpts);
    this.#owner = owner;
    this.number = number;
    this.isConnecting = handle === undefined;
    if (handle === undefined) {
      // A connected socket would start reading by itself.
      this.pause();
      this.once('connect', () => {
        this.isConnecting = false;
        this.#owner.onConnected(this, 0);
      });
    }
  }

  get isOpen(): boolean {
    return this.#lifecycle === OPEN;
  }

  /** This host's end. */
  boundTo(): Endpoint {
    const words = parseIp(this.localAddress ?? '');
    return words === undefined ? { kind: 'unix', path: '' } : ipEndpoint(words, this.localPort ?? 0);
  }

  startReading(): void {
    if (this.isReading || this.ended !== NOT_ENDED) return;
    this.isReading = true;
    this.resume();
  }

  stopReading(): void {
    if (!this.isReading) return;
    this.isReading = false;
    this.pause();
  }

  /** Closes for good; with `reset` the peer gets a reset. Nothing is reported after this but `onGone`. */
  finish(reset: boolean): void {
    if (this.#lifecycle !== OPEN) return;
    this.#lifecycle = CLOSING;
    if (!reset) this.#release();
    else if (this.#isShutting) this.#lifecycle = RESET_WHEN_SHUT;
    else this.#reset();
  }

  /** The stream machinery's wish to end the socket: errors are noted, the rest is not its business. */
  override destroy(error?: Error): this {
    if (error === undefined || this.#lifecycle !== OPEN) return this;
    if (this.isConnecting) {
      this.isConnecting = false;
      const result = errnoOfError(error);
      // A Unix path can fail inside connect().
      process.nextTick(() => {
        if (this.isOpen) this.#owner.onConnected(this, result);
      });
    } else if ((error as NodeJS.ErrnoException).syscall === 'read') {
      this.#onEnd(errnoOfError(error));
    }
    return this;
  }

  /** Node pushes nothing but the end: data goes through `onread`. */
  override push(chunk: unknown): boolean {
    if (chunk === null) this.#onEnd(0);
    return false;
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#isShutting = true;
    super._final((error) => {
      this.#isShutting = false;
      // libuv refuses to reset a handle while it is being shut down.
      if (this.#lifecycle === RESET_WHEN_SHUT) this.#reset();
      callback(error);
    });
  }

  /** True if the kernel has taken all of it; else the owner will be told. */
  writeNow(chunk: Uint8Array): boolean {
    this.write(chunk, this.#onWritten);
    // Node tries at once, but calls back on the next tick even if that was all.
    const isWritten = this.writableLength === 0 && this.errored === null;
    if (isWritten) this.#writesDone++;
    return isWritten;
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (this.#writesDone > 0) {
      this.#writesDone--;
      return;
    }
    if (error) this.sendError = errnoOfError(error);
    this.#owner.onSent(this, this.sendError);
  };

  #onChunk(length: number): boolean {
    if (this.#lifecycle !== OPEN) return false;
    const isFull = length === this.#owner.scratch.length;
    if (!this.isReceiving) {
      this.isReading = false;
      this.#owner.onChunk(this, length);
      return false;
    }
    this.#owner.onChunk(this, length);
    if (this.isReceiving || !isFull) return this.isReading;
    this.isReading = false;
    return false;
  }

  #onEnd(result: number): void {
    if (this.ended !== NOT_ENDED || this.#lifecycle !== OPEN) return;
    this.isReading = false;
    this.ended = result;
    this.#owner.onEnd(this, result);
  }

  #reset(): void {
    const handle = handleOf(this);
    if (handle?.reset === undefined || handle.reset(() => this.#gone()) !== 0) this.#release();
    else super.destroy();
  }

  #release(): void {
    this.once('close', () => this.#gone());
    super.destroy();
  }

  #gone(): void {
    if (this.#lifecycle === CLOSED) return;
    this.#lifecycle = CLOSED;
    this.#owner.onGone(this);
  }
}
