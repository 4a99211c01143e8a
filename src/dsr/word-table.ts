/**
 * A hash table of fixed keys and values, in place of a BPF hash map: bounded, on typed arrays, and when it is full the
 * entry that was not asked for the longest goes, or the new one is refused. Hot path: nothing is allocated.
 *
 * One thread writes. Over shared memory others may `peek`, and see what was there a moment ago, or nothing.
 */

/** No entry. */
const NIL = -1;
/** Words of an entry beside key and value: next, newer, older. */
const LINKS = 3;

/** Of a chain: far more than a bucket ever has. */
const MOST_STEPS = 1024;

interface Shape {
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly maxEntries: number;
}

export class ByteTable {
  readonly #keyBytes: number;
  readonly #valueBytes: number;
  readonly #evicts: boolean;
  readonly #keys: Uint8Array;
  readonly #values: Uint8Array;
  /** Bucket -> first entry; entry -> next of its bucket, which is also the chain of free entries. */
  readonly #buckets: Int32Array;
  readonly #next: Int32Array;
  /** The list by use: the latest first. */
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  /** The size, where others see it. */
  readonly #size: Int32Array;
  #newest = NIL;
  #oldest = NIL;
  #free = NIL;
  #used = 0;

  /** Memory for a table, to be shared. */
  static allocate(shape: Shape): SharedArrayBuffer {
    const { keyBytes, valueBytes, maxEntries } = shape;
    const memory = new SharedArrayBuffer(
      (1 + bucketsOf(shape) + LINKS * maxEntries) * 4 + maxEntries * (keyBytes + valueBytes),
    );
    new Int32Array(memory, 4, bucketsOf(shape)).fill(NIL);
    return memory;
  }

  /** An empty table, of which only one is ever made to write to its memory. */
  constructor(shape: Shape, evicts: boolean, memory = ByteTable.allocate(shape)) {
    const { keyBytes, valueBytes, maxEntries } = shape;
    this.#keyBytes = keyBytes;
    this.#valueBytes = valueBytes;
    this.#evicts = evicts;
    let at = 0;
    const words = (count: number) => {
      const part = new Int32Array(memory, at, count);
      at += count * 4;
      return part;
    };
    this.#size = words(1);
    this.#buckets = words(bucketsOf(shape));
    this.#next = words(maxEntries);
    this.#newer = words(maxEntries);
    this.#older = words(maxEntries);
    this.#keys = new Uint8Array(memory, at, maxEntries * keyBytes);
    this.#values = new Uint8Array(memory, at + maxEntries * keyBytes, maxEntries * valueBytes);
  }

  get size(): number {
    return this.#size[0];
  }

  /** The same as `find`, from any thread, and without a trace. */
  peek(key: Uint8Array, value: Uint8Array): boolean {
    let entry = this.#buckets[this.#bucket(key)];
    // An entry that changes its place meanwhile might lead round in a circle.
    for (let steps = 0; entry !== NIL && steps < MOST_STEPS; steps++) {
      if (this.#hasKey(entry, key)) {
        this.#copyValue(entry, value);
        return this.#hasKey(entry, key);
      }
      entry = this.#next[entry];
    }
    return false;
  }

  /** Copies the value of a key; false if it has none. */
  find(key: Uint8Array, value: Uint8Array): boolean {
    const entry = this.#find(key, this.#bucket(key));
    if (entry === NIL) return false;
    this.#use(entry);
    this.#copyValue(entry, value);
    return true;
  }

  /** False if there is no room and nothing may go. */
  put(key: Uint8Array, value: Uint8Array): boolean {
    const bucket = this.#bucket(key);
    let entry = this.#find(key, bucket);
    if (entry === NIL) {
      entry = this.#take();
      if (entry === NIL) return false;
      this.#keys.set(key, entry * this.#keyBytes);
      this.#next[entry] = this.#buckets[bucket];
      this.#buckets[bucket] = entry;
      this.#link(entry);
      this.#size[0]++;
    } else {
      this.#use(entry);
    }
    this.#values.set(value, entry * this.#valueBytes);
    return true;
  }

  delete(key: Uint8Array): boolean {
    const bucket = this.#bucket(key);
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
    const at = entry * this.#keyBytes;
    this.#remove(entry, this.#bucket(this.#keys.subarray(at, at + this.#keyBytes)));
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

  #find(key: Uint8Array, bucket: number): number {
    for (let entry = this.#buckets[bucket]; entry !== NIL; entry = this.#next[entry]) {
      if (this.#hasKey(entry, key)) return entry;
    }
    return NIL;
  }

  #hasKey(entry: number, key: Uint8Array): boolean {
    const at = entry * this.#keyBytes;
    let i = 0;
    while (i < this.#keyBytes && this.#keys[at + i] === key[i]) i++;
    return i === this.#keyBytes;
  }

  #copyValue(entry: number, value: Uint8Array): void {
    const at = entry * this.#valueBytes;
    for (let i = 0; i < this.#valueBytes; i++) value[i] = this.#values[at + i];
  }

  #bucket(key: Uint8Array): number {
    let hash = 0;
    // FNV-1a, then murmur3's last step: buckets are taken by the lowest bits.
    for (let i = 0; i < this.#keyBytes; i++) hash = Math.imul(hash ^ key[i], 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    return (hash ^ (hash >>> 13)) & (this.#buckets.length - 1);
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

function bucketsOf({ maxEntries }: Shape): number {
  return 2 ** Math.ceil(Math.log2(maxEntries));
}
