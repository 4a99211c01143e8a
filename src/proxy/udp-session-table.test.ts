import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NONE } from '../core/configuration.js';
import { ConnectionTable } from './connection-table.js';
import { UdpSessionTable } from './udp-session-table.js';

const HERE = new Int32Array(4);

function table(): UdpSessionTable {
  return new UdpSessionTable(new ConnectionTable(ConnectionTable.allocate()), 0x12345678, 0x2468ace0);
}

function v4(n: number): Int32Array {
  return Int32Array.of(0, 0, 0xffff, n);
}

test('UdpSessionTable tells apart everything that is in the key', () => {
  const sessions = table();
  const v6 = Int32Array.of(1, 2, 3, 4);
  const keys: [Int32Array, number, Int32Array, number][] = [
    [v4(1), 53, HERE, NONE],
    [v4(1), 54, HERE, NONE],
    [v4(2), 53, HERE, NONE],
    [v4(1), 53, v4(9), NONE],
    [v4(1), 53, v4(8), NONE],
    [v4(1), 53, HERE, 0],
    [v4(1), 53, HERE, 65_537],
    [v6, 53, HERE, NONE],
    [Int32Array.of(0, 2, 3, 4), 53, HERE, NONE],
    [v6, 53, v6, NONE],
    [v6, 53, Int32Array.of(1, 2, 3, 5), NONE],
    [Int32Array.of(0, 0, 0, 1), 53, HERE, NONE],
  ];
  const rows = keys.map((key) => {
    assert.equal(sessions.find(...key), NONE);
    return sessions.open(...key);
  });
  assert.equal(new Set(rows).size, keys.length);
  for (const [i, key] of keys.entries()) assert.equal(sessions.find(...key), rows[i]);
});

test('UdpSessionTable finds each of 50,000 sessions while they come and go', () => {
  const sessions = table();
  const rows = Array.from({ length: 50_000 }, (_, i) => sessions.open(v4(i), i & 0xffff, HERE, NONE));
  for (let i = 0; i < rows.length; i += 2) sessions.close(rows[i]);
  for (let i = 0; i < rows.length; i++) {
    assert.equal(sessions.find(v4(i), i & 0xffff, HERE, NONE), i % 2 === 0 ? NONE : rows[i]);
  }
  assert.equal(sessions.size, 25_000);
});

test('UdpSessionTable gives a row to nobody else before it has rested', () => {
  const sessions = table();
  const row = sessions.open(v4(1), 1, HERE, NONE);
  sessions.close(row);
  assert.equal(sessions.isOpen(row), false);
  assert.notEqual(sessions.open(v4(2), 2, HERE, NONE), row);
  sessions.rest();
  assert.equal(sessions.open(v4(3), 3, HERE, NONE), row);
});

test('UdpSessionTable knows the one that was silent longest', () => {
  const sessions = table();
  const rows = [1, 2, 3, 4].map((n) => sessions.open(v4(n), n, HERE, NONE));
  sessions.touch(rows[0]);
  sessions.touch(rows[2]);
  sessions.touch(rows[2]);
  const order: number[] = [];
  for (let row = sessions.oldest(); row !== NONE; row = sessions.oldest()) {
    order.push(row);
    sessions.close(row);
  }
  assert.deepEqual(order, [rows[1], rows[3], rows[0], rows[2]]);
});

test('UdpSessionTable finds a session that moves under its new server', () => {
  const sessions = table();
  const row = sessions.open(v4(1), 1, HERE, 5);
  sessions.changeServer(row, 6);
  assert.equal(sessions.find(v4(1), 1, HERE, 5), NONE);
  assert.equal(sessions.find(v4(1), 1, HERE, 6), row);
  const fixed = sessions.open(v4(2), 2, HERE, NONE);
  sessions.changeServer(fixed, 6);
  assert.equal(sessions.find(v4(2), 2, HERE, NONE), fixed);
});
