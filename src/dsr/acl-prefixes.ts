/**
 * Access control lists as prefixes. In a list the first entry that matches decides, in a trie the longest; so each
 * prefix is given what the list's first entry among those around it says. One trie answers for several lists: bit n of
 * a value is list n's answer.
 */
import type { AclEntry } from '../core/acl.js';
import { type IpWords, isV4 } from '../core/address.js';
import { MAX_ACL_PREFIXES } from './layout.js';
import { aclKeyOf, aclValueOf, addressBytes } from './record.js';

export interface AclRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

interface Prefix {
  readonly family: 4 | 6;
  readonly address: IpWords;
  /** The same, for sorting. */
  readonly digits: string;
  readonly bits: number;
  /** By list: the first entry that covers it. */
  readonly first: Map<number, number>;
}

const ALL_V4: IpWords = [0, 0, 0xffff, 0];
const ALL_V6: IpWords = [0, 0, 0, 0];
const V4_BITS = 96;
const ADDRESS_BITS = 128;

/** The trie's entries for some lists, by number. A string says what is wrong with them. */
export function aclRecords(lists: ReadonlyMap<number, readonly AclEntry[]>): AclRecord[] | string {
  const prefixes = new Map<string, Prefix>();
  const add = (family: 4 | 6, address: IpWords, bits: number) => {
    const digits = Buffer.from(addressBytes(address)).toString('hex');
    const name = `${family}${digits}/${bits}`;
    const found = prefixes.get(name) ?? { family, address, digits, bits, first: new Map() };
    prefixes.set(name, found);
    return found.first;
  };
  add(4, ALL_V4, V4_BITS);
  add(6, ALL_V6, 0);
  for (const [number, entries] of lists) {
    for (const [index, entry] of entries.entries()) {
      // No country database is shipped: such an entry matches nobody.
      if (entry.kind !== 'network') continue;
      const { address, mask } = entry;
      const family = isV4(address) && mask[0] === -1 && mask[1] === -1 && mask[2] === -1 ? 4 : 6;
      for (const part of networks(address, mask, MAX_ACL_PREFIXES - prefixes.size)) {
        const first = add(family, part.address, part.bits);
        if (!first.has(number)) first.set(number, index);
      }
      if (prefixes.size >= MAX_ACL_PREFIXES) {
        return `acl ${number} makes more than ${MAX_ACL_PREFIXES} prefixes (a mask with holes stands for many)`;
      }
    }
  }
  return decided([...prefixes.values()], lists);
}

/** Walks the prefixes from the outside in; each inherits from the one around it. */
function decided(prefixes: Prefix[], lists: ReadonlyMap<number, readonly AclEntry[]>): AclRecord[] {
  prefixes.sort(
    (a, b) => a.family - b.family || (a.digits < b.digits ? -1 : a.digits > b.digits ? 1 : a.bits - b.bits),
  );
  const around: Prefix[] = [];
  return prefixes.map((prefix) => {
    for (let outer = around.at(-1); outer && !covers(outer, prefix); outer = around.at(-1)) around.pop();
    let permitted = 0;
    for (const [number, entries] of lists) {
      const index = Math.min(prefix.first.get(number) ?? Infinity, around.at(-1)?.first.get(number) ?? Infinity);
      if (index !== Infinity) prefix.first.set(number, index);
      // The end of a list means the opposite of its last entry; an empty list permits all.
      const permits = index === Infinity ? !(entries.at(-1)?.permit ?? false) : entries[index].permit;
      if (permits) permitted |= 1 << number;
    }
    around.push(prefix);
    return { key: aclKeyOf(prefix.address, prefix.family, prefix.bits), value: aclValueOf(permitted) };
  });
}

function covers(outer: Prefix, inner: Prefix): boolean {
  if (outer.family !== inner.family || outer.bits > inner.bits) return false;
  return outer.address.every((word, i) => ((word ^ inner.address[i]) & maskWord(outer.bits, i)) === 0);
}

function maskWord(bits: number, word: number): number {
  const here = Math.max(0, Math.min(32, bits - word * 32));
  return here === 0 ? 0 : -1 << (32 - here);
}

/** A mask as prefixes: one, unless it has holes, each of which doubles them. At most `limit` are made. */
function networks(address: IpWords, mask: IpWords, limit: number): { address: IpWords; bits: number }[] {
  const isSet = (bit: number) => (mask[bit >> 5] & (1 << (31 - (bit & 31)))) !== 0;
  let bits = ADDRESS_BITS;
  while (bits > 0 && !isSet(bits - 1)) bits--;
  let found = [address.map((word, i) => word & mask[i]) as unknown as IpWords];
  for (let bit = 0; bit < bits && found.length < limit; bit++) {
    if (isSet(bit)) continue;
    found = found.flatMap((one) => [
      one,
      one.map((word, i) => (i === bit >> 5 ? word | (1 << (31 - (bit & 31))) : word)) as unknown as IpWords,
    ]);
  }
  return found.map((one) => ({ address: one, bits }));
}
