/**
 * The engine seam: ask for an operation on a socket, get told how it ended. One relay runs on every engine.
 *
 * Contract
 * - A socket is a small integer that the engine hands out (`accepted`, `connect`); it is the descriptor where
 *   the platform has them. It names the same socket until `close(socket)`, and the engine reports nothing
 *   about it after that call; the number is used again only when no operation can still name it.
 * - A buffer is a small integer too. `received` gives it to the handler, who must either `send` it (which
 *   gives it back, whatever the outcome) or `release` it. An idle socket holds no buffer.
 * - No operation calls the handler before it returns: completions come from the engine's own loop.
 * - After the end of a stream `receive` tells of it again.
 * - At most one `receive` and one `send` may be outstanding on a socket; both may be at once.
 * - Errors are negative errno numbers (`-ECONNREFUSED`), as `sys/errno` spells them, on every platform.
 * - Hot path: positional numbers, no objects, closures or promises per operation.
 */
import type { Endpoint } from '../core/address.js';

export const ENGINE_NAMES = ['uring', 'epoll', 'kqueue', 'poll', 'node'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** The address of the other end of the socket reported by the current `accepted` call. */
export interface PeerAddress {
  /** Four signed words as in core/address; all zero for a Unix socket. */
  readonly words: Int32Array;
  port: number;
  isUnix: boolean;
}

/**
 * An address that need not be this host's, to connect from (`transparent`). The engine has read it when `connect`
 * returns, so one object serves all connections.
 */
export interface ForeignAddress {
  readonly kind: 'foreign';
  /** Four signed words as in core/address; of the same family as the server's. */
  readonly words: Int32Array;
  /** 0 = the kernel chooses one. */
  port: number;
}

export interface EngineHandler {
  /** A `listen` ended: 0, or -errno (EADDRINUSE, EACCES ...) and the listener is gone. */
  listening(listener: number, result: number): void;
  /**
   * A client has connected and one grant is used; `engine.peer` holds its address during this call. `socket` < 0 is
   * -errno (EMFILE ...): no grant is used, and accepting rests until the next `grantAccept`.
   */
  accepted(listener: number, socket: number): void;
  /** `result` is 0 or -errno. */
  connected(socket: number, result: number): void;
  /** `length` bytes in `buffer`; 0 = end of stream; < 0 = -errno. There is a buffer only if `length` > 0. */
  received(socket: number, buffer: number, length: number): void;
  /** The whole buffer has been handed to the kernel (0) or the connection has failed (-errno). */
  sent(socket: number, result: number): void;
  /** The time asked for with `wakeAt` has come. */
  timer(nowMs: number): void;
  /** Called once after each batch of completions, and after a wake-up. */
  turn(nowMs: number): void;
}

export interface Engine {
  readonly name: EngineName;
  readonly peer: PeerAddress;
  /** Milliseconds of the monotonic clock that all threads share, as of the beginning of this engine's turn. */
  now(): number;

  /**
   * Binds and listens; returns the listener's number. `listening` tells how it went. It accepts nobody until
   * `grantAccept`. A wildcard IPv6 address takes IPv4 clients too; a busy port is an error.
   */
  listen(endpoint: Endpoint, backlog: number): number;
  /**
   * Accepts on a copy of a descriptor that listens already (made with `sys/stream-socket`), the same way as after
   * `listen`: several threads can serve one port, and a thread that comes later takes the place of one that died.
   * The engine owns the descriptor. Only where sockets are descriptors.
   */
  adopt(descriptor: number, endpoint: Endpoint): number;
  /**
   * What a listener is bound to (the port that was chosen for port 0), or this host's end of a connected socket; a
   * Unix socket with an empty path where that is gone or has no name. Not for the hot path.
   */
  boundTo(listener: number): Endpoint;
  /**
   * Lets the listener report that many more clients (added to what is left of earlier grants), at most `batch` of
   * them a turn. Whoever comes beyond that waits: in the kernel's queue, or where a platform accepts eagerly,
   * accepted but untouched. Also takes up accepting again after `accepted` reported an error.
   */
  grantAccept(listener: number, clients: number, batch: number): void;
  /** Stops listening; the file of a Unix listener goes too, unless it was adopted. */
  closeListener(listener: number): void;

  /**
   * Starts connecting; returns the socket, or -errno if not even a socket could be made (EMFILE ...). From a foreign
   * address `connected` may tell of -EPERM (no privilege), -EADDRINUSE or -EADDRNOTAVAIL (the port is taken); an engine
   * or platform that cannot do it returns -EOPNOTSUPP.
   */
  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined): number;
  setOptions(socket: number, noDelay: boolean, keepAlive: boolean): void;
  /** Bytes handed to the kernel that the peer has not acknowledged, -1 where that is not to be had. Not for the hot path. */
  unsentBytes(socket: number): number;
  receive(socket: number): void;
  /**
   * Sends the first `length` bytes of `buffer`, all of them, and takes the buffer back. True: they have gone at
   * once and no `sent` follows. False: `sent` will tell.
   */
  send(socket: number, buffer: number, length: number): boolean;
  /** Ends the sending direction (FIN) after what has been sent. */
  shutdown(socket: number): void;
  /** Closes now; with `reset` the peer sees a reset instead of an orderly end. */
  close(socket: number, reset: boolean): void;

  /** The memory of a buffer; its length is the buffer's capacity. */
  bytes(buffer: number): Uint8Array;
  /** Where that memory is, for native code; requires FFI. Good until the buffer is sent or released. */
  address(buffer: number): number;
  /** A buffer of our own to fill and send, a large one if it is to hold much; -1 if the pool can give none. */
  acquire(bytes?: number): number;
  release(buffer: number): void;
  /** Buffers in the handler's or the kernel's hands right now, and the pool's size in bytes: for tests and statistics. */
  buffersInUse(): number;
  poolBytes(): number;

  /**
   * Another thread wakes the engine, so that `turn` is called, by writing eight bytes (a 64-bit 1) to this
   * descriptor; -1 if the engine lives on its thread's event loop, which a posted message wakes by itself. Whoever
   * started the thread closes it, after the thread has ended: others may write to it until then.
   */
  readonly wakeDescriptor: number;
  /** Descriptors that no other thread knows of, to be closed if the thread ends without having left `run`. */
  readonly ownDescriptors: readonly number[];
  /** Asks for one `timer` call at or soon after that time; a later call replaces an earlier one; Infinity = none. */
  wakeAt(timeMs: number): void;
  /** Runs until `stop`. A blocking engine returns nothing, and only then; `node` returns a promise at once. */
  run(): void | Promise<void>;
  /**
   * Leaves `run` after the current batch, closing everything. To be called from a handler. A handler that throws has
   * the same effect, and `run` throws its error on.
   */
  stop(): void;
}
