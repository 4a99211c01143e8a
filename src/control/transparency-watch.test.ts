import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TRANSPARENCY, Transparency } from '../proxy/transparency.js';
import { TransparencyWatch } from './transparency-watch.js';

test('TransparencyWatch tells each kind at once, then once a minute with what has come up since', () => {
  const { counters } = new Transparency(Transparency.allocate());
  const lines: string[] = [];
  const watch = new TransparencyWatch(counters, (level, line) => lines.push(`${level} ${line}`));
  const told = (nowMs: number): string[] => {
    watch.look(nowMs);
    return lines.splice(0).map((line) => line.split(' ').slice(0, 5).join(' '));
  };

  assert.deepEqual(told(0), []);
  counters.add(TRANSPARENCY.own, 1);
  assert.deepEqual(told(1000), ['0 transparent: 1 connection made']);
  counters.add(TRANSPARENCY.own, 40);
  counters.add(TRANSPARENCY.refused, 2);
  counters.add(TRANSPARENCY.otherPort, 3);
  assert.deepEqual(told(2000), ['0 transparent: 2 connections not', '1 transparent: 3 connections made']);
  assert.deepEqual(told(60_999), []);
  assert.deepEqual(told(61_000), ['0 transparent: 40 connections made']);
  assert.deepEqual(told(999_999), []);
  counters.add(TRANSPARENCY.noPort, 1);
  counters.add(TRANSPARENCY.unanswered, 1);
  assert.deepEqual(told(999_999), ['0 transparent: 1 connection not', '0 transparent: 1 connection not']);
});
