import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { LogRing } from './log-ring.js';
import { headOf, KIND, lengthIn, wordsOf } from './record.js';
import { Wake } from './wake.js';

const SERIAL = 13;

function fresh(words: number) {
  const memory = LogRing.allocate(new SharedArrayBuffer(4), words);
  return { memory, writer: new LogRing(memory), reader: new LogRing(memory) };
}

/** Writes a record of `words` words that carries a number; false if there is no room. */
function write(ring: LogRing, words: number, serial: number): boolean {
  const at = ring.claim(words);
  if (at < 0) return false;
  ring.words[at] = headOf(words, KIND.request, 0, 0, 0);
  ring.words[at + SERIAL] = serial;
  ring.publish();
  return true;
}

function readAll(ring: LogRing): number[] {
  const serials: number[] = [];
  for (let at = ring.peek(); at >= 0; at = ring.peek()) {
    serials.push(ring.words[at + SERIAL]);
    ring.next();
  }
  ring.commit();
  return serials;
}

test('`LogRing` gives records in order, across its end, whatever their lengths', () => {
  const { writer, reader } = fresh(128);
  let serial = 0;
  const got: number[] = [];
  for (let round = 0; round < 500; round++) {
    for (let i = 0; i <= round % 3; i++) assert.ok(write(writer, 14 + 2 * ((round + i) % 9), serial++));
    got.push(...readAll(reader));
  }
  assert.deepEqual(
    got,
    Array.from({ length: serial }, (_, i) => i),
  );
  assert.equal(reader.lost, 0);
});

test('`LogRing.claim` counts what finds no room, and the ring goes on when there is some again', () => {
  const { writer, reader } = fresh(64);
  const taken = Array.from({ length: 10 }, (_, serial) => write(writer, 14, serial));
  assert.deepEqual(taken, [true, true, true, true, false, false, false, false, false, false]);
  assert.equal(reader.lost, 6);
  assert.deepEqual(readAll(reader), [0, 1, 2, 3]);
  assert.ok(write(writer, 14, 99));
  assert.deepEqual(readAll(reader), [99]);
});

test('a `LogRing` made anew by the writer goes on where the one before was', () => {
  const { memory, writer, reader } = fresh(64);
  write(writer, 14, 1);
  write(new LogRing(memory), 14, 2);
  assert.deepEqual(readAll(reader), [1, 2]);
});

test('`LogRing` positions survive the wrap of 2^32', () => {
  const memory = LogRing.allocate(new SharedArrayBuffer(4), 64);
  new Int32Array(memory.positions).fill(-28, 0, 2);
  const [writer, reader] = [new LogRing(memory), new LogRing(memory)];
  for (let serial = 0; serial < 6; serial++) {
    assert.ok(write(writer, 14, serial));
    assert.deepEqual(readAll(reader), [serial]);
  }
});

test('`wordsOf` is even and holds the text', () => {
  for (const kind of Object.values(KIND)) {
    for (let length = 0; length <= 100; length++) {
      const words = wordsOf(kind, length);
      assert.equal(words % 2, 0);
      assert.equal(lengthIn(headOf(words, kind, 15, length, 255)), words);
    }
  }
});

test('`Wake.sleep` ends when another thread publishes, and every record of it arrives whole', async (t) => {
  const total = 20_000;
  const memory = LogRing.allocate(new SharedArrayBuffer(4), 1 << 12);
  const reader = new LogRing(memory);
  const wake = new Wake(memory.wake);
  const worker = new Worker(new URL('./log-ring.suite.worker.js', import.meta.url), { workerData: { memory, total } });
  t.after(() => worker.terminate());
  const failed = once(worker, 'error').then(([error]) => Promise.reject(error));
  const got: number[] = [];
  while (got.length < total) {
    const sleeping = wake.sleep();
    const serials = readAll(reader);
    got.push(...serials);
    if (serials.length === 0) await Promise.race([sleeping, failed]);
  }
  assert.deepEqual(
    got,
    Array.from({ length: total }, (_, i) => i),
  );
});
