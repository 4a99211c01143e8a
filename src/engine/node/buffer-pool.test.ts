import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool, CHUNK_BYTES } from './buffer-pool.js';

test('BufferPool gives a small buffer to what fits one, a large one to the rest', () => {
  const pool = new BufferPool();
  const sizes = [1, 4096, 4097, CHUNK_BYTES].map((length) => pool.bytes(pool.take(length)).length);
  assert.deepEqual(sizes, [4096, 4096, CHUNK_BYTES, CHUNK_BYTES]);
});

test('BufferPool never gives one buffer to two takers, and uses again what came back', () => {
  const pool = new BufferPool();
  const names = Array.from({ length: 50 }, (_, i) => pool.take(i % 2 === 0 ? 10 : CHUNK_BYTES));
  assert.equal(new Set(names).size, names.length);
  assert.equal(pool.inUse, 50);
  const bytes = pool.totalBytes;
  for (const name of names) pool.release(name);
  assert.equal(pool.inUse, 0);
  for (let i = 0; i < 50; i++) pool.take(i % 2 === 0 ? 10 : CHUNK_BYTES);
  assert.equal(pool.totalBytes, bytes);
});

test('BufferPool lets memory go when more is free than a crowd needs', () => {
  const pool = new BufferPool();
  const names = Array.from({ length: 400 }, () => pool.take(CHUNK_BYTES));
  assert.equal(pool.totalBytes, 400 * CHUNK_BYTES);
  for (const name of names) pool.release(name);
  assert.equal(pool.totalBytes, 256 * CHUNK_BYTES);
  const again = Array.from({ length: 400 }, () => pool.take(CHUNK_BYTES));
  assert.equal(new Set(again).size, 400);
  for (const name of again) assert.equal(pool.bytes(name).length, CHUNK_BYTES);
});
