import assert from 'node:assert/strict';
import { test } from 'node:test';
import { halfSipHash } from './siphash.js';

test('halfSipHash gives the values of the Linux kernel when the input is 0, 1, 2 ... (lib/tests/siphash_kunit.c)', () => {
  // The kernel's vectors for 0, 4, 8 ... bytes; here the bytes come as little-endian words.
  const wants = [0x5814c896, 0x7e059ea6, 0x577999b1, 0x6b28096c, 0x8b31d501, 0x911bb605, 0x57150ad7];
  const words = new Int32Array(Uint8Array.from({ length: 24 }, (_, i) => i).buffer);
  for (const [count, want] of wants.entries()) {
    assert.equal(halfSipHash(words, count, 0x03020100, 0x07060504), want, `${count} words`);
  }
});

test('halfSipHash depends on the key when the input is the same', () => {
  const hashes = [0, 1, 2, 3].map((key) => halfSipHash([1, 2, 3, 4], 4, key & 1, key >> 1));
  assert.equal(new Set(hashes).size, 4);
});
