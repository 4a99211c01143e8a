import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABUSE_SLOT, MAX_SERVERS } from './configuration.js';
import { CAUSES, CONNECT_CLASSES_MS, ENDINGS, Meters, REFUSALS, SESSION_CLASSES_MS } from './meters.js';

const slots = [0, 1, MAX_SERVERS - 1, ABUSE_SLOT];

test('Meters keeps every count of every server apart when all of them are in use', () => {
  const meters = new Meters(Meters.allocate());
  for (const [i, slot] of slots.entries()) {
    const times = i + 1;
    for (let n = 0; n < times; n++) {
      for (const ms of [...CONNECT_CLASSES_MS, 99_999]) meters.connected(slot, ms);
      for (const ms of [...SESSION_CLASSES_MS, 99_999_999]) meters.sessionEnded(slot, 0, ms);
      for (const cause of CAUSES.keys()) meters.connectFailed(slot, cause, 111 + i, 5_000_000_000 + i);
      for (const ending of ENDINGS.keys()) meters.sessionEnded(slot, ending, 0);
    }
  }
  meters.accepted();
  for (const why of REFUSALS.keys()) meters.refused(why);

  for (const [i, slot] of slots.entries()) {
    const times = i + 1;
    const connect = meters.connectTimes(slot);
    assert.deepEqual(connect.counts, Array(CONNECT_CLASSES_MS.length + 1).fill(times), `slot ${slot}`);
    assert.equal(connect.sumMs, times * [...CONNECT_CLASSES_MS, 99_999].reduce((sum, ms) => sum + ms, 0));
    const session = meters.sessionTimes(slot);
    assert.equal(session.counts[0], times * (1 + ENDINGS.length));
    assert.deepEqual(session.counts.slice(1), Array(SESSION_CLASSES_MS.length).fill(times), `slot ${slot}`);
    assert.deepEqual(Object.values(meters.failures(slot)), Array(CAUSES.length).fill(times), `slot ${slot}`);
    assert.deepEqual(Object.keys(meters.failures(slot)), [...CAUSES]);
    assert.deepEqual(meters.endings(slot), {
      closed: times * (SESSION_CLASSES_MS.length + 2),
      broken: times,
      idle: times,
      ordered: times,
    });
    assert.deepEqual(meters.lastFailure(slot), { errno: 111 + i, atMs: 5_000_000_000 + i });
  }
  assert.deepEqual([meters.acceptedCount(), meters.acceptFailures()], [1, 0]);
  assert.deepEqual(
    Object.values(meters.refusals()),
    REFUSALS.map(() => 1),
  );
});

test('Meters knows of no failure before the first', () => {
  assert.equal(new Meters(Meters.allocate()).lastFailure(0), undefined);
});

test('a time is of the class whose bound it reaches, and of the last when it is beyond all', () => {
  const meters = new Meters(Meters.allocate());
  for (const ms of [0, 1, 2, 3, 5000, 5001, 1e12]) meters.connected(2, ms);
  assert.deepEqual(meters.connectTimes(2).counts, [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
});
