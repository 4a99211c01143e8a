import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Acl, type AclEntry } from '../core/acl.js';
import { formatIp, type IpWords } from '../core/address.js';
import { aclRecords } from './acl-prefixes.js';
import { randomNumbers } from './fixtures/random.js';
import { ip, STAGE_SIZE } from './fixtures/stage.js';
import { MemoryTables } from './memory-tables.js';
import { aclKeyOf } from './record.js';
import { StructMemory } from './struct-memory.js';

function mask(prefix: number): IpWords {
  return [0, 1, 2, 3].map((word) => {
    const bits = Math.max(0, Math.min(32, prefix - word * 32));
    return bits === 0 ? 0 : -1 << (32 - bits);
  }) as unknown as IpWords;
}

function network(permit: boolean, address: IpWords, bits: IpWords): AclEntry {
  return {
    permit,
    kind: 'network',
    address: address.map((word, i) => word & bits[i]) as unknown as IpWords,
    mask: bits,
  };
}

function trie(lists: ReadonlyMap<number, readonly AclEntry[]>): MemoryTables {
  const records = aclRecords(lists);
  if (typeof records === 'string') throw new Error(records);
  const tables = new MemoryTables(STAGE_SIZE);
  for (const { key, value } of records) tables.setAcl(key, value);
  return tables;
}

test('aclRecords answers as the lists do, for 20,000 random addresses', () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
  const next = randomNumbers(seed);
  // Few values for each byte, so that prefixes contain each other.
  const byte = () => next() % 3;
  const address = (): IpWords =>
    next() % 2 === 0
      ? [0, 0, 0xffff, (byte() << 24) | (byte() << 16) | (byte() << 8) | byte()]
      : [(byte() << 24) | byte(), (byte() << 16) | byte(), byte() << 8, byte()];
  for (let round = 0; round < 20; round++) {
    const lists = new Map<number, AclEntry[]>();
    for (const number of [0, 3, 9]) {
      const entry = (): AclEntry => {
        const at = address();
        const isV4 = at[2] === 0xffff;
        // Some masks have holes.
        const holes: IpWords = [-1, -1, -1, next() % 3 === 0 ? 0xffff00ff | 0 : mask(96 + (next() % 33))[3]];
        return network(next() % 2 === 0, at, isV4 ? holes : mask(next() % 129));
      };
      lists.set(number, Array.from({ length: next() % 12 }, entry));
    }
    const tables = trie(lists);
    const acls = new Map([...lists].map(([number, entries]) => [number, new Acl(entries)]));
    for (let i = 0; i < 1000; i++) {
      const at = address();
      const isV4 = at[2] === 0xffff && at[0] === 0 && at[1] === 0;
      const permitted = tables.permittedBy(StructMemory.of(aclKeyOf(at, isV4 ? 4 : 6, 128)));
      for (const [number, entries] of lists) {
        // By the lists' rule an empty one permits; there is then nothing to look for.
        const want = entries.length === 0 || acls.get(number)?.permits(at);
        assert.equal((permitted & (1 << number)) !== 0, want, `seed ${seed}: list ${number}, ${formatIp(at)}`);
      }
    }
  }
});

test('aclRecords refuses a mask that stands for too many prefixes', () => {
  const sparse = network(true, ip('10.0.0.1'), [-1, -1, -1, 1]);
  assert.match(`${aclRecords(new Map([[2, [sparse]]]))}`, /^acl 2 makes more than 65536 prefixes/);
});
