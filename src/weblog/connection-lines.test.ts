import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConnectionLines } from './connection-lines.js';
import { FileSink } from './file-sink.js';
import { LogRing } from './log-ring.js';
import { BEGAN, headOf, KIND, SERVER, TEXT_BYTES, wordsOf } from './record.js';

test('`ConnectionLines` tells once of losses while it is stuck with a pipe that is not read', {
  skip: process.platform === 'win32' && 'no pipes that have names',
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pen-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const pipe = join(folder, 'pipe');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  const said: string[] = [];
  const memory = LogRing.allocate(new SharedArrayBuffer(4), 1 << 16);
  const lines = new ConnectionLines(await FileSink.open(pipe), {
    rings: [memory],
    format: 'pen',
    serverPath: () => '-',
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    warn: (line) => said.push(line),
  });

  t.after(async () => {
    // A pipe that nobody has open any more takes nothing, and so lets go.
    closeSync(reader);
    await lines.close();
  });

  const ring = new LogRing(memory);
  let refused = 0;
  for (let i = 0; i < 8_000; i++) {
    if (!tell(ring)) refused++;
    // Slowly, so that nothing is lost before the pipe and both batches are full.
    if (i % 100 === 0) await sleep(10);
  }
  assert.ok(refused > 0);
  for (let waits = 0; lines.lost < refused && waits < 100; waits++) await sleep(50);

  assert.deepEqual(said, [`lines for log file '${pipe}' are being lost: they come faster than they can be written`]);
  assert.equal(lines.lost, refused);
});

/** A request; false if there was no room. */
function tell(ring: LogRing): boolean {
  const length = wordsOf(KIND.request, TEXT_BYTES);
  const at = ring.claim(length);
  if (at < 0) return false;
  ring.words[at] = headOf(length, KIND.request, 0, TEXT_BYTES, 0);
  ring.words[at + SERVER] = -1;
  ring.doubles[(at + BEGAN) >> 1] = performance.now();
  ring.publish();
  return true;
}
