import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestTable } from './request-table.js';
import { RequestWindow } from './request-window.js';

test('`RequestTable` gives clients in the order in which they asked, each once', () => {
  const table = new RequestTable(10);
  table.add('a', 'first');
  table.add('b', 'other');
  table.add('a', 'second');
  assert.deepEqual(
    [table.take('a'), table.take('a'), table.take('a'), table.taken('a')],
    ['first', 'second', undefined, 'second'],
  );
  assert.equal(table.take('b'), 'other');
  assert.equal(table.taken('c'), undefined);
});

test('`RequestTable` forgets the oldest when it is full, taken or not', () => {
  const table = new RequestTable(3);
  for (const [key, client] of [
    ['a', '1'],
    ['a', '2'],
    ['b', '3'],
    ['a', '4'],
  ])
    table.add(key, client);
  assert.deepEqual([table.take('a'), table.take('a'), table.take('a'), table.take('b')], ['2', '4', undefined, '3']);
  for (let i = 0; i < 3; i++) table.add('c', String(i));
  assert.equal(table.taken('a'), undefined);
});

/** The same by the book: a list, searched from its beginning. */
class SlowTable {
  readonly #capacity: number;
  #entries: { key: string; client: string; isTaken: boolean; turn: number }[] = [];
  #turn = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  add(key: string, client: string): void {
    this.#entries.push({ key, client, isTaken: false, turn: 0 });
    if (this.#entries.length > this.#capacity) this.#entries.shift();
  }

  take(key: string): string | undefined {
    const found = this.#entries.find((entry) => entry.key === key && !entry.isTaken);
    if (found) {
      found.isTaken = true;
      found.turn = ++this.#turn;
    }
    return found?.client;
  }
}

test('`RequestTable` does as a plain list does, whatever comes', () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? 7);
  let state = seed;
  const pick = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (const capacity of [1, 2, 7, 50]) {
    const [table, slow] = [new RequestTable(capacity), new SlowTable(capacity)];
    for (let step = 0; step < 5000; step++) {
      const key = String(pick(6));
      if (pick(2) === 0) {
        table.add(key, String(step));
        slow.add(key, String(step));
      } else assert.equal(table.take(key), slow.take(key), `seed ${seed}, capacity ${capacity}, step ${step}`);
    }
  }
});

test('`RequestWindow` forgets what is older, also of what has been taken', () => {
  const window = new RequestWindow(10);
  for (let second = 0; second < 5000; second++) {
    window.add('a', `a${second}`, second);
    window.add(`k${second}`, 'x', second);
    window.forgetBefore(second - 10);
    if (second % 2 === 0) assert.match(window.take('a') ?? '', /^a\d+$/);
  }
  assert.equal(window.size, 22);
  assert.equal(window.take('k0'), undefined);
  assert.equal(window.take('k4999'), 'x');
  assert.equal(window.take('k4999'), 'x');
  window.forgetBefore(6000);
  assert.equal(window.take('k4999'), undefined);
  assert.equal(window.take('a'), undefined);
});
