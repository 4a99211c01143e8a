import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STAGE_SIZE, setAnswers } from './fixtures/stage.js';
import { ANSWER_WINDOW_BITS, flowKey, flowValue, fragmentKey, fragmentValue } from './layout.js';
import { MemoryTables } from './memory-tables.js';
import { PathState } from './path-state.js';
import { StructMemory } from './struct-memory.js';

test('takeAnswer gives so many a window when more are wanted', () => {
  let nowMs = 0;
  const tables = new MemoryTables(STAGE_SIZE, undefined, { nowMs: () => nowMs });
  const taken = () => Array.from({ length: 5 }, () => tables.takeAnswer());
  assert.deepEqual(taken(), [false, false, false, false, false], 'none before it is said how many');
  setAnswers(tables, 3);
  assert.deepEqual(taken(), [true, true, true, false, false]);
  nowMs = 2 ** ANSWER_WINDOW_BITS / 1e6 - 1;
  assert.deepEqual(taken(), [false, false, false, false, false]);
  nowMs += 2;
  assert.deepEqual(taken(), [true, true, true, false, false]);
});

test('MemoryTables finds the flows and fragments of other threads, its own first, and leaves them there', () => {
  const memories = [0, 1, 2].map(() => PathState.allocate(STAGE_SIZE));
  const [one, other, third] = memories.map(
    (memory) => new MemoryTables(STAGE_SIZE, memory, { others: memories.filter((all) => all !== memory) }),
  );
  const record = (bytes: number, n: number) => {
    const made = new StructMemory(bytes);
    made.words.fill(n);
    return made;
  };
  const flow = record(flowKey.bytes, 5);
  const fragment = record(fragmentKey.bytes, 6);
  const found = (tables: MemoryTables) => {
    const [flowIs, fragmentIs] = [record(flowValue.bytes, 0), record(fragmentValue.bytes, 0)];
    return [
      tables.findFlow(flow, flowIs) && flowIs.words[0],
      tables.findFragment(fragment, fragmentIs) && fragmentIs.words[0],
    ];
  };
  assert.deepEqual(found(one), [false, false]);
  other.putFlow(flow, record(flowValue.bytes, 1));
  third.putFragment(fragment, record(fragmentValue.bytes, 2));
  for (const tables of [one, other, third]) assert.deepEqual(found(tables), [1, 2]);
  one.putFlow(flow, record(flowValue.bytes, 3));
  assert.deepEqual(
    [found(one), found(other)],
    [
      [3, 2],
      [1, 2],
    ],
  );
});
