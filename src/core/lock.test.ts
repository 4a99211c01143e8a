import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acquire, release } from './lock.js';
import { onThreads } from './threads.worker.js';

test('the lock loses no update when four threads and the main thread contend for it', async () => {
  const buffer = new SharedArrayBuffer(128);
  const cells = new Int32Array(buffer);
  const done = onThreads(4, 'underLock', () => ({ buffer, times: 100_000 }));
  for (let round = 0; round < 100; round++) {
    for (let i = 0; i < 100; i++) {
      acquire(cells, 0);
      cells[16] += 1;
      release(cells, 0);
    }
    await new Promise(setImmediate);
  }
  await done;
  assert.equal(cells[16], 410_000);
  assert.equal(cells[0], 0, 'free in the end');
});

test('the lock wakes a sleeper when it is released late', async () => {
  const buffer = new SharedArrayBuffer(128);
  const cells = new Int32Array(buffer);
  acquire(cells, 0);
  const done = onThreads(2, 'underLock', () => ({ buffer, times: 1 }));
  // Both threads find it taken and go to sleep: the cell says that somebody waits.
  while (Atomics.load(cells, 0) !== 2) await new Promise(setImmediate);
  assert.equal(cells[16], 0);
  release(cells, 0);
  await done;
  assert.equal(cells[16], 2);
});
