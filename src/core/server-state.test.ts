import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABUSE_SLOT, EMERGENCY_SLOT, MAX_SERVERS } from './configuration.js';
import { ServerState } from './server-state.js';
import { onThreads } from './threads.worker.js';

test('ServerState keeps servers apart when all of their fields are in use, in every kind of slot', () => {
  const state = new ServerState(ServerState.allocate());
  const slots = [0, 1, MAX_SERVERS - 1, EMERGENCY_SLOT, ABUSE_SLOT];
  for (const [i, slot] of slots.entries()) {
    const n = i + 1;
    for (let k = 0; k < 2 * n; k++) assert.ok(state.tryEnter(slot, 0, 0));
    for (let k = 0; k < n; k++) state.settled(slot);
    state.setBlacklistedUntil(slot, n * 1e10);
    state.addSent(slot, n * 10);
    state.addReceived(slot, n * 100);
    state.addConnect(slot);
    state.addFailure(slot);
    state.addFailure(slot);
  }
  for (const [i, slot] of slots.entries()) {
    const n = i + 1;
    const of = [state.connections(slot), state.pending(slot), state.blacklistedUntil(slot)];
    assert.deepEqual(of, [2 * n, n, n * 1e10], `slot ${slot}`);
    const counts = [state.sent(slot), state.received(slot), state.connects(slot), state.failures(slot)];
    assert.deepEqual(counts, [n * 10, n * 100, 1, 2], `slot ${slot}`);
  }
});

test('ServerState is one state when two views share the memory', () => {
  const memory = ServerState.allocate();
  const [a, b] = [new ServerState(memory), new ServerState(memory)];
  a.setBlacklistedUntil(3, 5000.5);
  assert.equal(b.blacklistedUntil(3), 5001);
  b.setBlacklistedUntil(3, 0);
  assert.equal(a.blacklistedUntil(3), 0);
});

test('tryEnter leaves the counts as they were when either limit is reached', () => {
  const state = new ServerState(ServerState.allocate());
  assert.equal(state.tryEnter(0, 2, 1), true);
  assert.equal(state.tryEnter(0, 2, 1), false, 'one is pending');
  assert.deepEqual([state.connections(0), state.pending(0)], [1, 1]);
  state.settled(0);
  assert.equal(state.tryEnter(0, 2, 1), true);
  state.settled(0);
  assert.equal(state.tryEnter(0, 2, 1), false, 'two are connected');
  assert.deepEqual([state.connections(0), state.pending(0)], [2, 0]);
});

test('nextInTurn begins with 1 and goes round, each leader for itself', () => {
  const state = new ServerState(ServerState.allocate());
  assert.deepEqual(
    Array.from({ length: 7 }, () => state.nextInTurn(3)),
    [1, 2, 0, 1, 2, 0, 1],
  );
  assert.equal(state.nextInTurn(3, 5), 1);
  assert.equal(state.nextInTurn(1), 0);
});

test('nextInTurn gives every place the same number of turns when four threads take them', async () => {
  const memory = ServerState.allocate();
  const zeros = await onThreads(4, 'takeTurns', () => ({ memory, times: 30_000, n: 3 }));
  assert.equal(
    zeros.reduce((sum, n) => sum + n),
    40_000,
  );
});

test('places and connections never pass max 10, and end at none, when four threads want sixteen', async () => {
  const memory = ServerState.allocate();
  // Long enough that the threads run at once even on a busy machine, whose turns last milliseconds.
  const most = await onThreads(4, 'takeAndLeave', () => ({ memory, max: 10, times: 500_000 }));
  assert.ok(Math.max(...most) <= 10, `saw ${most}`);
  const state = new ServerState(memory);
  assert.deepEqual([state.connections(0), state.pending(0), state.connectionsInUse()], [0, 0, 0]);
});
