import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ABUSE_SLOT, EMERGENCY_SLOT, emptySlot } from './configuration.js';
import { ServerState } from './server-state.js';
import { ServerTable } from './server-table.js';
import { acls, configuration, ip, only, row, server, tableOf } from './tables.suite.js';
import { onThreads } from './threads.worker.js';

const client = ip('192.0.2.1');
const takes = (table: ServerTable, slot: number, nowMs = 0) => table.takes(slot, client, false, false, nowMs);

test('ServerTable takes nobody when it is new, nor where a slot has no server', () => {
  const table = new ServerTable(new ServerState(ServerState.allocate()));
  for (const slot of [0, 1, EMERGENCY_SLOT, ABUSE_SLOT]) assert.equal(takes(table, slot), false, `slot ${slot}`);
  assert.equal(table.admits(client, false), true);
  const unix = server(0, { endpoint: { kind: 'unix', path: '/run/x' } });
  const portless = server(2, { endpoint: { kind: 'ip', family: 4, address: client, port: 0 } });
  table.configure(configuration([server(0), emptySlot, portless, unix], {}, { emergency: server(9) }));
  assert.deepEqual([...table.slots], [0, 3]);
  for (const [slot, want] of [true, false, false, true, false].entries()) assert.equal(takes(table, slot), want);
  assert.equal(takes(table, EMERGENCY_SLOT), true);
  assert.equal(takes(table, ABUSE_SLOT), false);
  assert.deepEqual(table.spec(EMERGENCY_SLOT), server(9));
  assert.equal(table.spec(77), emptySlot);
});

// What Debian's pen 0.34.1 does: `max` 0 is no limit whatever `hard` says, and `hard` below `max` does not count.
const limits: [max: number, hard: number, news: number, returning: number][] = [
  [2, 0, 2, 2],
  [2, 3, 2, 3],
  [3, 2, 3, 3],
  [1, 1, 1, 1],
  [0, 2, 9, 9],
  [0, 0, 9, 9],
];
for (const [max, hard, news, back] of limits) {
  test(`ServerTable takes ${news} new and ${back} returning clients when max is ${max} and hard ${hard}`, () => {
    for (const [returning, want] of [
      [false, news],
      [true, back],
    ] as const) {
      const table = tableOf([server(0, { max, hard })]);
      let taken = 0;
      while (taken < 9 && table.takes(0, client, false, returning, 0)) {
        assert.ok(table.take(0, returning));
        taken++;
      }
      assert.equal(taken, want);
      assert.equal(table.take(0, returning), want === 9, 'take agrees with takes');
    }
  });
}

test('ServerTable has room again when a connection is over', () => {
  const table = tableOf([server(0, { max: 1 })]);
  assert.ok(table.take(0, false));
  assert.equal(takes(table, 0), false);
  table.settled(0);
  assert.equal(takes(table, 0), false);
  table.leave(0);
  assert.equal(takes(table, 0), true);
});

test('ServerTable takes no more than pendingMax at a time when connects are slow, and the others still do', () => {
  const table = tableOf(row(2), { pendingMax: 2 });
  assert.ok(table.take(0, false) && table.take(0, false));
  assert.deepEqual([takes(table, 0), takes(table, 1)], [false, true]);
  table.settled(0);
  assert.equal(takes(table, 0), true);
});

test('ServerTable blacklists for the time set when a connect fails, and a success ends it', () => {
  const table = tableOf(row(2), { blacklistSec: 30 });
  table.failed(0, 1000);
  assert.deepEqual([takes(table, 0, 30_999), takes(table, 0, 31_000), takes(table, 1, 1000)], [false, true, true]);
  assert.equal(table.takes(0, client, true, true, 5000), false, 'nor for Unix and returning clients');
  table.succeeded(0, 1001);
  assert.equal(takes(table, 0, 1001), true);
  assert.deepEqual([table.state.failures(0), table.state.connects(0)], [1, 1]);
});

