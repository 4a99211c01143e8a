import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashEnd, hashWord, slotOf } from './hash.js';

const hashOf = (seed: number, ...words: number[]) => hashEnd(words.reduce(hashWord, seed));

test('hash spreads the addresses of a network, also one after the other, evenly over the slots', () => {
  const BINS = 64;
  const CLIENTS = 65_536;
  for (const step of [1, 256, 65_536]) {
    const counts = new Array<number>(BINS).fill(0);
    for (let i = 0; i < CLIENTS; i++) counts[slotOf(hashOf(0x5eed, (0x0a000000 + i * step) | 0), BINS)]++;
    // 1,024 each; five standard deviations of a random spread.
    for (const count of counts) assert.ok(Math.abs(count - 1024) < 160, `step ${step}: ${count} of 1024`);
  }
});

test('hash changes with every bit of every word and with the seed', () => {
  const before = hashOf(1, 2, 3);
  for (let bit = 0; bit < 32; bit++) {
    for (const [name, after] of [
      ['seed', hashOf(1 ^ (1 << bit), 2, 3)],
      ['first word', hashOf(1, 2 ^ (1 << bit), 3)],
      ['last word', hashOf(1, 2, 3 ^ (1 << bit))],
    ] as const) {
      assert.notEqual(after, before, `bit ${bit} of the ${name}`);
    }
  }
});

test('hash is pinned: balancers of two versions agree', () => {
  // Computed with Python's integers from the words of docs/internals/dsr.md.
  assert.equal(hashOf(0x50454e31, 0x0a000001), 2825092534);
  assert.equal(hashOf(0x50454e31, 0x20010db8, 0, 0, 1), 2705357321);
  assert.equal(hashOf(1, 0xffffffff), 2958423376);
  assert.deepEqual([slotOf(0, 65_537), slotOf(0xffffffff, 65_537), slotOf(0x80000000, 65_537)], [0, 65_536, 32_768]);
});
