/** Without -f: the command returns when pen serves in the background, and pen lets go of its caller. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { backend } from '../support/backend.js';
import { get } from '../support/client.js';
import { atEnd, type Scene } from '../support/ending.js';
import { askControl } from '../support/pen.js';
import { isAlive, type Outcome, processesWith, run, start } from '../support/process.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';

interface Background {
  readonly folder: string;
  readonly control: string;
  readonly pidFile: string;
  readonly pid: number;
  readonly outcome: Outcome;
}

/** Starts pen in the background, from its own folder and with relative names; ends it with the test. */
async function startInBackground(t: Scene, ...args: string[]): Promise<Background> {
  const folder = scratch(t);
  const control = join(folder, 'ctl');
  const pidFile = join(folder, 'pen.pid');
  const outcome = await run('pen', ['-C', control, '-p', 'pen.pid', ...args], { cwd: folder });
  const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) : 0;
  atEnd(t, async () => {
    if (pid > 0 && isAlive(pid)) process.kill(pid, 'SIGTERM');
    await until('no process of this test is left', () => processesWith(control).length === 0);
  });
  return { folder, control, pidFile, pid, outcome };
}

test('pen returns 0 once it serves, silently, and the caller gets its streams back', async (t) => {
  const www1 = await backend(t, { name: 'www1' });
  // `run` ends only when nobody holds the other end of stdout and stderr any more.
  const { outcome, control, pid } = await startInBackground(t, '127.0.0.1:0', www1.address);

  assert.deepEqual(outcome, { status: 0, signal: null, stdout: '', stderr: '' });
  const address = await askControl(control, 'listen');
  assert.equal((await get(Number(address.split(':')[1]))).body, 'www1');
  assert.equal(await askControl(control, 'pid'), String(pid));
});

test('pen in the background is a session of its own and stays in its directory', {
  skip: !existsSync('/proc/self/stat'),
}, async (t) => {
  const { folder, pid } = await startInBackground(t, '127.0.0.1:0', '127.0.0.1:1');

  assert.equal(readlinkSync(`/proc/${pid}/cwd`), realpathSync(folder));
  const [, , , , session] = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '_ ')
    .split(' ');
  assert.equal(Number(session), pid);
  const streams = [0, 1].map((n) => readlinkSync(`/proc/${pid}/fd/${n}`));
  assert.deepEqual(streams, ['/dev/null', '/dev/null']);
});

test('pen in the background never lets USR1 open an inspector, where this Node can forbid it', {
  skip: !existsSync('/proc/self/cmdline'),
}, async (t) => {
  const { pid } = await startInBackground(t, '127.0.0.1:0', '127.0.0.1:1');
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  const flag = '--disable-sigusr1';
  assert.equal(words.includes(flag), process.allowedNodeEnvironmentFlags.has(flag));
});

test('pen shows the replies to -O on the standard output of the command', async (t) => {
  const { outcome } = await startInBackground(
    t,
    '-b',
    '7',
    '-O',
    'blacklist',
    '-o',
    'mode',
    '127.0.0.1:0',
    '127.0.0.1:1',
  );

  assert.equal(outcome.status, 0, outcome.stderr);
  assert.equal(outcome.stdout, '7\nno hash no roundrobin no stubborn no weight no prio\n');
});

test('pen warns of obsolete options once', async (t) => {
  const { outcome } = await startInBackground(t, '-D', '-S', '16', '127.0.0.1:0', '127.0.0.1:1');

  assert.equal(outcome.status, 0, outcome.stderr);
  assert.match(outcome.stderr, /^pen: -D is obsolete [^\n]*\npen: -S is obsolete [^\n]*\n$/);
});

test('the pid file has no newline, and is gone after TERM like the control socket and the process', async (t) => {
  const { pid, pidFile, control } = await startInBackground(t, '127.0.0.1:0', '127.0.0.1:1');

  assert.match(readFileSync(pidFile, 'utf8'), /^\d+$/);
  process.kill(pid, 'SIGTERM');
  await until('pen ends', () => !isAlive(pid));
  assert.ok(!existsSync(pidFile));
  assert.ok(!existsSync(control));
});

test('pen that is starting in the background ends when the command that started it is killed', async (t) => {
  const folder = scratch(t);
  const front = join(folder, 'front');
  const command = start('pen', ['-p', join(folder, 'pid'), front, '127.0.0.1:1']);
  await until('the background process exists', () => processesWith(folder).length === 2);
  command.child.kill('SIGKILL');
  assert.equal((await command.ended).signal, 'SIGKILL');

  await until('it has ended', () => processesWith(folder).length === 0);
  assert.deepEqual(readdirSync(folder), []);
});
