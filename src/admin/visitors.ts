/**
 * The connections of the admin port, a bounded number of them. When there is no room for another, whoever has not yet shown
 * that it may ask gives way, the one that came first before others: strangers who only hold connections shut nobody out.
 */
import type { Socket } from 'node:net';

export class Visitors {
  readonly #max: number;
  /** Whether each may ask, in the order in which they came. */
  readonly #sockets = new Map<Socket, boolean>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Lets a connection in, or ends one: the newcomer if all the others may ask. */
  arrived(socket: Socket): void {
    if (this.#sockets.size >= this.#max) {
      const stranger = [...this.#sockets].find(([, mayAsk]) => !mayAsk)?.[0];
      if (!stranger) {
        socket.destroy();
        return;
      }
      this.#sockets.delete(stranger);
      stranger.destroy();
    }
    this.#sockets.set(socket, false);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** A request of this connection was one that it may make. */
  mayAsk(socket: Socket): void {
    if (this.#sockets.has(socket)) this.#sockets.set(socket, true);
  }
}
