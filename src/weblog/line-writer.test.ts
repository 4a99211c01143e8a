import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FileSink } from './file-sink.js';
import { LineWriter } from './line-writer.js';

function stage(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'pen-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const said: string[] = [];
  const clock = { ms: 0 };
  const options = { warn: (line: string) => said.push(line), monotonicMs: () => clock.ms };
  return { folder, said, clock, options };
}

function put(writer: LineWriter, line: string): void {
  writer.buffer.put(line);
  writer.buffer.endLine();
}

test('`LineWriter.reopen` puts every line into the old file or the new one, 100 times over', async (t) => {
  const { folder, options, said } = stage(t);
  const path = join(folder, 'log');
  const writer = new LineWriter(await FileSink.open(path), options);
  let serial = 0;
  for (let turn = 0; turn < 100; turn++) {
    for (let i = 0; i < 7; i++) put(writer, `${serial++}`);
    // Not awaited: the batch is under way when the file is renamed and opened anew.
    void writer.flush();
    for (let i = 0; i < 3; i++) put(writer, `${serial++}`);
    renameSync(path, join(folder, `log.${turn}`));
    await writer.reopen();
    await writer.flush();
  }
  await writer.close();
  const files = [...Array(100).keys()].map((turn) => join(folder, `log.${turn}`));
  const lines = [...files, path].flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(0, -1));
  assert.deepEqual(
    lines,
    Array.from({ length: serial }, (_, i) => String(i)),
  );
  assert.deepEqual(said, []);
});

test('`LineWriter` loses lines on a full disk, says so once, and once when it works again', {
  skip: !existsSync('/dev/full') && 'no /dev/full on this system',
}, async (t) => {
  const { folder, options, said, clock } = stage(t);
  const writer = new LineWriter(await FileSink.open('/dev/full'), options);
  for (let i = 0; i < 5; i++) {
    put(writer, 'a');
    put(writer, 'b');
    await writer.flush();
  }
  assert.deepEqual(said, ["lines for log file '/dev/full' are being lost: ENOSPC"]);
  assert.equal(writer.lost, 10);
  const path = join(folder, 'log');
  await writer.change(await FileSink.open(path));
  clock.ms = 60_000;
  put(writer, 'c');
  await writer.flush();
  await writer.close();
  assert.equal(readFileSync(path, 'utf8'), 'c\n');
  assert.equal(writer.lost, 10);
});

test('`LineWriter` tells of the end of a loss only after a while without any', async (t) => {
  const { options, said, clock } = stage(t);
  const results = ['ECONNREFUSED', undefined, 'ECONNREFUSED', undefined, undefined, 'ENOBUFS', 'ENOBUFS'];
  const writer = new LineWriter(
    {
      name: 'penlogd at 192.0.2.1:1',
      isPenlogd: true,
      delayMs: 0,
      write: async () => {
        const cause = results.shift();
        return { lost: cause === undefined ? 0 : 1, cause };
      },
      reopen: async () => {},
      close: async () => {},
    },
    options,
  );
  for (const ms of [0, 1000, 2000, 11_000, 12_001, 12_002, 30_000]) {
    clock.ms = ms;
    put(writer, 'x');
    await writer.flush();
  }
  assert.deepEqual(said, [
    'lines for penlogd at 192.0.2.1:1 are being lost: ECONNREFUSED',
    'penlogd at 192.0.2.1:1 works again, 2 lines were lost',
    'lines for penlogd at 192.0.2.1:1 are being lost: ENOBUFS',
    'penlogd at 192.0.2.1:1 works again, 1 lines were lost',
    'lines for penlogd at 192.0.2.1:1 are being lost: ENOBUFS',
  ]);
});

test('`LineWriter.reopen` goes on with the old file when the new one cannot be opened', async (t) => {
  const { folder, options, said } = stage(t);
  const inner = mkdtempSync(join(folder, 'inner-'));
  const path = join(inner, 'log');
  const writer = new LineWriter(await FileSink.open(path), options);
  renameSync(inner, join(folder, 'moved'));
  await writer.reopen();
  put(writer, 'still here');
  await writer.close();
  assert.equal(readFileSync(join(folder, 'moved', 'log'), 'utf8'), 'still here\n');
  assert.equal(said.length, 1);
  assert.match(said[0], /^log file '.*' goes on where it was: ENOENT/);
});

test('`FileSink.open` refuses a pipe that nobody reads, instead of waiting', {
  skip: process.platform === 'win32' && 'no named pipes in files',
}, async (t) => {
  const { folder } = stage(t);
  const { spawnSync } = await import('node:child_process');
  spawnSync('mkfifo', [join(folder, 'pipe')]);
  await assert.rejects(FileSink.open(join(folder, 'pipe')), { code: 'ENXIO' });
});

test('`LineWriter` answers within a second or two when a pipe is not read, and goes on elsewhere', {
  skip: process.platform === 'win32' && 'no pipes that have names',
}, async (t) => {
  const { folder, options, said } = stage(t);
  const pipe = join(folder, 'pipe');
  assert.equal(spawnSync('mkfifo', [pipe]).status, 0);
  const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
  t.after(() => closeSync(reader));
  const writer = new LineWriter(await FileSink.open(pipe), options);
  while (writer.buffer.hasRoom()) put(writer, 'x'.repeat(99));
  const { lines } = writer.buffer;
  void writer.flush();
  put(writer, 'after it');

  await writer.reopen();
  assert.deepEqual(said, [`log file '${pipe}' is not opened anew yet: its reader is slow`]);
  const path = join(folder, 'log');
  assert.equal(await writer.change(await FileSink.open(path)), false);
  put(writer, 'elsewhere');
  await writer.flush();
  await writer.close();

  assert.equal(readFileSync(path, 'latin1'), 'elsewhere\n');
  assert.equal(writer.lost, lines + 1);
});
