/**
 * Accepting, by grant. One accept in the ring serves many clients (multishot) while there are grants and
 * descriptors for all that the kernel's queue may hold on top; near either limit it is one client at a time, so that
 * nobody is accepted who cannot be served. Who was accepted ahead of a grant is held, untouched, until there is one.
 */
import type { StreamSockets } from '../../sys/stream-socket.js';
import { IORING_ACCEPT_MULTISHOT, IORING_CQE_F_MORE } from '../../sys/uapi/io-uring.js';
import { SOCK_CLOEXEC } from '../../sys/uapi/socket.js';
import { isExhausted } from '../accept-error.js';
import type { EngineHandler, PeerAddress } from '../engine.js';
import { ACCEPT, CANCEL, KIND_SHIFT } from './operations.js';
import type { Ring } from './ring.js';
import { ACCEPTING, OPEN, PAUSED, RESTING, type SocketTable } from './socket-table.js';

/** Descriptors kept for everything that is no client or server: logs, control, files. */
const DESCRIPTOR_MARGIN = 64;

export class Acceptor {
  readonly peer: PeerAddress = { words: new Int32Array(4), port: 0, isUnix: false };
  /** Clients that the kernel's queue may hold beyond the grants. */
  backlog = 511;
  readonly #ring: Ring;
  readonly #table: SocketTable;
  readonly #sockets: StreamSockets;
  readonly #handler: EngineHandler;
  readonly #fileLimit: number;
  /** Clients that each listener may still report. */
  readonly #grants = new Map<number, number>();
  /** Accepted ahead of a grant or beyond the batch: pairs of listener and socket, oldest first. */
  #held: number[] = [];
  /** Held clients could be reported at once, if the batch were not full. */
  #moreToReport = false;
  #batch = 1;

  constructor(ring: Ring, table: SocketTable, sockets: StreamSockets, handler: EngineHandler, fileLimit: number) {
    this.#ring = ring;
    this.#table = table;
    this.#sockets = sockets;
    this.#handler = handler;
    this.#fileLimit = fileLimit;
  }

  opened(listener: number): void {
    this.#grants.set(listener, 0);
  }

  closed(listener: number): void {
    this.#grants.delete(listener);
  }

  grant(listener: number, clients: number, batch: number): void {
    this.#grants.set(listener, (this.#grants.get(listener) ?? 0) + clients);
    this.#batch = batch;
    this.#moreToReport = this.#held.length > 0;
    this.#table.state[listener] &= ~PAUSED;
    if ((this.#table.state[listener] & ACCEPTING) === 0) this.#arm(listener);
  }

  /** Whether `report` has something to do, and whether it can be done without another event. */
  get holds(): boolean {
    return this.#held.length > 0;
  }

  get isBehind(): boolean {
    return this.#moreToReport;
  }

  /** A completion of an accept. */
  accepted(listener: number, result: number, flags: number): void {
    const ended = (flags & IORING_CQE_F_MORE) === 0;
    if (ended) {
      this.#table.outstanding--;
      this.#table.state[listener] &= ~(ACCEPTING | RESTING);
    }
    if (result >= 0) {
      this.#table.opened(result);
      this.#held.push(listener, result);
    }
    if ((this.#table.state[listener] & OPEN) === 0) {
      if (ended) this.#table.closed(listener);
      return;
    }
    if (isExhausted(result)) {
      this.#table.state[listener] |= PAUSED;
      this.#handler.accepted(listener, result);
    }
    if (!ended && this.#granted(listener) <= 0 && (this.#table.state[listener] & RESTING) === 0) {
      this.#table.state[listener] |= RESTING;
      this.#table.outstanding++;
      this.#ring.prepCancelFd(listener, CANCEL << KIND_SHIFT, 0);
    }
    // Anything else that ends an accept (a client that has gone, a full completion queue) is passing.
    if (ended && (this.#table.state[listener] & (OPEN | PAUSED | ACCEPTING)) === OPEN) this.#arm(listener);
  }

  /** Reports accepted clients: as many as are granted and fit a batch. `close` is for those who cannot be. */
  report(close: (socket: number) => void): void {
    const list = this.#held;
    this.#held = [];
    let left = this.#batch;
    for (let i = 0; i < list.length; i += 2) {
      const [listener, socket] = [list[i], list[i + 1]];
      const granted = this.#grants.get(listener);
      if (granted === undefined) {
        close(socket);
      } else if (granted === 0 || left === 0) {
        this.#held.push(listener, socket);
      } else {
        const port = this.#sockets.peer(socket, this.peer.words);
        if (port < -1) {
          // The client has gone between being accepted and now.
          close(socket);
          continue;
        }
        left--;
        this.#grants.set(listener, granted - 1);
        this.peer.port = Math.max(port, 0);
        this.peer.isUnix = port === -1;
        this.#handler.accepted(listener, socket);
      }
    }
    this.#moreToReport = this.#held.some((listener, i) => i % 2 === 0 && this.#grants.get(listener) !== 0);
  }

  /** Grants that are not used up by clients who are held. */
  #granted(listener: number): number {
    return (this.#grants.get(listener) as number) - this.#held.length / 2;
  }

  #arm(listener: number): void {
    const granted = this.#granted(listener);
    if (granted <= 0) return;
    const descriptorsLeft = this.#fileLimit - this.#table.highest;
    const many = descriptorsLeft > 2 * granted + this.backlog + DESCRIPTOR_MARGIN;
    this.#table.begin(listener, ACCEPTING);
    const low = (ACCEPT << KIND_SHIFT) | listener;
    const ioprio = many ? IORING_ACCEPT_MULTISHOT : 0;
    this.#ring.prepAccept(listener, SOCK_CLOEXEC, ioprio, low, this.#table.generation[listener]);
  }
}
