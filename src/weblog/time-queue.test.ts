import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimeQueue } from './time-queue.js';

test('`TimeQueue` gives what it holds in the order of time, and of one time in that of coming', () => {
  const queue = new TimeQueue<{ timeSec: number; name: string }>();
  for (const [timeSec, name] of [
    [5, 'a'],
    [7200, 'b'],
    [5, 'c'],
    [6, 'd'],
    [1, 'e'],
    [7200, 'f'],
  ] as const)
    queue.add({ timeSec, name });
  const takenUntil = (timeSec: number) => {
    let names = '';
    for (let one = queue.takeUntil(timeSec); one !== undefined; one = queue.takeUntil(timeSec)) names += one.name;
    return names;
  };
  assert.deepEqual([0, 5, 7000, 7200, 9000].map(takenUntil), ['', 'eac', 'd', 'bf', '']);
  assert.equal(queue.length, 0);
});
