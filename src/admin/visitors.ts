/**
 * The connections of the admin port, a bounded number of them. When there is no room for another, one gives way: whoever has
 * not yet shown that it may ask, or else whoever is asking nothing, the one that came first before others. So neither
 * strangers who hold connections nor friends who forget theirs shut anybody out.
 */
import type { Socket } from 'node:net';

interface Visitor {
  mayAsk: boolean;
  /** Requests under way. */
  requests: number;
}

export class Visitors {
  readonly #max: number;
  /** In the order in which they came. */
  readonly #visitors = new Map<Socket, Visitor>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Lets a connection in, or ends it if nobody gives way. */
  arrived(socket: Socket): void {
    if (this.#visitors.size >= this.#max) {
      const all = [...this.#visitors];
      const [leaver] = all.find(([, { mayAsk }]) => !mayAsk) ?? all.find(([, { requests }]) => requests === 0) ?? [];
      if (!leaver) {
        socket.destroy();
        return;
      }
      this.#visitors.delete(leaver);
      leaver.destroy();
    }
    this.#visitors.set(socket, { mayAsk: false, requests: 0 });
    socket.once('close', () => this.#visitors.delete(socket));
  }

  /** A request of this connection is one that it may make. */
  mayAsk(socket: Socket): void {
    const visitor = this.#visitors.get(socket);
    if (visitor) visitor.mayAsk = true;
  }

  /** A request has begun (1), or is over (-1). */
  count(socket: Socket, change: 1 | -1): void {
    const visitor = this.#visitors.get(socket);
    if (visitor) visitor.requests += change;
  }
}
