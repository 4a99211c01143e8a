import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STAGE_SIZE, setAnswers } from './fixtures/stage.js';
import { ANSWER_WINDOW_BITS } from './layout.js';
import { MemoryTables } from './memory-tables.js';

test('takeAnswer gives so many a window when more are wanted', () => {
  let nowMs = 0;
  const tables = new MemoryTables(STAGE_SIZE, undefined, () => nowMs);
  const taken = () => Array.from({ length: 5 }, () => tables.takeAnswer());
  assert.deepEqual(taken(), [false, false, false, false, false], 'none before it is said how many');
  setAnswers(tables, 3);
  assert.deepEqual(taken(), [true, true, true, false, false]);
  nowMs = 2 ** ANSWER_WINDOW_BITS / 1e6 - 1;
  assert.deepEqual(taken(), [false, false, false, false, false]);
  nowMs += 2;
  assert.deepEqual(taken(), [true, true, true, false, false]);
});
