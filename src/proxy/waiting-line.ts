/** A queue of connections, first come, first served; memory follows its length, not its history. */
export class WaitingLine {
  #connections: number[] = [];
  #head = 0;

  get length(): number {
    return this.#connections.length - this.#head;
  }

  /** The first in line; the line must not be empty. */
  get first(): number {
    return this.#connections[this.#head];
  }

  push(connection: number): void {
    this.#connections.push(connection);
  }

  /** Lets the first one go. */
  leave(): void {
    this.#head++;
    if (this.#head * 2 < this.#connections.length) return;
    this.#connections.splice(0, this.#head);
    this.#head = 0;
  }
}