test('ServerTable leaves a server out that an operator has taken out, though a connect of before succeeds', () => {
  const table = tableOf(row(2), { blacklistSec: 30 });
  table.state.setBlacklistedUntil(0, 21_000, true);
  table.succeeded(0, 1001);
  assert.equal(takes(table, 0, 1001), false);
  table.failed(0, 2000);
  table.succeeded(0, 2001);
  assert.deepEqual([takes(table, 0, 31_999), takes(table, 0, 32_000)], [false, true]);
  table.succeeded(0, 32_000);
  assert.equal(table.state.blacklistedUntil(0), 0);
  table.failed(0, 33_000);
  table.succeeded(0, 33_001);
  assert.equal(takes(table, 0, 33_001), true, 'what came after the order is no order');
});

test('ServerTable blacklists nobody when blacklistSec is 0, and never shortens a blacklisting', () => {
  const table = tableOf(row(1), { blacklistSec: 0 });
  table.failed(0, 1000);
  assert.equal(takes(table, 0, 1000), true);
  table.configure(configuration(row(1), { blacklistSec: 30 }));
  table.state.setBlacklistedUntil(0, 1_000_000);
  table.failed(0, 1000);
  assert.equal(table.state.blacklistedUntil(0), 1_000_000);
});

test('ServerTable obeys the ACL of each server, except for Unix clients', () => {
  const lists = acls({ 1: [only(false, '192.0.2.1')], 3: [only(true, '192.0.2.9')] });
  const servers = [server(0), server(1, { acl: 1 }), server(2, { acl: 3 })];
  const table = tableOf(servers, { clientAcl: 1 }, { acls: lists });
  assert.deepEqual(
    [0, 1, 2].map((slot) => takes(table, slot)),
    [true, false, false],
  );
  assert.deepEqual(
    [0, 1, 2].map((slot) => table.takes(slot, ip('192.0.2.9'), false, false, 0)),
    [true, true, true],
  );
  assert.deepEqual(
    [0, 1, 2].map((slot) => table.takes(slot, ip('::'), true, false, 0)),
    [true, true, true],
  );
  assert.deepEqual([table.admits(client, false), table.admits(client, true)], [false, true]);
});

test('ServerTable obeys a list that comes into use later, though it was there before', () => {
  const lists = acls({ 2: [only(false, '192.0.2.1')] });
  const table = tableOf(row(1), {}, { acls: lists });
  assert.equal(takes(table, 0), true);
  table.configure(configuration(row(1, { acl: 2 }), {}, { acls: lists }));
  assert.equal(takes(table, 0), false);
  table.configure(configuration(row(1, { acl: 2 }), {}, { acls: acls({}) }));
  assert.equal(takes(table, 0), true);
});

test('ServerTable keeps the state when the configuration changes', () => {
  const table = tableOf(row(3));
  table.take(2, false);
  table.failed(1, 0);
  table.configure(configuration(row(1)));
  table.leave(2);
  assert.equal(takes(table, 2), false);
  table.configure(configuration(row(3)));
  assert.equal(table.state.connections(2), 0);
  assert.equal(takes(table, 1, 1), false);
});

test('take gives out exactly max places on each of many servers when four threads take them', async () => {
  const memory = ServerState.allocate();
  const [max, servers] = [10, 10_000];
  const got = await onThreads(4, 'takeAll', () => ({ memory, max, servers }));
  assert.equal(
    got.reduce((sum, n) => sum + n),
    max * servers,
    `got ${got}`,
  );
  const state = new ServerState(memory);
  for (let slot = 0; slot < servers; slot++) assert.equal(state.connections(slot), max);
});

test('a server that drains takes nobody, not even who returns, until it no longer drains', () => {
  const state = new ServerState(ServerState.allocate());
  const table = new ServerTable(state);
  table.configure(configuration([server(0)]));
  state.setDraining(0, true);
  for (const returning of [false, true]) assert.equal(table.isAvailable(0, returning, 0), false);
  state.setDraining(0, false);
  assert.equal(table.isAvailable(0, true, 0), true);
});

test('ServerTable.isHeldUp tells as many connects in progress as are asked for, where there is room', () => {
  const table = tableOf(row(1), { pendingMax: 3 });
  const isHeldUp = (from?: number) => table.isHeldUp(client, false, 0, from);
  assert.equal(isHeldUp(1), false);
  for (const _ of [1, 2]) assert.ok(table.take(0, false));
  assert.deepEqual([isHeldUp(1), isHeldUp(2), isHeldUp()], [true, true, false]);
  assert.ok(table.take(0, false));
  assert.equal(isHeldUp(), true);
});
