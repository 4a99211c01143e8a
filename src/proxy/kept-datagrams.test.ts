import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KEPT_BYTES, KEPT_LENGTH_MAX, KeptDatagrams } from './kept-datagrams.js';

/** Datagrams are received behind the ring. */
const INBOX = KEPT_BYTES;
const memory = new Uint8Array(KEPT_BYTES + 65_536 + 8);

function keep(kept: KeptDatagrams, text: string, offset = 0): { position: number; length: number } {
  const bytes = Buffer.from(text);
  memory.set(bytes, INBOX + offset);
  return { position: kept.keep(INBOX + offset, bytes.length), length: bytes.length };
}

function read(kept: KeptDatagrams, { position, length }: { position: number; length: number }): string | undefined {
  const at = kept.find(position);
  return at < 0 ? undefined : Buffer.from(memory.subarray(at, at + length)).toString();
}

test('KeptDatagrams gives back what it kept, of every length and place', () => {
  const kept = new KeptDatagrams(memory);
  const all = [0, 1, 3, 4, 5, 64, 255, 256, 257, 1000, KEPT_LENGTH_MAX].flatMap((length) =>
    [0, 1, 2].map((offset) => {
      const text = String.fromCharCode(97 + (length % 26)).repeat(length);
      return { text, entry: keep(kept, text, offset) };
    }),
  );
  for (const { text, entry } of all) assert.equal(read(kept, entry), text);
});

test('KeptDatagrams does not keep what is larger than a question', () => {
  const kept = new KeptDatagrams(memory);
  assert.equal(kept.keep(INBOX, KEPT_LENGTH_MAX + 1), -1);
  assert.equal(kept.find(-1), -1);
});

test('KeptDatagrams forgets the oldest when the ring has come round, and never gives another in its place', () => {
  const kept = new KeptDatagrams(memory);
  const entries: { text: string; entry: { position: number; length: number } }[] = [];
  const length = 4000;
  const rounds = Math.ceil((2.5 * KEPT_BYTES) / length);
  for (let i = 0; i < rounds; i++) {
    const text = `${i}:`.padEnd(length - (i % 7), '.');
    entries.push({ text, entry: keep(kept, text) });
  }
  const found = entries.map(({ text, entry }) => {
    const there = read(kept, entry);
    assert.ok(there === undefined || there === text, `${text.slice(0, 8)} became ${there?.slice(0, 8)}`);
    return there !== undefined;
  });
  const first = found.indexOf(true);
  assert.ok(found.slice(first).every(Boolean), 'what is lost is the oldest');
  const lasting = found.length - first;
  assert.ok(lasting > ((8 << 20) / length) * 0.95, `${lasting} are kept`);
});

test('KeptDatagrams leaves what it has found in place while the largest batch is kept', () => {
  const kept = new KeptDatagrams(memory);
  const text = 'the oldest that is found';
  const entry = keep(kept, text);
  const filler = '.'.repeat(1021);
  while (kept.find(entry.position) >= 0) keep(kept, filler);
  // One keep earlier it was found, and was queued to be sent after the rest of its batch: 64 slots of 64 KiB.
  for (let i = 1; i < 64 * 64; i++) keep(kept, filler);
  assert.equal(Buffer.from(memory.subarray(entry.position, entry.position + text.length)).toString(), text);
});
