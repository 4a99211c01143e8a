/**
 * The way of records from one worker to the main thread: a ring in shared memory with one writer and one reader, neither
 * of which ever waits. Positions count words and only grow (modulo 2^32); a record that would not fit before the end of
 * the memory begins at its start, and the gap is marked by a head of 0.
 *
 *   written ──────────────► next record goes here      (the worker's, after the record is whole)
 *   read    ────►           oldest record is here      (the main thread's, after it is done with it)
 *
 * Memory order: a position is stored and loaded atomically, so whoever sees it sees the words before it.
 */
import { lengthIn } from './record.js';

export interface LogRingMemory {
  readonly words: SharedArrayBuffer;
  /** Int32: written, read, lost, errno of the last loss. */
  readonly positions: SharedArrayBuffer;
  /** One Int32 that all rings of a reader share: 1 while it sleeps. */
  readonly wake: SharedArrayBuffer;
}

/** Room for some 20,000 requests: a third of a second of all that one worker can do. */
const DEFAULT_WORDS = 1 << 19;

const WRITTEN = 0;
const READ = 1;
const LOST = 2;
const CAUSE = 3;

export class LogRing {
  /** Three views of the same memory. */
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly bytes: Uint8Array;
  readonly #positions: Int32Array;
  readonly #wake: Int32Array;
  readonly #capacity: number;
  readonly #mask: number;
  /** Our own position, and what we last saw of the other's. */
  #written: number;
  #read: number;
  #claimed = 0;

  /** `words` is a power of two. */
  static allocate(wake: SharedArrayBuffer, words = DEFAULT_WORDS): LogRingMemory {
    return { words: new SharedArrayBuffer(words * 4), positions: new SharedArrayBuffer(16), wake };
  }

  constructor(memory: LogRingMemory) {
    this.words = new Int32Array(memory.words);
    this.doubles = new Float64Array(memory.words);
    this.bytes = new Uint8Array(memory.words);
    this.#positions = new Int32Array(memory.positions);
    this.#wake = new Int32Array(memory.wake);
    this.#capacity = this.words.length;
    this.#mask = this.#capacity - 1;
    // A worker that takes a dead one's place goes on where that one was.
    this.#written = Atomics.load(this.#positions, WRITTEN);
    this.#read = Atomics.load(this.#positions, READ);
  }

  /** Writer: the word to write a record of `length` words at; NONE if there is no room, and the record counts as lost. */
  claim(length: number): number {
    const at = this.#written & this.#mask;
    const left = this.#capacity - at;
    const needed = left < length ? left + length : length;
    if (this.#used() + needed > this.#capacity) {
      this.#read = Atomics.load(this.#positions, READ);
      if (this.#used() + needed > this.#capacity) {
        this.lose(0);
        return -1;
      }
    }
    this.#claimed = needed;
    if (needed === length) return at;
    this.words[at] = 0;
    return 0;
  }

  /** Writer: what `claim` gave has been filled, its head included. Wakes a reader that sleeps. */
  publish(): void {
    this.#written = (this.#written + this.#claimed) | 0;
    Atomics.store(this.#positions, WRITTEN, this.#written);
    this.#wakeReader();
  }

  /** Writer: a record is lost, for want of room (0) or because of this errno. */
  lose(errno: number): void {
    Atomics.store(this.#positions, CAUSE, errno);
    Atomics.add(this.#positions, LOST, 1);
    this.#wakeReader();
  }

  #wakeReader(): void {
    if (Atomics.load(this.#wake, 0) !== 0 && Atomics.exchange(this.#wake, 0, 0) !== 0) Atomics.notify(this.#wake, 0);
  }

  /** Reader: the word at which the oldest record begins, NONE if there is none. */
  peek(): number {
    if (this.#used() === 0) {
      this.#written = Atomics.load(this.#positions, WRITTEN);
      if (this.#used() === 0) return -1;
    }
    const at = this.#read & this.#mask;
    if (this.words[at] !== 0) return at;
    this.#read = (this.#read + this.#capacity - at) | 0;
    return 0;
  }

  /** Reader: done with what `peek` gave. Its room is given back by `commit`. */
  next(): void {
    this.#read = (this.#read + lengthIn(this.words[this.#read & this.#mask])) | 0;
  }

  /** Reader: the writer may use the room of everything read so far. */
  commit(): void {
    Atomics.store(this.#positions, READ, this.#read);
  }

  /** The errno of the last loss, 0 if there was no room. */
  get cause(): number {
    return Atomics.load(this.#positions, CAUSE);
  }

  /** Records that are lost. */
  get lost(): number {
    return Atomics.load(this.#positions, LOST) >>> 0;
  }

  #used(): number {
    return (this.#written - this.#read) | 0;
  }
}
