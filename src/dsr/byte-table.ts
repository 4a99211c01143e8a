/**
 * A hash table of fixed keys and values, in place of a BPF hash map: bounded, on typed arrays, and when it is full the
 * entry that was not asked for the longest goes, or the new one is refused. Hot path: nothing is allocated.
 */

/** No entry. */
const NIL = -1;

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
  #newest = NIL;
  #oldest = NIL;
  #free = NIL;
  #used = 0;
  #size = 0;

  constructor(layout: { keyBytes: number; valueBytes: number; maxEntries: number }, evicts: boolean) {
    const { keyBytes, valueBytes, maxEntries } = layout;
    this.#keyBytes = keyBytes;
    this.#valueBytes = valueBytes;
    this.#evicts = evicts;
    this.#keys = new Uint8Array(maxEntries * keyBytes);
    this.#values = new Uint8Array(maxEntries * valueBytes);
    this.#buckets = new Int32Array(2 ** Math.ceil(Math.log2(maxEntries))).fill(NIL);
    this.#next = new Int32Array(maxEntries);
    this.#newer = new Int32Array(maxEntries);
    this.#older = new Int32Array(maxEntries);
  }

  get size(): number {
    return this.#size;
  }

  /** Copies the value of a key; false if it has none. */
  find(key: Uint8Array, value: Uint8Array): boolean {
    const entry = this.#find(key, this.#bucket(key));
    if (entry === NIL) return false;
    this.#use(entry);
    const at = entry * this.#valueBytes;
    for (let i = 0; i < this.#valueBytes; i++) value[i] = this.#values[at + i];
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
      this.#size++;
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
    this.#size--;
  }

  #find(key: Uint8Array, bucket: number): number {
    for (let entry = this.#buckets[bucket]; entry !== NIL; entry = this.#next[entry]) {
      const at = entry * this.#keyBytes;
      let i = 0;
      while (i < this.#keyBytes && this.#keys[at + i] === key[i]) i++;
      if (i === this.#keyBytes) return entry;
    }
    return NIL;
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
