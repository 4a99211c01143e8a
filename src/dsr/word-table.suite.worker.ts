/** The thread that writes while the test looks: puts keys into a table that holds few of them, until it is told to stop. */
import { parentPort, workerData } from 'node:worker_threads';
import { randomNumbers } from './fixtures/random.js';
import { WordTable } from './word-table.js';

export interface WriterStart {
  readonly shape: { readonly keyBytes: number; readonly valueBytes: number; readonly maxEntries: number };
  readonly memory: SharedArrayBuffer;
  /** Keys are the numbers below. */
  readonly keys: number;
  readonly seed: number;
  /** One word: not 0 when the thread is to end. It posts a message when it has begun. */
  readonly stop: SharedArrayBuffer;
}

/** Every word of a key and of its value follows from its number. */
export function fillRow(n: number, words: Int32Array): Int32Array {
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(n + 1, 2 * i + 1);
  return words;
}

if (workerData?.memory instanceof SharedArrayBuffer) {
  const { shape, memory, keys, seed, stop } = workerData as WriterStart;
  const table = new WordTable(shape, true, memory);
  const next = randomNumbers(seed);
  const key = new Int32Array(shape.keyBytes >> 2);
  const value = new Int32Array(shape.valueBytes >> 2);
  const words = new Int32Array(stop);
  parentPort?.postMessage('writes');
  while (Atomics.load(words, 0) === 0) {
    const n = next() % keys;
    table.put(fillRow(n, key), fillRow(n, value));
  }
}
