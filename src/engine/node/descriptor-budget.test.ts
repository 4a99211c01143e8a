import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DescriptorBudget } from './descriptor-budget.js';

test('DescriptorBudget grants no more than the process may still open', { skip: process.platform !== 'linux' }, () => {
  const limit = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]);
  const left = limit - readdirSync('/proc/self/fd').length;
  const budget = new DescriptorBudget();
  assert.ok(budget.hasRoom(2));
  assert.ok(!budget.hasRoom(left + 10));
  assert.ok(budget.hasRoom(2), 'a refusal costs nothing');
});
