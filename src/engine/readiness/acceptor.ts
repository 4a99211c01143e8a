/**
 * Listeners, and accepting by grant: who comes beyond the grants stays in the kernel's queue. A listener is served from
 * the queue of the sockets that can get on, as long as the batch of the turn allows.
 */
import type { Endpoint } from '../../core/address.js';
import { ERRNO } from '../../sys/errno.js';
import { removeSocketFile, type StreamSockets } from '../../sys/stream-socket.js';
import { SOCK_NONBLOCK } from '../../sys/uapi/socket.js';
import { isExhausted, isPassing } from '../accept-error.js';
import type { EngineHandler, PeerAddress } from '../engine.js';
import { type Poller, READABLE } from './poller.js';
import { DOUBTFUL, LISTENING, MAY_READ, OPEN, PAUSED, type SocketTable } from './socket-table.js';

const READY_TO_ACCEPT = OPEN | LISTENING | MAY_READ;

export class Acceptor {
  readonly peer: PeerAddress = { words: new Int32Array(4), port: 0, isUnix: false };
  readonly #sockets: StreamSockets;
  readonly #poller: Poller;
  readonly #table: SocketTable;
  readonly #handler: EngineHandler;
  /** Outcomes of `listen`, reported on the next turn: pairs of listener and result. */
  #listened: number[] = [];
  /** Paths of the Unix listeners that were made here. */
  readonly #files = new Map<number, string>();
  #batch = 1;
  #acceptedThisTurn = 0;

  constructor(sockets: StreamSockets, poller: Poller, table: SocketTable, handler: EngineHandler) {
    this.#sockets = sockets;
    this.#poller = poller;
    this.#table = table;
    this.#handler = handler;
  }

  listen(endpoint: Endpoint, backlog: number): number {
    const fd = this.#sockets.listen(endpoint, backlog, SOCK_NONBLOCK);
    if (fd < 0) {
      // There is no descriptor to name it by: the number of a listener that failed is the error itself.
      this.#listened.push(fd, fd);
      return fd;
    }
    if (endpoint.kind === 'unix') this.#files.set(fd, endpoint.path);
    return this.#takeUp(fd);
  }

  adopt(descriptor: number): number {
    this.#sockets.setNonBlocking(descriptor);
    return this.#takeUp(descriptor);
  }

  grant(listener: number, clients: number, batch: number): void {
    const table = this.#table;
    table.grants[listener] += clients;
    this.#batch = batch;
    const state = table.state[listener] & ~PAUSED;
    table.state[listener] = state;
    if ((state & MAY_READ) !== 0 && table.grants[listener] > 0) table.enqueue(listener);
  }

  /** The listener is about to be closed. */
  removeFile(listener: number): void {
    const file = this.#files.get(listener);
    if (file !== undefined) removeSocketFile(file);
    this.#files.delete(listener);
  }

  /** Whether outcomes of `listen` are waiting to be reported. */
  get hasNews(): boolean {
    return this.#listened.length > 0;
  }

  report(): void {
    const list = this.#listened;
    this.#listened = [];
    for (let i = 0; i < list.length; i += 2) this.#handler.listening(list[i], list[i + 1]);
  }

  beginTurn(): void {
    this.#acceptedThisTurn = 0;
  }

  acceptFrom(listener: number): void {
    const table = this.#table;
    while ((table.state[listener] & (READY_TO_ACCEPT | PAUSED)) === READY_TO_ACCEPT && table.grants[listener] > 0) {
      if (this.#acceptedThisTurn >= this.#batch) {
        table.enqueue(listener);
        return;
      }
      const socket = this.#sockets.accept(listener);
      // Asked apart, because accept(2) gives an address to whoever has reset the connection, and this does not.
      const result = socket < 0 ? socket : this.#enter(socket, this.#sockets.peer(socket, this.peer.words));
      if (result >= 0) {
        table.grants[listener]--;
        this.#acceptedThisTurn++;
        this.#handler.accepted(listener, result);
      } else if (isExhausted(result)) {
        table.state[listener] |= PAUSED;
        this.#handler.accepted(listener, result);
      } else if (isPassing(result)) {
        this.#acceptedThisTurn++;
      } else {
        table.state[listener] &= ~MAY_READ;
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
    this.#table.opened(socket, isUnix ? DOUBTFUL : 0);
    if (this.#table.watch(socket, 0) < 0) {
      this.#sockets.setResetOnClose(socket);
      this.#table.close(socket);
      return -ERRNO.ENOMEM;
    }
    this.peer.port = Math.max(peerPort, 0);
    this.peer.isUnix = isUnix;
    return socket;
  }

  /** The socket listens, and takes part from now on. */
  #takeUp(listener: number): number {
    const table = this.#table;
    table.opened(listener, LISTENING);
    table.grants[listener] = 0;
    const added = table.watch(listener, READABLE);
    this.#listened.push(listener, added);
    if (added < 0) table.close(listener);
    return listener;
  }
}
