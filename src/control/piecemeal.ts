/**
 * Long work on the main thread, done in pieces between which others have their turn: control clients, health, the looks at
 * servers that direct server return lives by. With a thousand servers hardly anything is long; with 65,000 everything is.
 */

const PIECE_MS = 5;

/** All of `things`, in order. The world may change between pieces. */
export async function collected<T>(things: Iterable<T>): Promise<T[]> {
  const all: T[] = [];
  let startMs = performance.now();
  for (const thing of things) {
    all.push(thing);
    if (performance.now() - startMs < PIECE_MS) continue;
    await pause();
    startMs = performance.now();
  }
  return all;
}

/** One turn of the event loop. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
