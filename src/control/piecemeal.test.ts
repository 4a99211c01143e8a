import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collected, type Pace } from './piecemeal.js';

/** A machine on which each thing takes 0.5 ms of the core, and for the first `waits` of them so long is waited. */
function machine(waitMs: number, waits = 8, isTraffic = true) {
  let nowMs = 0;
  let waitedMs = 0;
  let trafficWaitedMs = 0;
  const rests: number[] = [];
  const pace: Pace = {
    nowMs: () => nowMs,
    waitedMs: () => waitedMs,
    trafficWaitedMs: () => trafficWaitedMs,
    rest: async (ms) => {
      rests.push(ms);
      nowMs += ms;
    },
    contendedUntilMs: Number.NEGATIVE_INFINITY,
  };
  function* things() {
    for (let i = 0; i < 8; i++) {
      const wait = i < waits ? waitMs : 0;
      nowMs += 0.5 + wait;
      waitedMs += wait;
      if (isTraffic && wait > 0) trafficWaitedMs += 0.5;
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

test('collected does not take threads of its own process for traffic', async () => {
  const { pace, rests, things } = machine(0.5, 8, false);
  await collected(things(), 0.1, pace);
  assert.deepEqual(rests, []);
});

test('collected takes a core for wanted for a while after it had to wait: who rests is let in at once', async () => {
  const { pace, rests, things } = machine(0.5, 1);
  await collected(things(), 0.1, pace);
  assert.equal(rests.length, 8);
});
