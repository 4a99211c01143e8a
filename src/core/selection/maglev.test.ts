import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maglevSize, maglevTable } from './maglev.js';

const members = (count: number, weight: (n: number) => number = () => 1) =>
  Array.from({ length: count }, (_, n) => ({ name: `10.0.0.${n}:80`, weight: weight(n) }));

function shares(table: Uint16Array, count: number): number[] {
  const slots = new Array<number>(count).fill(0);
  for (const member of table) slots[member]++;
  return slots;
}

test('maglevTable gives every member its slots to within one when weights are equal', () => {
  for (const count of [1, 2, 3, 7, 100, 655]) {
    const slots = shares(maglevTable(members(count)), count);
    assert.ok(Math.max(...slots) - Math.min(...slots) <= 1, `${count} members`);
  }
});

test('maglevTable gives shares by weight, and none for weight 0', () => {
  const weights = [1, 2, 0, 5, 1000];
  const table = maglevTable(members(5, (n) => weights[n]));
  const slots = shares(table, 5);
  for (const [n, weight] of weights.entries()) {
    const want = (table.length * weight) / 1008;
    assert.ok(Math.abs(slots[n] - want) <= 1 + want / 1000, `member ${n}: ${slots[n]}, wanted ${want}`);
  }
});

test('maglevTable is empty when nobody has a weight', () => {
  assert.equal(maglevTable([]).length, 0);
  assert.equal(maglevTable(members(3, () => 0)).length, 0);
});

test('maglevTable moves about 1/n of the slots when a member leaves', () => {
  // Slots that change hands though their member stays, of 65537; pinned, so that a change of the algorithm shows.
  const pinned: [count: number, moved: number][] = [
    [2, 0],
    [5, 52],
    [20, 233],
    [100, 412],
  ];
  for (const [count, moved] of pinned) {
    const all = members(count);
    const before = maglevTable(all);
    const after = maglevTable(all.with(1, { ...all[1], weight: 0 }));
    let changed = 0;
    for (let slot = 0; slot < before.length; slot++) if (before[slot] !== 1 && before[slot] !== after[slot]) changed++;
    assert.equal(changed, moved, `${count} members`);
    assert.ok(changed < before.length * 0.03);
  }
});

test('maglevSize is one of two primes, and the smaller as long as shares stay even', () => {
  assert.deepEqual([0, 1, 655, 656, 65_536].map(maglevSize), [65_537, 65_537, 65_537, 655_373, 655_373]);
  for (const size of [65_537, 655_373]) {
    for (let divisor = 2; divisor * divisor <= size; divisor++) assert.notEqual(size % divisor, 0, `${size}`);
  }
});
