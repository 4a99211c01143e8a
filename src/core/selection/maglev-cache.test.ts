import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maglevTable } from './maglev.js';
import { MaglevCache } from './maglev-cache.js';

const members = (count: number, weight = 1) =>
  Array.from({ length: count }, (_, i) => ({ name: `10.0.0.${i}`, weight }));

test('MaglevCache gives the same table for the same members, weights and size', () => {
  const cache = new MaglevCache();
  const table = cache.table(members(5), 1009);
  assert.deepEqual(table, maglevTable(members(5), 1009));
  assert.equal(cache.table(members(5), 1009), table);
  cache.clear();
  assert.notEqual(cache.table(members(5), 1009), table);
});

test('MaglevCache gives another table when a name, a weight, the order or the size is another one', () => {
  const cache = new MaglevCache();
  cache.table(members(5), 1009);
  const others = [
    members(5).with(4, { name: '10.0.0.9', weight: 1 }),
    members(5).with(4, { name: '10.0.0.4', weight: 2 }),
    members(5).toReversed(),
    members(4),
  ];
  for (const other of others) assert.deepEqual(cache.table(other, 1009), maglevTable(other, 1009));
  assert.deepEqual(cache.table(members(5), 10_007), maglevTable(members(5), 10_007));
});

test('MaglevCache keeps those that were asked for last', () => {
  const cache = new MaglevCache();
  const first = cache.table(members(1), 11);
  for (let count = 2; count <= 16; count++) cache.table(members(count), 11);
  assert.equal(cache.table(members(1), 11), first, 'sixteen are kept, and this one is the latest again');
  cache.table(members(17), 11);
  assert.equal(cache.table(members(1), 11), first);
  for (let count = 18; count <= 33; count++) cache.table(members(count), 11);
  assert.notEqual(cache.table(members(1), 11), first);
});
