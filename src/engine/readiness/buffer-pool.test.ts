import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BufferPool, LARGE_BYTES, SMALL_BYTES } from './buffer-pool.js';

test('BufferPool hands out the buffer that came back last', () => {
  const pool = new BufferPool();
  const [first, second] = [pool.take(false), pool.take(false)];
  assert.notEqual(first, second);
  pool.release(first);
  assert.equal(pool.take(false), first);
  assert.equal(pool.inUse(), 2);
  pool.close();
});

test('BufferPool gives memory that does not overlap', () => {
  const pool = new BufferPool();
  const buffers = Array.from({ length: 40 }, (_, i) => pool.take(i % 2 === 1));
  for (const [i, buffer] of buffers.entries()) pool.bytes(buffer).fill(i);
  buffers.forEach((buffer, i) => {
    assert.equal(pool.bytes(buffer).length, i % 2 === 1 ? LARGE_BYTES : SMALL_BYTES);
    assert.equal(pool.capacity(buffer), pool.bytes(buffer).length);
    assert.ok(pool.bytes(buffer).every((byte) => byte === i));
  });
  const addresses = buffers.map((buffer) => pool.address(buffer)).sort((a, b) => a - b);
  for (let i = 1; i < addresses.length; i++) assert.ok(addresses[i] - addresses[i - 1] >= SMALL_BYTES);
  for (const buffer of buffers) pool.release(buffer);
  assert.equal(pool.inUse(), 0);
  pool.close();
});

test('BufferPool falls back to small buffers when the large ones are used up', () => {
  const pool = new BufferPool();
  let larges = 0;
  while (pool.capacity(pool.take(true)) === LARGE_BYTES) larges++;
  assert.equal(larges, 256);
  pool.close();
});
