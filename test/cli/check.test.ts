/** `pen --check`, `--help`, `--version`: look, start nothing. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tcpBackend } from '../support/backend.js';
import { run } from '../support/process.js';
import { scratch } from '../support/scratch.js';

test('pen --check accepts a good file and starts nothing', async (t) => {
  const folder = scratch(t);
  const file = join(folder, 'pen.cfg');
  writeFileSync(file, '# two servers\nserver 1 address 127.0.0.1 port 8001\nblacklist 5\nno hash\n');
  const { address: busy } = await tcpBackend(t);

  const args = ['-F', file, '-C', join(folder, 'ctl'), '-p', join(folder, 'pid'), '--check', busy, '127.0.0.1:8000'];
  const outcome = await run('pen', args);

  assert.deepEqual(outcome, { status: 0, signal: null, stdout: 'good: 2 servers\n', stderr: '' });
  assert.deepEqual(readdirSync(folder), ['pen.cfg']);
});

test('pen --check names file and line of an error and exits 1', async (t) => {
  const file = join(scratch(t), 'pen.cfg');
  writeFileSync(file, 'blacklist 5\n\nserver x address 127.0.0.1\n');
  const outcome = await run('pen', ['-F', file, '--check', '80', '127.0.0.1:1']);
  assert.equal(outcome.status, 1);
  assert.match(outcome.stderr, /^pen: [^\n]*pen\.cfg:3: [^\n]*'x'[^\n]*\n$/);
  assert.equal(outcome.stdout, '');
});

test('pen, with --check and without, tells the first 20 problems of a file and how many more there are', async (t) => {
  const file = join(scratch(t), 'pen.cfg');
  const wrong = (lines: number) => writeFileSync(file, 'server 0 max x\n'.repeat(lines));
  const problem = (line: number) => `pen: ${file}:${line}: server: expected a number from 0 to 2147483647, got 'x'\n`;
  const first = Array.from({ length: 20 }, (_, i) => problem(i + 1)).join('');
  for (const [lines, told] of [
    [2, problem(1) + problem(2)],
    [20, first],
    [23, `${first}pen: and 3 more\n`],
    [5000, `${first}pen: and at least 80 more\n`],
  ] as const) {
    wrong(lines);
    for (const how of ['--check', '-f']) {
      const outcome = await run('pen', ['-F', file, how, '127.0.0.1:0', '127.0.0.1:1']);
      assert.deepEqual(outcome, { status: 1, signal: null, stdout: '', stderr: told }, `${lines} ${how}`);
    }
  }
});

test('pen --check with a wrong command line exits 2', async () => {
  const outcome = await run('pen', ['--check', '80', '127.0.0.1:99999']);
  assert.equal(outcome.status, 2);
});

test('pen --check counts no server that can take no connection', async () => {
  const none = await run('pen', ['--check', '80', '127.0.0.1:0', '0.0.0.0:81', '-e', '127.0.0.1:0']);
  assert.equal(none.status, 2);
  assert.match(none.stderr, /^pen: no servers \(/);
  const one = await run('pen', ['--check', '80', '127.0.0.1:0', '127.0.0.1:81']);
  assert.equal(one.stdout, 'good: 1 servers\n');
});

test('pen --help and --version answer on standard output with status 0', async () => {
  const help = await run('pen', ['--help']);
  assert.equal(help.status, 0);
  assert.match(help.stdout, /^usage: pen \[options\] LISTEN SERVER\.\.\.\n/);
  const version = await run('pen', ['--version']);
  assert.equal(version.status, 0);
  assert.match(version.stdout, /^pen \d+\.\d+\.\d+\S*\n$/);
});
