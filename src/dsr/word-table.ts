/**
 * A hash table of fixed keys and values of 32-bit words, in place of a BPF hash map: bounded, on typed arrays. When it is
 * full a new entry is refused, or has the place of one that was not asked for lately: a hand goes round over all entries, passes
 * over those that were asked for since it was there last, and takes the first other one (CLOCK: Corbato, 1968). So entries
 * that nobody has asked for, as a flood leaves them, go before those in use. An entry is one row of memory, so that a
 * look-up touches one place, and finding it writes no more than that it was found. Hot path: nothing is allocated.
 *
 *   row   │ key │ value │ next of its bucket │ asked for │
 *
 * Clients choose keys: the hash is one of a family (multiply-shift: Dietzfelbinger, 1996), drawn by random numbers that
 * lie in the memory, so any two keys meet in a bucket with a chance of 2^-17 at most, whoever chose them.
 *
 * One thread writes. Over shared memory others may `peek`, and see what was there a moment ago, or nothing. An entry that
 * is given to another key is spoilt first, gets its value, then its key, the first word last: whoever reads the value between
 * two looks at the whole key has read the key's own. (Words are written in this order by x86; a weaker machine may let
 * the value out a moment before the entry is seen to be spoilt.)
 */

import { hashEnd, hashWord } from './hash.js';

/** No entry. */
const NIL = -1;
/** Words of an entry behind key and value. */
const TAIL_WORDS = 2;
/** Where each is, counted from the end of the value. */
const NEXT_AT = 0;
const ASKED_AT = 1;
/** In the place of whether it was asked for: the row is free. */
const FREE = -1;

/** Of a chain: far more than a bucket ever has. */
const MOST_STEPS = 1024;
/** Entries that the hand passes over: if all are in use, one of them must go, and soon. Some 5 microseconds. */
const MOST_PASSED = 1024;

/** The bytes are multiples of four. */
interface Shape {
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
}

export class WordTable {
  readonly #keyWords: number;
  readonly #valueWords: number;
  readonly #rowWords: number;
  readonly #maxEntries: number;
  readonly #evicts: boolean;
  /** One row for each entry. */
  readonly #rows: Int32Array;
  /** Bucket -> first entry. `next` is also the chain of free entries. */
  readonly #buckets: Int32Array;
  /** The key of the entry that goes. */
  readonly #goes: Int32Array;
  /** The size, where others see it. */
  readonly #size: Int32Array;
  /** Of the hash: a number for each half of a word of the key, and one to begin with. */
  readonly #factors: Int32Array;
  /** That leaves of a hash the bits of a bucket's number. */
  readonly #shift: number;
  /** The entry that the hand comes to next. */
  #hand = 0;
  #free = NIL;
  #used = 0;

  /** Memory for a table, to be shared. Where strangers choose keys, `random` gives 32 bits that they cannot guess. */
  static allocate(shape: Shape, random = fixedNumbers()): SharedArrayBuffer {
    const factors = factorsOf(shape);
    const memory = new SharedArrayBuffer((1 + factors + bucketsOf(shape) + rowWordsOf(shape) * shape.maxEntries) * 4);
    new Int32Array(memory, 4, factors).forEach((_, i, all) => {
      all[i] = random();
    });
    new Int32Array(memory, 4 + factors * 4, bucketsOf(shape)).fill(NIL);
    return memory;
  }

  /** An empty table, of which only one is ever made to write to its memory. */
  constructor(shape: Shape, evicts: boolean, memory = WordTable.allocate(shape)) {
    this.#keyWords = shape.keyBytes >> 2;
    this.#valueWords = shape.valueBytes >> 2;
    this.#rowWords = rowWordsOf(shape);
    this.#maxEntries = shape.maxEntries;
    this.#goes = new Int32Array(this.#keyWords);
    this.#evicts = evicts;
    let at = 0;
    const words = (count: number) => {
      const part = new Int32Array(memory, at, count);
      at += count * 4;
      return part;
    };
    this.#size = words(1);
    this.#factors = words(factorsOf(shape));
    this.#shift = 32 - Math.log2(bucketsOf(shape));
    this.#buckets = words(bucketsOf(shape));
    this.#rows = words(shape.maxEntries * this.#rowWords);
  }

  get size(): number {
    return this.#size[0];
  }

  /** The same as `find`, from any thread, and without a trace. */
  peek(key: Int32Array, value: Int32Array): boolean {
    let entry = this.#buckets[this.bucketOf(key)];
    // An entry that changes its place meanwhile might lead round in a circle.
    for (let steps = 0; entry !== NIL && steps < MOST_STEPS; steps++) {
      const row = entry * this.#rowWords;
      if (this.#hasKey(row, key)) {
        this.#copyValue(row, value);
        return this.#stillHasKey(row, key);
      }
      entry = this.#rows[this.#tailOf(row) + NEXT_AT];
    }
    return false;
  }

  /** Copies the value of a key; false if it has none. */
  find(key: Int32Array, value: Int32Array): boolean {
    const entry = this.#find(key, this.bucketOf(key));
    if (entry === NIL) return false;
    const row = entry * this.#rowWords;
    this.#copyValue(row, value);
    this.#rows[this.#tailOf(row) + ASKED_AT] = 1;
    return true;
  }

