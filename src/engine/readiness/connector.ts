/** Connecting, from the first try to what is reported. */
import type { Endpoint } from '../../core/address.js';
import { ERRNO } from '../../sys/errno.js';
import type { Sockaddr, StreamSockets } from '../../sys/stream-socket.js';
import { AF_UNIX, SOCK_NONBLOCK } from '../../sys/uapi/socket.js';
import type { EngineHandler, ForeignAddress } from '../engine.js';
import { WRITABLE } from './poller.js';
import { CONNECTING, DOUBTFUL, MAY_WRITE, SETTLED, type SocketTable } from './socket-table.js';

/** A Unix listener with a full queue (EAGAIN) gives no sign of having room again, so it is asked again that often. */
const RETRY_MS = 10;

interface Retry {
  readonly socket: number;
  readonly target: Sockaddr;
}

export class Connector {
  /** When `retry` is to be called; Infinity: not at all. */
  retryTimeMs = Infinity;
  readonly #sockets: StreamSockets;
  readonly #table: SocketTable;
  readonly #handler: EngineHandler;
  #retries: Retry[] = [];

  constructor(sockets: StreamSockets, table: SocketTable, handler: EngineHandler) {
    this.#sockets = sockets;
    this.#table = table;
    this.#handler = handler;
  }

  /** Starts connecting; the socket, or -errno if there is none. */
  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined, nowMs: number): number {
    const target = this.#sockets.sockaddr(endpoint);
    const fd = this.#sockets.create(target.family, SOCK_NONBLOCK);
    if (fd < 0) return fd;
    const isUnix = target.family === AF_UNIX;
    this.#table.opened(fd, isUnix ? CONNECTING | DOUBTFUL : CONNECTING);
    const bound = source === undefined || isUnix ? 0 : this.#sockets.bindSource(fd, target.family, source);
    if (bound < 0) this.#table.settle(fd, bound);
    else this.#try(fd, target, nowMs);
    return fd;
  }

  retry(nowMs: number): void {
    const list = this.#retries;
    this.#retries = [];
    this.retryTimeMs = Infinity;
    for (const { socket, target } of list) this.#try(socket, target, nowMs);
  }

  /** The socket is about to be closed. */
  forget(socket: number): void {
    if (this.#retries.length > 0) this.#retries = this.#retries.filter((retry) => retry.socket !== socket);
  }

  /** Reports how a connect has ended, if it has. */
  finish(socket: number): void {
    const state = this.#table.state[socket];
    if ((state & (SETTLED | MAY_WRITE)) === 0) return;
    let result = 0;
    if ((state & SETTLED) !== 0) result = this.#table.outcome[socket];
    // A socket that became writable and nothing else is connected; there is no need to ask.
    else if ((state & DOUBTFUL) !== 0) result = this.#sockets.pendingError(socket);
    this.#table.state[socket] = state & ~(CONNECTING | SETTLED);
    this.#handler.connected(socket, result);
  }

  #try(socket: number, target: Sockaddr, nowMs: number): void {
    const table = this.#table;
    const result = this.#sockets.connectNow(socket, target);
    if (result === -ERRNO.EINPROGRESS || result === -ERRNO.EINTR) {
      const added = table.watch(socket, WRITABLE);
      if (added < 0) table.settle(socket, added);
    } else if (result === -ERRNO.EAGAIN && target.family === AF_UNIX) {
      this.#retries.push({ socket, target });
      if (this.retryTimeMs === Infinity) this.retryTimeMs = nowMs + RETRY_MS;
    } else {
      table.settle(socket, result === 0 ? table.watch(socket, 0) : result);
    }
  }
}
