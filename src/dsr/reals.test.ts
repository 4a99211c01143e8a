import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from './controller.suite.js';
import { defaultDimensions } from './layout.js';
import { MemoryTables } from './memory-tables.js';
import { MAX_REALS, Reals } from './reals.js';
import { Numbers } from './vips.js';

const tables = new MemoryTables({ ...defaultDimensions, flows: 16, fragments: 16 });

test('Reals gives a number again with a generation that no server has had, also after a restart', () => {
  const first = new Reals(tables);
  const gone = first.take(3, addressOf(1));
  first.drop(gone.real);
  // The next process finds nobody in the tables, but flows that speak of who is gone.
  const second = new Reals(tables, [], first.generation);
  const taken = second.take(0, addressOf(2));
  assert.equal(taken.real, gone.real);
  assert.notEqual(taken.generation, gone.generation);
});

test('Reals gives away what another process had numbered only when there is nothing else', () => {
  const adopted = Array.from({ length: MAX_REALS - 10 }, (_, i) => ({
    real: i + 1,
    generation: i + 1,
    vip: 0,
    address: addressOf(i),
  }));
  const reals = new Reals(tables, adopted, MAX_REALS);
  assert.equal(reals.left, MAX_REALS);
  const given = new Set<number>();
  for (let n = 0; n < 10; n++) given.add(reals.take(1, addressOf(n)).real);
  assert.ok([...given].every((real) => real > MAX_REALS - 10));
  assert.deepEqual(reals.take(0, addressOf(5)), { real: 6, generation: 6 }, 'it is still known');
  for (let n = 0; n < MAX_REALS - 11; n++) given.add(reals.take(2, addressOf(n)).real);
  assert.equal(given.size, MAX_REALS - 1);
  assert.ok(!given.has(6));
  assert.equal(reals.left, 0);
  assert.throws(() => reals.take(2, addressOf(1)), /cannot have more than 65533 servers/);
});

test('Numbers gives away what another process had numbered only when there is nothing else', () => {
  const numbers = new Numbers(
    0,
    new Map([
      ['a', 0],
      ['b', 2],
    ]),
    4,
  );
  assert.deepEqual([numbers.take('x'), numbers.take('y')], [1, 3]);
  assert.equal(numbers.take('b'), 2);
  assert.equal(numbers.take('z'), 0, 'nobody has asked for a');
  assert.throws(() => numbers.take('a'), /no number for 'a'/);
  numbers.release(3);
  assert.equal(numbers.take('a'), 3);
});
