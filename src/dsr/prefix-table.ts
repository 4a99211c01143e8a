/**
 * Longest prefix match over `aclKey`s, in place of a BPF LPM trie: a table for each length of prefix that occurs, asked
 * from the longest on.
 */
import { aclKey } from './layout.js';

/** The prefix counts from the family on. */
const DATA_AT = aclKey.at.family;

export class PrefixTable<V> {
  /** By length, the longest first. */
  #tables: { readonly bits: number; readonly values: Map<string, V> }[] = [];

  /** The value of the longest prefix of `key` (whose own prefix is whole). */
  find(key: Uint8Array): V | undefined {
    for (const { bits, values } of this.#tables) {
      const value = values.get(prefixOf(key, bits));
      if (value !== undefined) return value;
    }
    return undefined;
  }

  set(key: Uint8Array, value: V): void {
    const bits = bitsOf(key);
    let table = this.#tables.find((one) => one.bits === bits);
    if (!table) {
      table = { bits, values: new Map() };
      this.#tables = [...this.#tables, table].sort((a, b) => b.bits - a.bits);
    }
    table.values.set(prefixOf(key, bits), value);
  }

  delete(key: Uint8Array): void {
    const bits = bitsOf(key);
    this.#tables.find((one) => one.bits === bits)?.values.delete(prefixOf(key, bits));
    this.#tables = this.#tables.filter(({ values }) => values.size > 0);
  }

  get size(): number {
    return this.#tables.reduce((sum, { values }) => sum + values.size, 0);
  }
}

function bitsOf(key: Uint8Array): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(aclKey.at.prefixBits, true);
}

/** The first bits behind the length, as text. */
function prefixOf(key: Uint8Array, bits: number): string {
  const whole = bits >>> 3;
  let text = String.fromCharCode(...key.subarray(DATA_AT, DATA_AT + whole));
  if (bits & 7) text += String.fromCharCode(key[DATA_AT + whole] & (0xff00 >>> (bits & 7)));
  return text;
}
