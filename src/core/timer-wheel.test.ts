import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomFrom } from './tables.suite.js';
import { TimerWheel } from './timer-wheel.js';

function expired(wheel: TimerWheel, nowMs: number): number[] {
  const ids: number[] = [];
  wheel.expire(nowMs, (id) => ids.push(id));
  return ids.sort((a, b) => a - b);
}

test('TimerWheel fires once, not before the deadline and within a tick after it', () => {
  const wheel = new TimerWheel(4, 10);
  wheel.arm(1, 95);
  assert.equal(wheel.nextDeadline(), 100);
  assert.deepEqual(expired(wheel, 94), []);
  assert.deepEqual(expired(wheel, 100), [1]);
  assert.deepEqual(expired(wheel, 10_000), []);
  assert.equal(wheel.nextDeadline(), Number.POSITIVE_INFINITY);
});

test('TimerWheel fires at the new time when an id is armed again, earlier or later', () => {
  const wheel = new TimerWheel(4, 10);
  wheel.arm(0, 100);
  wheel.arm(1, 100);
  wheel.arm(0, 5000);
  wheel.arm(1, 50);
  assert.equal(wheel.nextDeadline(), 50);
  assert.deepEqual(expired(wheel, 100), [1]);
  assert.equal(wheel.nextDeadline(), 5000);
  assert.deepEqual(expired(wheel, 5000), [0]);
});

test('TimerWheel forgets an id when it is cancelled, whatever its place in the bucket', () => {
  for (const cancelled of [0, 1, 2]) {
    const wheel = new TimerWheel(3, 10);
    for (const id of [0, 1, 2]) wheel.arm(id, 70);
    wheel.cancel(cancelled);
    wheel.cancel(cancelled);
    const rest = [0, 1, 2].filter((id) => id !== cancelled);
    assert.deepEqual(expired(wheel, 70), rest);
  }
  const wheel = new TimerWheel(1, 10);
  wheel.arm(0, 70);
  wheel.cancel(0);
  assert.equal(wheel.nextDeadline(), Number.POSITIVE_INFINITY);
});

test('TimerWheel fires at the next tick when the deadline has passed, also from the callback, and ends', () => {
  const wheel = new TimerWheel(2, 10, 1_000_000);
  wheel.arm(0, 5);
  assert.equal(wheel.nextDeadline(), 1_000_010);
  let calls = 0;
  wheel.expire(1_000_010, (id) => {
    calls++;
    wheel.arm(id, 1_000_000);
  });
  assert.equal(calls, 1);
  assert.equal(wheel.nextDeadline(), 1_000_020);
});

test('TimerWheel obeys a callback that cancels and arms others of the same bucket', () => {
  const wheel = new TimerWheel(3, 10);
  for (const id of [0, 1, 2]) wheel.arm(id, 50);
  const fired: number[] = [];
  wheel.expire(50, (id) => {
    fired.push(id);
    if (fired.length > 1) return;
    wheel.cancel((id + 1) % 3);
    wheel.arm((id + 2) % 3, 90);
  });
  assert.equal(fired.length, 1);
  assert.deepEqual(expired(wheel, 1000), [(fired[0] + 2) % 3]);
});

test('TimerWheel keeps deadlines beyond its span, which is 2^18 ticks', () => {
  const wheel = new TimerWheel(2, 1);
  const far = 3 * 2 ** 18 + 17;
  wheel.arm(0, far);
  for (let now = 0; now < far; now += 99_991) assert.deepEqual(expired(wheel, now), [], `at ${now}`);
  assert.deepEqual(expired(wheel, far), [0]);
  wheel.arm(1, far + 2 ** 40);
  assert.deepEqual(expired(wheel, far + 10 * 2 ** 18), []);
  wheel.cancel(1);
  assert.equal(wheel.nextDeadline(), Number.POSITIVE_INFINITY);
});

test('TimerWheel makes room for ids as they come, and keeps what is armed', () => {
  const wheel = new TimerWheel(1, 10);
  wheel.arm(0, 30);
  wheel.cancel(2);
  wheel.arm(2, 30);
  wheel.arm(5000, 40);
  wheel.cancel(70_000);
  assert.deepEqual(expired(wheel, 20), []);
  assert.deepEqual(expired(wheel, 30), [0, 2]);
  assert.deepEqual(expired(wheel, 40), [5000]);
});

test('TimerWheel agrees with a plain map of deadlines when it is used at random', () => {
  for (const seed of [1, 2, 3]) {
    const random = randomFrom(seed);
    const tick = 10;
    const wheel = new TimerWheel(50, tick, 777);
    const deadlines = new Map<number, number>();
    const far = new Set<number>();
    let now = 777;
    for (let step = 0; step < 5000; step++) {
      const id = random(50);
      if (random(4) > 0) {
        // Short ones, and some that are further off than the wheel's span of 2,621,440 ms.
        const delay = random(random(20) === 0 ? 6_000_000 : 3000);
        wheel.arm(id, now + delay);
        deadlines.set(id, now + delay);
        if (delay > 2_600_000) far.add(id);
        else far.delete(id);
      } else {
        wheel.cancel(id);
        deadlines.delete(id);
        far.delete(id);
      }
      if (random(10) === 0) {
        now += random(random(50) === 0 ? 4_000_000 : 500);
        const fired = expired(wheel, now);
        const where = `seed ${seed}, step ${step}, now ${now}`;
        for (const due of fired) {
          assert.ok((deadlines.get(due) ?? Number.POSITIVE_INFINITY) <= now, `${due} early: ${where}`);
          deadlines.delete(due);
          far.delete(due);
        }
        for (const [waiting, deadline] of deadlines) {
          assert.ok(deadline > now - tick, `${waiting} late by ${now - deadline}: ${where}`);
        }
        const next = Math.min(...deadlines.values());
        assert.ok(wheel.nextDeadline() > now, where);
        assert.ok(wheel.nextDeadline() <= Math.max(next, now) + tick, where);
        if (far.size === 0) assert.ok(wheel.nextDeadline() >= next, `early: ${where}`);
      }
    }
  }
});
