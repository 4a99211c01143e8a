import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NONE } from '../core/configuration.js';
import { OwnerTable } from './owner-table.js';

test('OwnerTable knows the row of each socket, however large its number, until it is cleared', () => {
  const owners = new OwnerTable();
  const sockets = [0, 7, 1023, 1024, 1025, 70_000];
  for (const [row, socket] of sockets.entries()) owners.set(socket, row);
  for (const [row, socket] of sockets.entries()) assert.equal(owners.of(socket), row);
  owners.clear(1024);
  assert.equal(owners.of(1024), NONE);
  owners.set(1024, 9);
  assert.equal(owners.of(1024), 9);
  assert.equal(owners.of(1023), 2);
});
