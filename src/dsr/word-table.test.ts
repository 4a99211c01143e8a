import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { randomNumbers } from './fixtures/random.js';
import { WordTable } from './word-table.js';
import { fillRow, type WriterStart } from './word-table.suite.worker.js';

const key = (n: number) => Int32Array.from([7, n]);
const layout = { keyBytes: 8, valueBytes: 8, maxEntries: 4 };

function read(table: WordTable, n: number): number | undefined {
  const value = new Int32Array(2);
  return table.find(key(n), value) ? value[0] : undefined;
}

test('WordTable forgets what was not asked for', () => {
  const table = new WordTable(layout, true);
  for (const n of [1, 2, 3, 4]) table.put(key(n), Int32Array.from([n, 0]));
  assert.equal(read(table, 1), 1);
  table.put(key(5), Int32Array.from([5, 0]));
  assert.deepEqual(
    [1, 2, 3, 4, 5].map((n) => read(table, n)),
    [1, undefined, 3, 4, 5],
  );
  assert.equal(table.size, 4);
});

test('WordTable without eviction is full when it is full', () => {
  const table = new WordTable(layout, false);
  for (const n of [1, 2, 3, 4]) assert.equal(table.put(key(n), Int32Array.from([n, 0])), true);
  assert.equal(table.put(key(5), Int32Array.from([5, 0])), false);
  assert.equal(table.put(key(4), Int32Array.from([9, 0])), true, 'an entry that is there is written over');
  assert.equal(table.delete(key(1)), true);
  assert.equal(table.delete(key(1)), false);
  assert.equal(table.put(key(5), Int32Array.from([5, 0])), true);
  assert.deepEqual(
    [1, 4, 5].map((n) => read(table, n)),
    [undefined, 9, 5],
  );
});

test('WordTable has each key as it was put last, or, if others came since, not at all', () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
  const next = randomNumbers(seed);
  const shape = { ...layout, maxEntries: 50 };
  const table = new WordTable(shape, true, WordTable.allocate(shape, next));
  const model = new Map<number, number>();
  for (let i = 0; i < 100_000; i++) {
    const n = next() % 80;
    switch (next() % 3) {
      case 0: {
        const isNew = !model.has(n);
        table.put(key(n), Int32Array.from([i, 0]));
        model.set(n, i);
        // One went if there was no room, and it is not the new one.
        const gone = [...model.keys()].filter((one) => !table.peek(key(one), new Int32Array(2)));
        assert.equal(gone.length, isNew && model.size === 51 ? 1 : 0, `seed ${seed}, call ${i}`);
        for (const one of gone) model.delete(one);
        assert.ok(model.has(n), `seed ${seed}, call ${i}`);
        break;
      }
      case 1:
        assert.equal(read(table, n), model.get(n), `seed ${seed}, call ${i}`);
        break;
      default:
        assert.equal(table.delete(key(n)), model.delete(n), `seed ${seed}, call ${i}`);
    }
    assert.equal(table.size, model.size);
  }
});

test('WordTable keeps what is asked for now and then while strangers come that are never asked for', () => {
  const table = new WordTable({ ...layout, maxEntries: 100 }, true);
  const inUse = Array.from({ length: 50 }, (_, n) => n);
  for (const n of inUse) table.put(key(n), Int32Array.from([n, 0]));
  for (let stranger = 1000; stranger < 11_000; stranger++) {
    table.put(key(stranger), Int32Array.from([stranger, 0]));
    // Each once in 50: more often than the hand comes round, which takes 50 strangers.
    assert.equal(read(table, stranger % 50), stranger % 50);
  }
  assert.deepEqual(
    inUse.filter((n) => read(table, n) !== n),
    [],
  );
});

test('WordTable finds room for a new key though all others are in use', () => {
  const table = new WordTable({ ...layout, maxEntries: 3000 }, true);
  const all = Array.from({ length: 3000 }, (_, n) => n);
  for (const n of all) table.put(key(n), Int32Array.from([n, 0]));
  for (let stranger = 3000; stranger < 3010; stranger++) {
    for (const n of all) read(table, n);
    assert.equal(table.put(key(stranger), Int32Array.from([stranger, 0])), true);
    assert.equal(read(table, stranger), stranger);
    assert.equal(table.size, 3000);
  }
});

test('WordTable keeps its chains short for keys that a client chose against the hash of another table', () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
  const next = randomNumbers(seed);
  const shape = { keyBytes: 16, valueBytes: 8, maxEntries: 4096 };
  const [known, own] = [next, next].map((random) => new WordTable(shape, true, WordTable.allocate(shape, random)));
  // What a search finds that knows the hash; and 64 keys a bucket under every seed of one that multiplies whole words.
  const searched = Array.from({ length: 4096 * 64 }, () => Int32Array.from([next(), next(), 7, next()]));
  const crowded = searched.filter((one) => known.bucketOf(one) === known.bucketOf(searched[0]));
  const upperBits = Array.from({ length: 4096 }, (_, i) => {
    const second = (i >>> 6) << 26;
    return Int32Array.from([(i & 63) << 26, second ^ (second >>> 15), 7, 9]);
  });
  for (const keys of [crowded, upperBits]) {
    const buckets = new Map<number, number>();
    for (const one of keys) buckets.set(own.bucketOf(one), (buckets.get(own.bucketOf(one)) ?? 0) + 1);
    // Two of n keys meet with a chance of 2^-12 here, so few buckets have more than one.
    const meetings = [...buckets.values()].reduce((sum, n) => sum + (n * (n - 1)) / 2, 0);
    const expected = (keys.length * (keys.length - 1)) / 2 / 4096;
    assert.ok(
      meetings < 20 * expected + 20,
      `seed ${seed}: ${meetings} meetings of ${keys.length} keys, ${expected} expected`,
    );
  }
});

test('WordTable finds what another one over its memory has put', () => {
  const memory = WordTable.allocate(layout, randomNumbers(1));
  const table = new WordTable(layout, true, memory);
  table.put(key(1), Int32Array.from([11, 0]));
  const value = new Int32Array(2);
  assert.equal(new WordTable(layout, true, memory).peek(key(1), value), true);
  assert.equal(value[0], 11);
});

test('WordTable.peek finds the value of its key or nothing, while another thread writes', async () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
  const shape = { keyBytes: 24, valueBytes: 16, maxEntries: 16 };
  const keys = 40;
  const memory = WordTable.allocate(shape, randomNumbers(seed));
  const stop = new SharedArrayBuffer(4);
  const workerData: WriterStart = { shape, memory, keys, seed, stop };
  const worker = new Worker(new URL('./word-table.suite.worker.js', import.meta.url), { workerData });
  const ended = once(worker, 'exit');
  try {
    await once(worker, 'message');
    const table = new WordTable(shape, true, memory);
    const [key, value, expected] = [new Int32Array(6), new Int32Array(4), new Int32Array(4)];
    let found = 0;
    for (let i = 0; i < 3_000_000; i++) {
      if (!table.peek(fillRow(i % keys, key), value)) continue;
      found++;
      fillRow(i % keys, expected);
      if (value.some((word, at) => word !== expected[at]))
        assert.fail(`seed ${seed}: of ${i % keys} it found ${value}, not ${expected}`);
    }
    assert.ok(found > 0);
  } finally {
    Atomics.store(new Int32Array(stop), 0, 1);
    await ended;
  }
});
