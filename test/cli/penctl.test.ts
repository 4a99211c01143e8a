/** penctl as a script sees it: standard output and exit status. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { tcpBackend } from '../support/backend.js';
import { atEnd, type Scene } from '../support/ending.js';
import { askControl, pen, penArguments } from '../support/pen.js';
import { commandOf, run } from '../support/process.js';
import { scratch } from '../support/scratch.js';
import { until, within } from '../support/wait.js';

test('penctl prints the reply and exits 0', async (t) => {
  const { control } = await pen(t, { servers: ['127.0.0.1:1'] });
  const rows: ReadonlyArray<readonly [command: string[], stdout: string | RegExp]> = [
    [['blacklist'], '30\n'],
    [['blacklist', '7'], '7\n'],
    [['blacklist 8'], '8\n'],
    [['no', 'hash'], ''],
    [['mode'], 'no hash no roundrobin no stubborn no weight no prio\n'],
    [['bogus', 'word'], "do_cmd: ignoring command starting with 'bogus'\n"],
    [['exit'], 'Exit is not enabled; restart with -X flag\n'],
    [['servers'], /^0 addr 127\.0\.0\.1 port 1 conn 0 /],
  ];
  for (const [command, want] of rows) {
    const outcome = await run('penctl', [control, ...command]);
    assert.equal(outcome.status, 0, `${command}: ${outcome.stderr}`);
    assert.equal(outcome.stderr, '');
    if (typeof want === 'string') assert.equal(outcome.stdout, want);
    else assert.match(outcome.stdout, want);
  }
});

test('penctl shows an error reply on standard error and exits 1', async (t) => {
  const { control } = await pen(t, { servers: ['127.0.0.1:1'] });
  const outcome = await run('penctl', [control, 'acl', '1', 'maybe', '10.0.0.1']);
  assert.equal(outcome.status, 1);
  assert.equal(outcome.stdout, '');
  assert.match(outcome.stderr, /^error: acl: [^\n]*'maybe'\n$/);
});

test('penctl exits 1 with one line when there is no pen', async (t) => {
  const dead = await tcpBackend(t);
  await dead.kill();
  for (const address of [dead.address, join(scratch(t), 'ctl'), 'nosuchhost.invalid:8888']) {
    const outcome = await run('penctl', [address, 'servers']);
    assert.equal(outcome.status, 1);
    assert.match(
      outcome.stderr,
      /^penctl: cannot ask pen at '[^\n]+': (ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN)[^\n]*\n$/,
    );
  }
});

test('penctl exits 2 with one line when called wrongly', async () => {
  for (const args of [
    [],
    ['localhost:8888'],
    ['8888', 'mode'],
    ['localhost:x', 'mode'],
    ['localhost:70000', 'mode'],
    ['a:1', 'mode\nexit'],
  ]) {
    const outcome = await run('penctl', args);
    assert.equal(outcome.status, 2, args.join(' '));
    assert.match(outcome.stderr, /^(penctl: )[^\n]+\n$/);
    assert.equal(outcome.stdout, '');
  }
});

test('penctl is answered when descriptors are few and everybody takes what they can', {
  skip: process.platform === 'win32',
}, async (t) => {
  const server = await tcpBackend(t);
  const control = join(scratch(t), 'ctl');
  const command = [...commandOf('pen'), ...penArguments({ servers: [server] }, control)];
  const child = spawn('sh', ['-c', 'ulimit -n 160; exec "$@"', 'sh', process.execPath, ...command], {
    stdio: 'ignore',
  });
  const ended = once(child, 'exit');
  atEnd(t, () => {
    child.kill('SIGTERM');
    return ended;
  });
  const listen = await until('pen serves', () => askControl(control, 'listen').catch(() => ''));

  const sockets: Socket[] = [];
  atEnd(t, () => {
    for (const socket of sockets) socket.destroy();
  });
  const crowd = async (size: number, open: () => Socket) => {
    const guests = Array.from({ length: size }, () => open().on('error', () => {}));
    sockets.push(...guests);
    await Promise.all(guests.map((socket) => once(socket, 'connect').catch(() => {})));
  };
  await crowd(100, () => connect(Number(listen.split(':')[1]), '127.0.0.1'));
  for (let round = 0; round < 3; round += 1) {
    await crowd(60, () => connect(control));
    for (let i = 0; i < 5; i += 1) assert.equal(await askControl(control, 'blacklist'), '30', `round ${round}`);
  }
});

const hasTerminals = process.platform === 'linux' && existsSync('/usr/bin/script');

/** penctl on a terminal: keys in, what it draws out. */
function onTerminal(t: Scene, ...args: readonly string[]) {
  const command = [process.execPath, ...commandOf('penctl'), ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qefc', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  atEnd(t, () => child.kill('SIGKILL'));
  let drawn = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    drawn += text;
  });
  return { child, drawn: () => drawn };
}

test('penctl top outlives a pen that is started again, and q ends it while pen hangs', {
  skip: !hasTerminals && 'no script(1) here',
}, async (t) => {
  const first = await pen(t, { servers: ['127.0.0.1:1'] });
  const { child, drawn } = onTerminal(t, first.control, 'top', '--watch=0.1');
  await until('the first figures', () => drawn().includes('127.0.0.1:1 '));
  await first.stop();
  await until('a line that says so', () => drawn().includes('cannot ask pen at'));
  // One that takes the question and never answers.
  const hanging = createServer().listen(first.control);
  atEnd(t, () => hanging.close());
  const [socket] = (await once(hanging, 'connection')) as [Socket];
  atEnd(t, () => socket.destroy());
  child.stdin.write('q');
  const [status] = await within('the end', once(child, 'exit'), 5000);
  assert.equal(status, 0);
  assert(drawn().endsWith('\u001b[?1049l'));
});
