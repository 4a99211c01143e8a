/** How a reader of rings sleeps until a writer has something: one shared Int32, 1 while it sleeps. */

/** `Atomics.waitAsync` (ES2024), which Node has had since 16 and the compiler's ES2023 does not know. */
type WaitAsync = (
  cells: Int32Array,
  index: number,
  value: number,
) => { readonly async: true; readonly value: Promise<string> } | { readonly async: false };

const { waitAsync } = Atomics as unknown as { readonly waitAsync: WaitAsync };

export class Wake {
  readonly #cell: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#cell = new Int32Array(memory);
  }

  /**
   * Resolves when a writer has published after this call. Something that was published before may have gone unnoticed:
   * look once more after calling it. Keeps no process alive.
   */
  sleep(): Promise<unknown> {
    Atomics.store(this.#cell, 0, 1);
    const waiting = waitAsync(this.#cell, 0, 1);
    return waiting.async ? waiting.value : Promise.resolve();
  }

  /** Ends a sleep. */
  wake(): void {
    Atomics.store(this.#cell, 0, 0);
    Atomics.notify(this.#cell, 0);
  }
}