  /** False if there is no room and nothing may go. */
  put(key: Int32Array, value: Int32Array): boolean {
    const bucket = this.bucketOf(key);
    const known = this.#find(key, bucket);
    if (known !== NIL) {
      this.#setValue(known * this.#rowWords, value);
      return true;
    }
    const entry = this.#take();
    if (entry === NIL) return false;
    const rows = this.#rows;
    const row = entry * this.#rowWords;
    // Spoilt: what it would be found by is the old key with the first word turned round, which no client has.
    Atomics.store(rows, row, ~rows[row]);
    this.#setValue(row, value);
    for (let i = 1; i < this.#keyWords; i++) rows[row + i] = key[i];
    Atomics.store(rows, row, key[0]);
    rows[this.#tailOf(row) + NEXT_AT] = this.#buckets[bucket];
    rows[this.#tailOf(row) + ASKED_AT] = 0;
    Atomics.store(this.#buckets, bucket, entry);
    this.#size[0]++;
    return true;
  }

  delete(key: Int32Array): boolean {
    const bucket = this.bucketOf(key);
    const entry = this.#find(key, bucket);
    if (entry === NIL) return false;
    this.#remove(entry, bucket);
    const tail = this.#tailOf(entry * this.#rowWords);
    this.#rows[tail + NEXT_AT] = this.#free;
    this.#rows[tail + ASKED_AT] = FREE;
    this.#free = entry;
    return true;
  }

  /** Puts all that there is into another table of such keys and values. */
  copyTo(other: WordTable): void {
    for (let entry = 0; entry < this.#used; entry++) {
      const row = entry * this.#rowWords;
      const valueAt = row + this.#keyWords;
      if (this.#rows[this.#tailOf(row) + ASKED_AT] === FREE) continue;
      other.put(this.#rows.subarray(row, valueAt), this.#rows.subarray(valueAt, valueAt + this.#valueWords));
    }
  }

  #take(): number {
    if (this.#free !== NIL) {
      const entry = this.#free;
      this.#free = this.#nextOf(entry);
      return entry;
    }
    if (this.#used < this.#maxEntries) return this.#used++;
    return this.#evicts ? this.#evict() : NIL;
  }

  /** All entries are in use: makes one that is not, by the hand. */
  #evict(): number {
    for (let passed = 0; ; passed++) {
      const entry = this.#hand;
      this.#hand = entry + 1 === this.#maxEntries ? 0 : entry + 1;
      const row = entry * this.#rowWords;
      const asked = this.#tailOf(row) + ASKED_AT;
      if (this.#rows[asked] !== 0 && passed < MOST_PASSED) {
        this.#rows[asked] = 0;
        continue;
      }
      for (let i = 0; i < this.#keyWords; i++) this.#goes[i] = this.#rows[row + i];
      this.#remove(entry, this.bucketOf(this.#goes));
      return entry;
    }
  }

  #remove(entry: number, bucket: number): void {
    let before = NIL;
    for (let at = this.#buckets[bucket]; at !== entry; at = this.#nextOf(at)) before = at;
    if (before === NIL) this.#buckets[bucket] = this.#nextOf(entry);
    else this.#rows[this.#tailOf(before * this.#rowWords) + NEXT_AT] = this.#nextOf(entry);
    this.#size[0]--;
  }

  #find(key: Int32Array, bucket: number): number {
    for (let entry = this.#buckets[bucket]; entry !== NIL; entry = this.#nextOf(entry)) {
      if (this.#hasKey(entry * this.#rowWords, key)) return entry;
    }
    return NIL;
  }

  #nextOf(entry: number): number {
    return this.#rows[this.#tailOf(entry * this.#rowWords) + NEXT_AT];
  }

  #tailOf(row: number): number {
    return row + this.#rowWords - TAIL_WORDS;
  }

  #hasKey(row: number, key: Int32Array): boolean {
    let i = 0;
    while (i < this.#keyWords && this.#rows[row + i] === key[i]) i++;
    return i === this.#keyWords;
  }

  /** The same, read anew. */
  #stillHasKey(row: number, key: Int32Array): boolean {
    let i = 0;
    while (i < this.#keyWords && Atomics.load(this.#rows, row + i) === key[i]) i++;
    return i === this.#keyWords;
  }

  #setValue(row: number, value: Int32Array): void {
    const at = row + this.#keyWords;
    for (let i = 0; i < this.#valueWords; i++) this.#rows[at + i] = value[i];
  }

  #copyValue(row: number, value: Int32Array): void {
    const at = row + this.#keyWords;
    for (let i = 0; i < this.#valueWords; i++) value[i] = this.#rows[at + i];
  }

  /** For tests: where a key belongs. The uppermost bits: halves of words, not words, are multiplied, as products are cut to 32 bits. */
  bucketOf(key: Int32Array): number {
    let hash = this.#factors[0];
    for (let i = 0, at = 1; i < this.#keyWords; i++, at += 2) {
      const word = key[i];
      hash += Math.imul(word & 0xffff, this.#factors[at]) + Math.imul(word >>> 16, this.#factors[at + 1]);
      hash |= 0;
    }
    return hash >>> this.#shift;
  }
}

/** A power of two, at least two. */
function bucketsOf({ maxEntries }: Shape): number {
  return 2 ** Math.max(1, Math.ceil(Math.log2(maxEntries)));
}

/** The same for all: where nobody has a reason to choose keys that meet. */
function fixedNumbers(): () => number {
  let n = 0;
  return () => hashEnd(hashWord(0, n++));
}

function factorsOf({ keyBytes }: Shape): number {
  return 1 + (keyBytes >> 1);
}

function rowWordsOf({ keyBytes, valueBytes }: Shape): number {
  return ((keyBytes + valueBytes) >> 2) + TAIL_WORDS;
}
