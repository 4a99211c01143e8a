import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counters, GUARD_BYTES } from './counters.js';
import { onThreads } from './threads.worker.js';

const guard = (): Int32Array => new Int32Array(new SharedArrayBuffer(GUARD_BYTES));

test('Counters are exact when sums pass 2^31, 2^32 and 2^33', () => {
  const counters = new Counters(new SharedArrayBuffer(Counters.bytes(3) + 8), 8, 3, guard());
  const steps = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 1, 2 ** 32 - 1, 5, 2 ** 31, 2 ** 32 - 1];
  let sum = 0;
  for (const step of steps) {
    counters.add(1, step);
    sum += step;
    assert.equal(counters.read(1), sum, `after adding ${step}`);
  }
  assert.equal(counters.read(0), 0);
  assert.equal(counters.read(2), 0);
});

test('Counters lose nothing and never step back when four threads add', async () => {
  const buffer = new SharedArrayBuffer(Counters.bytes(1));
  const cells = guard();
  const counters = new Counters(buffer, 0, 1, cells);
  const n = 2 ** 14 + 5;
  const done = onThreads(4, 'count', () => ({ buffer, guard: cells, times: 200_000, n }));
  let ended = false;
  done.finally(() => {
    ended = true;
  });
  let last = 0;
  while (!ended) {
    for (let i = 0; i < 1000; i++) {
      const now = counters.read(0);
      assert.ok(now >= last, `${now} after ${last}`);
      last = now;
    }
    await new Promise(setImmediate);
  }
  await done;
  assert.equal(counters.read(0), 800_000 * n);
});

test('Counters.clear has those named begin anew, and no other', () => {
  const counters = new Counters(new SharedArrayBuffer(Counters.bytes(4)), 0, 4, guard());
  for (let index = 0; index < 4; index++) counters.add(index, 2 ** 31 + index);
  counters.clear(1, 2);
  counters.add(2, 7);
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => counters.read(index)),
    [2 ** 31, 0, 7, 2 ** 31 + 3],
  );
});
