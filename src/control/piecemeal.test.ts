import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collected, type Pace } from './piecemeal.js';

/** A machine on which each thing takes 0.5 ms of the core, and for each of them so long is waited. */
function machine(waitMs: number) {
  let nowMs = 0;
  let waitedMs = 0;
  const rests: number[] = [];
  const pace: Pace = {
    nowMs: () => nowMs,
    waitedMs: () => waitedMs,
    rest: async (ms) => {
      rests.push(ms);
      nowMs += ms;
    },
  };
  function* things() {
    for (let i = 0; i < 8; i++) {
      nowMs += 0.5 + waitMs;
      waitedMs += waitMs;
      yield i;
    }
  }
  return { pace, rests, things };
}

test('collected does not rest while nobody else wants the core', async () => {
  const { pace, rests, things } = machine(0);
  assert.deepEqual(await collected(things(), 0.1, pace), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert.deepEqual(rests, []);
});

test('collected takes its share of a core that others want, and no more', async () => {
  const { pace, rests, things } = machine(0.5);
  assert.deepEqual(await collected(things(), 0.1, pace), [0, 1, 2, 3, 4, 5, 6, 7]);
  // 0.5 ms of work a piece, so 4.5 ms of rest.
  assert.deepEqual(rests, new Array(8).fill(4.5));
});
