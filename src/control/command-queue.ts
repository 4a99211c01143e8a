/** Commands one at a time, in the order in which they came. */
import { setTimeout as sleep } from 'node:timers/promises';

export class CommandQueue {
  /** The end of the queue; never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `body` when all that came before has ended, however it ended. */
  inTurn<T>(body: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(body);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Resolves when the queue is empty, or after so long. */
  async emptied(patienceMs: number): Promise<void> {
    await Promise.race([this.#last, sleep(patienceMs, undefined, { ref: false })]);
  }
}
