/** Which row of the connection table each socket belongs to. Sockets are small numbers, so an array is enough. */
import { NONE } from '../core/configuration.js';

const FIRST_SOCKETS = 1024;

export class OwnerTable {
  #rows = new Int32Array(FIRST_SOCKETS).fill(NONE);

  /** The row of a socket that has, or has had, one; NONE if it has none any more. */
  of(socket: number): number {
    return this.#rows[socket];
  }

  set(socket: number, row: number): void {
    if (socket >= this.#rows.length) this.#grow(socket);
    this.#rows[socket] = row;
  }

  /** The socket is being closed. */
  clear(socket: number): void {
    this.#rows[socket] = NONE;
  }

  #grow(socket: number): void {
    const grown = new Int32Array(2 ** Math.ceil(Math.log2(socket + 1))).fill(NONE);
    grown.set(this.#rows);
    this.#rows = grown;
  }
}
