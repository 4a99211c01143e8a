import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomNumbers } from './fixtures/random.js';
import { PageRanges } from './page-ranges.js';

test('`take` gives the first run that is free and never page 0', () => {
  const ranges = new PageRanges(10);
  assert.equal(ranges.take(3), 1);
  assert.equal(ranges.take(2), 4);
  assert.equal(ranges.take(4), 6);
  assert.equal(ranges.take(1), undefined);
  ranges.release(4, 2);
  assert.equal(ranges.take(3), undefined);
  ranges.release(1, 3);
  assert.equal(ranges.take(5), 1, 'gaps that touch are one');
});

test('`take` and `release` in any order give no page twice and lose none', () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
  const next = randomNumbers(seed);
  const pages = 500;
  const ranges = new PageRanges(pages);
  const owners = new Uint32Array(pages);
  const taken: [first: number, pages: number][] = [];
  const mark = (first: number, count: number, from: number, to: number) => {
    for (let page = first; page < first + count; page++) {
      assert.equal(owners[page], from, `seed ${seed}, page ${page}`);
      owners[page] = to;
    }
  };
  for (let turn = 1; turn < 5_000; turn++) {
    const count = (next() % 40) + 1;
    const first = next() % 3 === 0 ? undefined : ranges.take(count);
    if (first !== undefined) {
      mark(first, count, 0, turn);
      taken.push([first, count]);
    } else if (taken.length > 0) {
      const [at, held] = taken.splice(next() % taken.length, 1)[0];
      mark(at, held, owners[at], 0);
      ranges.release(at, held);
    }
  }
  for (const [first, count] of taken) ranges.release(first, count);
  assert.equal(ranges.take(pages - 1), 1, `seed ${seed}: all of it is one gap again`);
});

test('`makeRoom` moves runs until gaps that lie apart are one', () => {
  const ranges = new PageRanges(2048);
  const taken = new Map(Array.from({ length: 1500 }, (_, n) => [n, { n, first: ranges.take(1) ?? -1, pages: 1 }]));
  for (let n = 0; n < 1500; n += 2) {
    ranges.release(taken.get(n)?.first ?? -1, 1);
    taken.delete(n);
  }
  assert.equal(ranges.take(641), undefined, 'half of it is free, here and there');
  const first = ranges.makeRoom(641, taken.values(), ({ n }, to) => void taken.set(n, { n, first: to, pages: 1 }));
  assert.ok(first !== undefined);
  const used = new Set([...taken.values()].map((run) => run.first));
  assert.equal(used.size, 750, 'nobody has a page of another');
  for (let page = first; page < first + 641; page++) assert.ok(!used.has(page));
  assert.equal(
    ranges.makeRoom(2048, taken.values(), () => {}),
    undefined,
  );
});

test('`makeRoom` finds room beside wide runs with narrow gaps between them', () => {
  const ranges = new PageRanges(2048);
  const gaps = Array.from({ length: 12 }, () => [ranges.take(64) ?? -1, ranges.take(65) ?? -1] as const);
  for (const [gap] of gaps) ranges.release(gap, 64);
  const runs = gaps.map(([, first]) => ({ first, pages: 65 }));
  assert.equal(ranges.take(641), undefined);
  assert.ok(ranges.makeRoom(641, runs, () => {}) !== undefined);
});
