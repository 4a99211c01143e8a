/**
 * A hash table of fixed keys and values of 32-bit words, in place of a BPF hash map: bounded, on typed arrays, and when it
 * is full the entry that was not asked for the longest goes, or the new one is refused. Hot path: nothing is allocated.
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
/** Words of an entry beside key and value: next, newer, older. */
const LINKS = 3;

/** Of a chain: far more than a bucket ever has. */
const MOST_STEPS = 1024;

/** The bytes are multiples of four. */
interface Shape {
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
}

export class WordTable {
  readonly #keyWords: number;
  readonly #valueWords: number;
  readonly #evicts: boolean;
  readonly #keys: Int32Array;
  readonly #values: Int32Array;
  /** The key of the entry that goes. */
  readonly #goes: Int32Array;
  /** Bucket -> first entry; entry -> next of its bucket, which is also the chain of free entries. */
  readonly #buckets: Int32Array;
  readonly #next: Int32Array;
  /** The list by use: the latest first. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  /** The size, where others see it. */
  readonly #size: Int32Array;
  /** Of the hash: a number for each half of a word of the key, and one to begin with. */
  readonly #factors: Int32Array;
  /** That leaves of a hash the bits of a bucket's number. */
  readonly #shift: number;
  #newest = NIL;
  #oldest = NIL;
  #free = NIL;
  #used = 0;

  /** Memory for a table, to be shared. Where strangers choose keys, `random` gives 32 bits that they cannot guess. */
  static allocate(shape: Shape, random = fixedNumbers()): SharedArrayBuffer {
    const { keyBytes, valueBytes, maxEntries } = shape;
    const factors = factorsOf(shape);
    const memory = new SharedArrayBuffer(
      (1 + factors + bucketsOf(shape) + LINKS * maxEntries) * 4 + maxEntries * (keyBytes + valueBytes),
    );
    new Int32Array(memory, 4, factors).forEach((_, i, all) => {
      all[i] = random();
    });
    new Int32Array(memory, 4 + factors * 4, bucketsOf(shape)).fill(NIL);
    return memory;
  }

  /** An empty table, of which only one is ever made to write to its memory. */
  constructor(shape: Shape, evicts: boolean, memory = WordTable.allocate(shape)) {
    const { keyBytes, valueBytes, maxEntries } = shape;
    this.#keyWords = keyBytes >> 2;
    this.#valueWords = valueBytes >> 2;
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
    this.#next = words(maxEntries);
    this.#newer = words(maxEntries);
    this.#older = words(maxEntries);
    this.#keys = words(maxEntries * this.#keyWords);
    this.#values = words(maxEntries * this.#valueWords);
  }

  get size(): number {
    return this.#size[0];
  }

  /** The same as `find`, from any thread, and without a trace. */
  peek(key: Int32Array, value: Int32Array): boolean {
    let entry = this.#buckets[this.bucketOf(key)];
    // An entry that changes its place meanwhile might lead round in a circle.
    for (let steps = 0; entry !== NIL && steps < MOST_STEPS; steps++) {
      if (this.#hasKey(entry, key)) {
        this.#copyValue(entry, value);
        return this.#stillHasKey(entry, key);
      }
      entry = this.#next[entry];
    }
    return false;
  }

  /** Copies the value of a key; false if it has none. */
  find(key: Int32Array, value: Int32Array): boolean {
    const entry = this.#find(key, this.bucketOf(key));
    if (entry === NIL) return false;
    this.#use(entry);
    this.#copyValue(entry, value);
    return true;
  }

  /** False if there is no room and nothing may go. */
  put(key: Int32Array, value: Int32Array): boolean {
    const bucket = this.bucketOf(key);
    let entry = this.#find(key, bucket);
    if (entry === NIL) {
      entry = this.#take();
      if (entry === NIL) return false;
      const at = entry * this.#keyWords;
      // Spoilt: what it would be found by is the old key with the first word turned round, which no client has.
      Atomics.store(this.#keys, at, ~this.#keys[at]);
      this.#setValue(entry, value);
      for (let i = 1; i < this.#keyWords; i++) this.#keys[at + i] = key[i];
      Atomics.store(this.#keys, at, key[0]);
      this.#next[entry] = this.#buckets[bucket];
      Atomics.store(this.#buckets, bucket, entry);
      this.#link(entry);
      this.#size[0]++;
    } else {
      this.#use(entry);
      this.#setValue(entry, value);
    }
    return true;
  }

  delete(key: Int32Array): boolean {
    const bucket = this.bucketOf(key);
    const entry = this.#find(key, bucket);
    if (entry === NIL) return false;
    this.#remove(entry, bucket);
    this.#next[entry] = this.#free;
    this.#free = entry;
    return true;
  }

  #take(): number {
    if (this.#free !== NIL) {
      const entry = this.#free;
      this.#free = this.#next[entry];
      return entry;
    }
    if (this.#used < this.#next.length) return this.#used++;
    if (!this.#evicts) return NIL;
    const entry = this.#oldest;
    for (let i = 0, at = entry * this.#keyWords; i < this.#keyWords; i++) this.#goes[i] = this.#keys[at + i];
    this.#remove(entry, this.bucketOf(this.#goes));
    return entry;
  }

  #remove(entry: number, bucket: number): void {
    let before = NIL;
    for (let at = this.#buckets[bucket]; at !== entry; at = this.#next[at]) before = at;
    if (before === NIL) this.#buckets[bucket] = this.#next[entry];
    else this.#next[before] = this.#next[entry];
    this.#unlink(entry);
    this.#size[0]--;
  }

  #find(key: Int32Array, bucket: number): number {
    for (let entry = this.#buckets[bucket]; entry !== NIL; entry = this.#next[entry]) {
      if (this.#hasKey(entry, key)) return entry;
    }
    return NIL;
  }

  #hasKey(entry: number, key: Int32Array): boolean {
    const at = entry * this.#keyWords;
    let i = 0;
    while (i < this.#keyWords && this.#keys[at + i] === key[i]) i++;
    return i === this.#keyWords;
  }

  /** The same, read anew. */
  #stillHasKey(entry: number, key: Int32Array): boolean {
    const at = entry * this.#keyWords;
    let i = 0;
    while (i < this.#keyWords && Atomics.load(this.#keys, at + i) === key[i]) i++;
    return i === this.#keyWords;
  }

  #setValue(entry: number, value: Int32Array): void {
    const at = entry * this.#valueWords;
    for (let i = 0; i < this.#valueWords; i++) this.#values[at + i] = value[i];
  }

  #copyValue(entry: number, value: Int32Array): void {
    const at = entry * this.#valueWords;
    for (let i = 0; i < this.#valueWords; i++) value[i] = this.#values[at + i];
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

  #use(entry: number): void {
    if (!this.#evicts || entry === this.#newest) return;
    this.#unlink(entry);
    this.#link(entry);
  }

  #link(entry: number): void {
    this.#older[entry] = this.#newest;
    this.#newer[entry] = NIL;
    if (this.#newest === NIL) this.#oldest = entry;
    else this.#newer[this.#newest] = entry;
    this.#newest = entry;
  }

  #unlink(entry: number): void {
    const newer = this.#newer[entry];
    const older = this.#older[entry];
    if (newer === NIL) this.#newest = older;
    else this.#older[newer] = older;
    if (older === NIL) this.#oldest = newer;
    else this.#newer[older] = newer;
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
