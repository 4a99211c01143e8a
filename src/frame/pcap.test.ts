import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPcap, writePcap } from './pcap.js';

const frames = [
  { seconds: 1_700_000_000.000001, frame: Uint8Array.from([1, 2, 3]) },
  { seconds: 1_700_000_000.999999, frame: new Uint8Array(60).fill(7) },
];

test('readPcap reads what writePcap writes', () => {
  const got = readPcap(writePcap(frames));
  assert.deepEqual(
    got.map(({ frame }) => [...frame]),
    frames.map(({ frame }) => [...frame]),
  );
  for (const [i, { seconds }] of got.entries()) assert.ok(Math.abs(seconds - frames[i].seconds) < 1e-6);
});

test('readPcap takes the other byte order, and nanoseconds', () => {
  const file = new Uint8Array(24 + 16 + 2);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0xa1b23c4d);
  view.setUint32(20, 1);
  view.setUint32(24, 5);
  view.setUint32(28, 500_000_000);
  view.setUint32(32, 2);
  view.setUint32(36, 2);
  assert.deepEqual(readPcap(file), [{ seconds: 5.5, frame: new Uint8Array(2) }]);
});

test('readPcap says what is wrong with a file', () => {
  const good = writePcap(frames);
  const wireless = good.slice();
  wireless[20] = 105;
  assert.throws(() => readPcap(new Uint8Array(0)), /0 bytes are no header/);
  assert.throws(() => readPcap(new Uint8Array(24)), /begins otherwise/);
  assert.throws(() => readPcap(wireless), /link type 105/);
  assert.throws(() => readPcap(good.slice(0, good.length - 1)), /ends inside the record at byte 43/);
  assert.throws(() => readPcap(good.slice(0, 30)), /ends inside the record at byte 24/);
});
