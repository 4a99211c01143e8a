/**
 * Longest prefix match, in place of a BPF LPM trie: a hash table for each length of prefix that occurs, asked from the
 * longest on. Hot path: nothing is allocated for a look-up.
 */
import { aclKey } from './layout.js';
import { maskBytes } from './record.js';
import { StructMemory } from './struct-memory.js';
import { WordTable } from './word-table.js';

/** Of a key of `acl` or `prefixes`, which are alike: how many bits count, and the words that they count in. */
const BITS_AT = aclKey.at.prefixBits >> 2;
const DATA_AT = aclKey.at.family >> 2;
const DATA_WORDS = (aclKey.bytes - aclKey.at.family) >> 2;
const FIRST_ENTRIES = 16;

/** The prefixes of one length. */
interface Length {
  readonly bits: number;
  /** Of the words that count, the bits that do. */
  readonly mask: Int32Array;
  room: number;
  table: WordTable;
}

export class PrefixTable {
  readonly #valueBytes: number;
  /** The longest first. */
  #lengths: Length[] = [];
  readonly #masked = new Int32Array(DATA_WORDS);

  /** `valueBytes`: a multiple of four. */
  constructor(valueBytes: number) {
    this.#valueBytes = valueBytes;
  }

  /** Copies the value of the longest prefix of `key` (whose own prefix is whole); false if there is none. */
  find(key: Int32Array, value: Int32Array): boolean {
    for (let i = 0; i < this.#lengths.length; i++) {
      const { table, mask } = this.#lengths[i];
      if (table.find(this.#mask(key, mask), value)) return true;
    }
    return false;
  }

  set(key: Uint8Array, value: Uint8Array): void {
    const { words } = StructMemory.of(key);
    const length = this.#lengths.find(({ bits }) => bits === words[BITS_AT]) ?? this.#addLength(words[BITS_AT]);
    const data = this.#mask(words, length.mask);
    const known = new Int32Array(this.#valueBytes >> 2);
    if (length.table.size === length.room && !length.table.peek(data, known)) this.#grow(length);
    length.table.put(data, StructMemory.of(value).words);
  }

  delete(key: Uint8Array): void {
    const { words } = StructMemory.of(key);
    const length = this.#lengths.find(({ bits }) => bits === words[BITS_AT]);
    length?.table.delete(this.#mask(words, length.mask));
    this.#lengths = this.#lengths.filter(({ table }) => table.size > 0);
  }

  get size(): number {
    return this.#lengths.reduce((sum, { table }) => sum + table.size, 0);
  }

  #addLength(bits: number): Length {
    const length = {
      bits,
      mask: StructMemory.of(maskBytes(bits, DATA_WORDS * 4)).words,
      room: FIRST_ENTRIES,
      table: this.#makeTable(FIRST_ENTRIES),
    };
    this.#lengths = [...this.#lengths, length].sort((a, b) => b.bits - a.bits);
    return length;
  }

  #grow(length: Length): void {
    length.room *= 2;
    const table = this.#makeTable(length.room);
    length.table.copyTo(table);
    length.table = table;
  }

  #makeTable(maxEntries: number): WordTable {
    return new WordTable({ keyBytes: DATA_WORDS * 4, valueBytes: this.#valueBytes, maxEntries }, false);
  }

  #mask(key: Int32Array, mask: Int32Array): Int32Array {
    for (let i = 0; i < DATA_WORDS; i++) this.#masked[i] = key[DATA_AT + i] & mask[i];
    return this.#masked;
  }
}
