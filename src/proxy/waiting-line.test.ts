import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaitingLine } from './waiting-line.js';

test('WaitingLine serves first come, first served, whatever comes and goes', () => {
  const line = new WaitingLine();
  const model: number[] = [];
  let seed = 7;
  for (let i = 0; i < 10_000; i++) {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    if (model.length === 0 || seed % 5 < 3) {
      line.push(i);
      model.push(i);
    } else {
      assert.equal(line.first, model.shift());
      line.leave();
    }
    assert.equal(line.length, model.length);
  }
});
