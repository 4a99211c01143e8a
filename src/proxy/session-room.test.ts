import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SessionRoom } from './session-room.js';

test('SessionRoom leaves a margin of an eighth, 64 at least, and never gives up more than half', () => {
  const rows: [number, number][] = [
    [1, 1],
    [2, 1],
    [3, 2],
    [100, 50],
    [128, 64],
    [200, 136],
    [512, 448],
    [8000, 7000],
  ];
  for (const [sessions, room] of rows) {
    const space = new SessionRoom();
    assert.equal(space.at(1000), Infinity);
    space.hasRunOut(sessions, 1000);
    assert.equal(space.at(1000), room, `${sessions} sessions`);
  }
});

test('SessionRoom believes what it has learnt for a minute, and learns less only when what was given up is free', () => {
  const space = new SessionRoom();
  space.hasRunOut(8000, 1000);
  space.hasRunOut(800, 1099);
  assert.equal(space.at(1099), 7000);
  space.hasRunOut(800, 1100);
  assert.equal(space.at(1100), 700);
  assert.equal(space.at(61_100), 700);
  assert.equal(space.at(61_101), Infinity);
});
