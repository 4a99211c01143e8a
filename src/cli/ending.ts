/** How pen ends: what has been opened is closed, the last first, once, and within bounded time. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Closing takes no longer than this, whatever hangs. */
const PATIENCE_MS = 5_000;

export class Ending {
  readonly #steps: Array<() => unknown> = [];
  #begun: Promise<void> | undefined;

  get hasBegun(): boolean {
    return this.#begun !== undefined;
  }

  /** Adds something to close. */
  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Closes everything, after `starting` has settled; the same promise for every caller. Never rejects. */
  begin(starting: Promise<unknown>): Promise<void> {
    this.#begun ??= Promise.race([this.#closeAll(starting), sleep(PATIENCE_MS, undefined, { ref: false })]);
    return this.#begun;
  }

  async #closeAll(starting: Promise<unknown>): Promise<void> {
    await Promise.race([starting.catch(() => {}), sleep(PATIENCE_MS / 2, undefined, { ref: false })]);
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step();
      } catch {
        // The others are still to be closed.
      }
    }
  }
}
