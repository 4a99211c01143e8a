/** Text that is kept says the same as text that is put together anew, whatever the numbers become. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomFrom } from '../core/tables.suite.js';
import { TextDraft } from './kept-text.js';

const NAMES = ['a', 'bytes_total{server="0"} ', '\n', ''];

function draftOf(values: Float64Array): TextDraft {
  const draft = new TextDraft();
  for (let line = 0; line < values.length; line++) {
    draft.add(`${NAMES[line % NAMES.length]} `);
    draft.addNumber(values, line);
    draft.add('\n');
  }
  return draft;
}

function textOf(values: Float64Array): string {
  return draftOf(values).done().bytes.toString('latin1');
}

test('KeptText writes numbers as they are written anew', () => {
  const numbers = [0, 9, 10, 99, 100, 0.043, 2.5, 1e15, 2 ** 53 - 1, 2 ** 53, 1e21, 0.001, 4_294_967_295, -1, 7];
  for (const before of numbers) {
    for (const after of numbers) {
      const kept = draftOf(Float64Array.of(3, before, 5)).done();
      const values = Float64Array.of(3, after, 12);
      assert.equal(kept.update(values).toString('latin1'), textOf(values), `${before} becomes ${after}`);
    }
  }
});

test('KeptText follows random changes, some that move what is behind them and some that do not', () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const random = randomFrom(seed);
  const values = new Float64Array(40);
  const kept = draftOf(values).done();
  for (let round = 0; round < 500; round++) {
    const most = random(2) === 0 ? 3 : values.length;
    for (let changes = random(most); changes > 0; changes--) {
      const at = random(values.length);
      values[at] = random(2) === 0 ? random(10 ** (1 + random(9))) : (values[at] as number) + random(3) / 1000;
    }
    assert.equal(kept.update(values).toString('latin1'), textOf(values), `seed ${seed}, round ${round}`);
  }
});

test('KeptText gives the same bytes while nothing changes, and never writes to what it has given', () => {
  const values = Float64Array.of(1, 22, 3);
  const kept = draftOf(values).done();
  const first = kept.update(values);
  assert.equal(kept.update(values), first);
  const text = first.toString('latin1');
  values[1] = 33;
  assert.notEqual(kept.update(values), first);
  values[1] = 444;
  kept.update(values);
  assert.equal(first.toString('latin1'), text);
});
