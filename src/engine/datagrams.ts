/**
 * The seam for datagrams: the same platforms as engine.ts, in batches. A worker that balances UDP runs on one of
 * these instead of an engine for streams.
 *
 * Contract
 * - A socket is a small integer: a listener, bound and open to anybody, or one connected to a server. It names the
 *   same socket until `close`; the engine reports nothing about it after that call, and the number is used again
 *   only when nothing queued can still name it.
 * - A datagram is a place in `memory`: the handler reads it during the call and may give the place to `send` and
 *   `reply`. Both are queued and carried out before the memory is used again, so no bytes are copied; whatever
 *   could not be sent is reported, and then still lies in its place. What is to be kept longer is copied to the
 *   handler's own part of `memory`, the first `keptBytes`.
 * - Who a listener's datagram came from, and the local address it was sent to, stand in `sender` and `local` during the
 *   call. To answer later the handler has them kept under a number of its own, a path.
 * - `send` and `reply` keep their order for one socket; there is none between sockets.
 * - Datagrams are never cut short silently: one that did not fit is reported, not delivered.
 * - Only `reply` and `send` are asynchronous; they never call the handler before they return.
 * - Errors are negative errno numbers. Hot path: positional numbers, no objects or closures per datagram.
 */
import type { Endpoint } from '../core/address.js';
import type { EngineName, ForeignAddress } from './engine.js';

/** An IP address and port, valid during one call. */
export interface DatagramAddress {
  /** Four signed words as in core/address. */
  readonly words: Int32Array;
  port: number;
}

export interface DatagramHandler {
  /** A `listen` or `adopt` ended: 0, or -errno and the listener is gone. */
  listening(listener: number, result: number): void;
  /** A client's datagram of `length` (0 to 65,527) bytes at `at` in `memory`. */
  arrived(listener: number, at: number, length: number): void;
  /** A datagram from the server that `socket` is connected to; others' are not let through. */
  answered(socket: number, at: number, length: number): void;
  /** Something sent on `socket` earlier did not arrive, as the network reports (-ECONNREFUSED, -EHOSTUNREACH ...). */
  failed(socket: number, error: number): void;
  /**
   * A datagram queued by `send` or `reply` with that `tag` was not sent. -ECANCELED: it was not tried, as its socket
   * was closed meanwhile or an error of others came first. The handler may send it again.
   */
  unsent(tag: number, isReply: boolean, at: number, length: number, error: number): void;
  /** A datagram came that was too long to be received whole. */
  truncated(): void;
  /** The time asked for with `wakeAt` has come. */
  timer(nowMs: number): void;
  /** Called once after each batch, when everything queued has been sent; and after a wake-up. */
  turn(nowMs: number): void;
}

export interface Datagrams {
  readonly name: EngineName;
  readonly sender: DatagramAddress;
  /** Where the datagram was sent to, if the listener is a wildcard's; all zero if not: it is where the listener is bound. */
  readonly local: Int32Array;
  readonly memory: Uint8Array;
  readonly wakeDescriptor: number;
  readonly ownDescriptors: readonly number[];
  now(): number;

  /** Binds; returns the listener's number. `listening` tells how it went. */
  listen(endpoint: Endpoint): number;
  /** The same with a copy of a descriptor that is bound already; the engine owns it. Only where sockets are descriptors. */
  adopt(descriptor: number, endpoint: Endpoint): number;
  boundTo(listener: number): Endpoint;
  /**
   * A socket connected to a server, or -errno (EMFILE, EADDRNOTAVAIL, EAGAIN: no port is free); from a foreign address also
   * EPERM (no privilege), EADDRINUSE (the port is taken), EOPNOTSUPP (not on this platform, not on `node`).
   */
  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined): number;
  /** Of listeners too. What is queued for it and not sent yet is reported as unsent. */
  close(socket: number): void;

  /** During `arrived`: keeps the sender and the local address as `path` (any whole number; memory grows with the largest). */
  keepPath(path: number): void;
  /** Queues a datagram for the server; `tag` is for `unsent`. */
  send(socket: number, at: number, length: number, tag: number): void;
  /** Queues an answer, from the local address of `path` to its sender. The path is the tag. */
  reply(listener: number, path: number, at: number, length: number): void;

  /** As `Engine.wakeAt`, `run` and `stop`. */
  wakeAt(timeMs: number): void;
  run(): void | Promise<void>;
  stop(): void;
}

export interface DatagramOptions {
  /** The handler's own part at the beginning of `memory`. */
  readonly keptBytes: number;
}
