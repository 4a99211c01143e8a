import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IpWords } from '../core/address.js';
import { randomNumbers } from './fixtures/random.js';
import { PrefixTable } from './prefix-table.js';
import { aclKeyOf } from './record.js';
import { StructMemory } from './struct-memory.js';

const WHOLE = 128;

interface Prefix {
  readonly address: IpWords;
  readonly family: 4 | 6;
  readonly bits: number;
}

/** As 160 digits, the family's 32 first. */
function digits({ address, family, bits }: Prefix): string {
  const all = [family, ...address].map((word) => (word >>> 0).toString(2).padStart(32, '0')).join('');
  return all.slice(0, 32 + bits);
}

function keyOf({ address, family, bits }: Prefix): Uint8Array {
  return aclKeyOf(address, family, bits);
}

test('PrefixTable finds the longest of the prefixes that it has, through 20,000 random calls', () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
  const next = randomNumbers(seed);
  // Few bits are ever set, so that prefixes contain each other.
  const word = () => (1 << (next() % 32)) & 0x81008181;
  const random = (bits: number): Prefix => ({
    address: [word(), word(), word(), word()],
    family: next() % 2 === 0 ? 4 : 6,
    bits,
  });
  const table = new PrefixTable(4);
  const model = new Map<string, number>();
  const value = new Int32Array(1);
  for (let i = 1; i < 20_000; i++) {
    const prefix = random(next() % (WHOLE + 1));
    if (next() % 4 === 0) {
      table.delete(keyOf(prefix));
      model.delete(digits(prefix));
    } else {
      table.set(keyOf(prefix), new Uint8Array(Int32Array.of(i).buffer));
      model.set(digits(prefix), i);
    }
    assert.equal(table.size, model.size, `seed ${seed}, call ${i}`);
    const asked = random(WHOLE);
    let wanted = digits(asked);
    while (wanted.length > 0 && !model.has(wanted)) wanted = wanted.slice(0, -1);
    const found = table.find(StructMemory.of(keyOf(asked)).words, value);
    assert.equal(found ? value[0] : undefined, model.get(wanted), `seed ${seed}, call ${i}`);
  }
  assert.ok(model.size > 100, `seed ${seed}`);
});
