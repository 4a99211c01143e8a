/** Standard output that takes nothing: a full disk, a reader that has gone. */
import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { backend } from '../support/backend.js';
import { get } from '../support/client.js';
import { pen } from '../support/pen.js';
import { type Program, run, start } from '../support/process.js';
import { scratch } from '../support/scratch.js';

const skip = !existsSync('/dev/full') && 'no /dev/full on this system';

test('programs whose output finds no room say so in one line, status 1', { skip }, async (t) => {
  const folder = scratch(t);
  writeFileSync(join(folder, 'pen'), '10.0.0.1 1 10.1.1.1 GET / HTTP/1.0\n');
  writeFileSync(join(folder, 'www'), '10.1.1.9 - - [01/Jan/1970:00:00:01 +0000] "GET / HTTP/1.0" 200 5\n');
  const balancer = await pen(t, { servers: ['127.0.0.1:1'] });
  const full = openSync('/dev/full', 'w');
  t.after(() => closeSync(full));
  const calls: readonly (readonly [Program, ...string[]])[] = [
    ['pen', '--help'],
    ['penctl', balancer.control, 'servers'],
    ['penlogd', '--help'],
    ['mergelogs', '-p', join(folder, 'pen'), `10.1.1.1:${join(folder, 'www')}`],
  ];
  for (const [program, ...args] of calls) {
    const { status, stderr } = await run(program, args, { stdio: ['ignore', full, 'pipe'] });
    assert.deepEqual([status, stderr], [1, `${program}: cannot write to standard output: ENOSPC\n`]);
  }
});

test('mergelogs ends quietly when its reader has gone', async (t) => {
  const folder = scratch(t);
  writeFileSync(join(folder, 'pen'), '');
  const line = '10.1.1.9 - - [01/Jan/1970:00:00:01 +0000] "GET / HTTP/1.0" 200 5\n';
  writeFileSync(join(folder, 'www'), line.repeat(20_000));
  const { child, ended } = start('mergelogs', ['-p', join(folder, 'pen'), `10.1.1.1:${join(folder, 'www')}`]);
  child.stdout?.destroy();
  const { status, stderr } = await ended;
  assert.deepEqual([status, stderr], [1, '']);
});

test('pen serves on when its standard output takes nothing', { skip }, async (t) => {
  const www = await backend(t, { name: 'www' });
  const balancer = await pen(t, {
    servers: [www],
    options: ['-O', 'mode', '-O', 'pid'],
    before: ['bash', '-c', 'exec "$@" > /dev/full', 'bash'],
  });
  assert.equal((await get(balancer.port)).body, 'www');
  await balancer.stop();
});
