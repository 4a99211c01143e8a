/** -u and -j: what pen is once it serves. Only root can see that. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { backend } from '../support/backend.js';
import { get } from '../support/client.js';
import { pen } from '../support/pen.js';
import { run } from '../support/process.js';
import { scratch } from '../support/scratch.js';

const needsRoot = { skip: process.getuid?.() !== 0 && 'needs root' };

test('pen -u drops user, group and supplementary groups, and serves', needsRoot, async (t) => {
  const www1 = await backend(t, { name: 'www1' });
  const balancer = await pen(t, { options: ['-u', 'nobody'], servers: [www1] });

  const status = readFileSync(`/proc/${balancer.pid}/status`, 'utf8');
  const uid = /^nobody:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'));
  assert.match(status, new RegExp(`^Uid:\\t${uid?.[1]}\\t${uid?.[1]}\\t${uid?.[1]}\\t`, 'm'));
  assert.match(status, new RegExp(`^Gid:\\t${uid?.[2]}\\t${uid?.[2]}\\t${uid?.[2]}\\t`, 'm'));
  assert.match(status, new RegExp(`^Groups:\\t${uid?.[2]}? ?$`, 'm'));
  assert.equal((await get(balancer.port)).body, 'www1');
  assert.match(await balancer.ask('servers'), /^0 addr 127\.0\.0\.1/);
});

test('pen -j is confined to the directory, and serves', needsRoot, async (t) => {
  const jail = scratch(t);
  chmodSync(jail, 0o755);
  const www1 = await backend(t, { name: 'www1' });
  const balancer = await pen(t, { options: ['-j', jail, '-u', 'nobody'], servers: [www1] });

  assert.equal(readlinkSync(`/proc/${balancer.pid}/root`), jail);
  assert.equal(readlinkSync(`/proc/${balancer.pid}/cwd`), jail);
  assert.equal((await get(balancer.port)).body, 'www1');
});

test('pen -j says why names cannot be looked up any more', needsRoot, async (t) => {
  const jail = scratch(t);
  const balancer = await pen(t, { options: ['-j', jail], servers: ['127.0.0.1:1'] });
  const reply = await balancer.ask('server 0 address www.example.invalid');
  assert.match(reply, /^error: server: cannot resolve host 'www\.example\.invalid': EAI_AGAIN \(.* after -j .*\)$/);
});

test('pen -j empties a pid file that it cannot remove any more', needsRoot, async (t) => {
  const pidFile = join(scratch(t), 'pid');
  const jail = scratch(t);
  const balancer = await pen(t, { options: ['-j', jail, '-p', pidFile], servers: ['127.0.0.1:1'] });
  assert.equal(readFileSync(pidFile, 'utf8'), String(balancer.pid));
  await balancer.stop();
  assert.equal(readFileSync(pidFile, 'utf8'), '');
});

test('pen -C with a port as root needs -u', needsRoot, async () => {
  const refused = await run('pen', ['-f', '-C', '127.0.0.1:0', '127.0.0.1:0', '127.0.0.1:1']);
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /^pen: -C: no control port as root without -u /);

  const accepted = await run('pen', ['--check', '-u', 'root', '-C', '127.0.0.1:0', '127.0.0.1:0', '127.0.0.1:1']);
  assert.equal(accepted.status, 0, accepted.stderr);
});
