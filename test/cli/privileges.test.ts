/** -u and -j: what pen is once it serves. Only root can see that. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chooseEngine } from '../../src/engine/choose.js';
import type { EngineName } from '../../src/engine/engine.js';
import { backend } from '../support/backend.js';
import { get } from '../support/client.js';
import { pen } from '../support/pen.js';
import { commandOf, run } from '../support/process.js';
import { freePort } from '../support/program.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';

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

test(
  'pen -u with transparent keeps CAP_NET_ADMIN in the threads that need it, and nothing else in any',
  needsRoot,
  async (t) => {
    const CAP_NET_ADMIN = 1 << 12;
    for (const engine of ['uring', 'epoll']) {
      if ((await chooseEngine(engine as EngineName).catch(() => undefined)) === undefined) continue;
      const www1 = await backend(t, { name: 'www1' });
      const options = ['-u', 'nobody', '-O', 'transparent'];
      const balancer = await pen(t, { options, servers: [www1], engine, threads: 2 });

      await until('pen serves', () => balancer.log().includes('serving on'));
      const threads = capabilities(balancer.pid);
      for (const { permitted, effective, inheritable, ambient } of threads) {
        assert.ok(permitted === 0 || permitted === CAP_NET_ADMIN, `a thread may ${permitted.toString(16)}`);
        assert.deepEqual({ effective, inheritable, ambient }, { effective: permitted, inheritable: 0, ambient: 0 });
      }
      // The main thread and the workers.
      assert.ok(threads.filter(({ permitted }) => permitted === CAP_NET_ADMIN).length >= 3);
      assert.equal(threads.find(({ task }) => task === balancer.pid)?.permitted, CAP_NET_ADMIN);
      assert.equal((await get(balancer.port)).body, 'www1');
      assert.equal(await balancer.ask('no transparent'), '');
      assert.equal(await balancer.ask('transparent port'), '');
      assert.equal((await get(balancer.port)).body, 'www1');
    }
  },
);

test('pen -u with transparent serves those who come while it gives up its rights', needsRoot, async (t) => {
  const www1 = await backend(t, { name: 'www1' });
  const answers = new Map<string, number>();
  for (let i = 0; i < 4; i++) {
    const port = await freePort();
    let isOver = false;
    const visits = (async () => {
      while (!isOver) {
        const answer = await get(port).then(
          ({ body }) => body,
          (error: NodeJS.ErrnoException) => error.code ?? error.message,
        );
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
    })();
    const options = ['-u', 'nobody', '-O', 'transparent'];
    const balancer = await pen(t, { options, listen: `127.0.0.1:${port}`, servers: [www1], threads: 2 });
    await until('pen serves', () => balancer.log().includes('serving on'));
    isOver = true;
    await visits;
    await balancer.stop();
  }
  for (const answer of answers.keys()) assert.ok(['www1', 'ECONNREFUSED'].includes(answer), answer);
  assert.ok((answers.get('www1') ?? 0) > 0);
});

test('pen -u without transparent keeps nothing, and says why it cannot be turned on later', needsRoot, async (t) => {
  const balancer = await pen(t, { options: ['-u', 'nobody'], servers: ['127.0.0.1:1'] });
  for (const { permitted } of capabilities(balancer.pid)) assert.equal(permitted, 0);
  const why =
    /^error: transparent: cannot use the address of a client: EPERM \(it takes CAP_NET_ADMIN: start pen as root with .*\)$/;
  assert.match(await balancer.ask('transparent'), why);
  assert.match(await balancer.ask('transparent listen'), why);
  assert.equal(await balancer.ask('no transparent'), '');
});

test('pen without the privilege does not start with transparent on', needsRoot, async () => {
  const args = ['-f', '-O', 'transparent', '127.0.0.1:0', '127.0.0.1:1'];
  const without = ['--bounding-set', '-net_admin,-net_raw', process.execPath, ...commandOf('pen'), ...args];
  const refused = spawnSync('setpriv', without, { encoding: 'utf8' });
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /^pen: cannot be transparent: EPERM \(it takes CAP_NET_ADMIN: [^\n]*\)\n$/);
  const node = await run('pen', [...args, '-O', 'node']);
  assert.equal(node.status, 1);
  assert.match(node.stderr, /^pen: cannot be transparent: the node engine /);
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

/** The sets of each thread of a process, as numbers. */
function capabilities(pid: number) {
  return readdirSync(`/proc/${pid}/task`).map((task) => {
    const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
    const set = (name: string) =>
      Number.parseInt(new RegExp(`^Cap${name}:\\t([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '', 16);
    return {
      task: Number(task),
      permitted: set('Prm'),
      effective: set('Eff'),
      inheritable: set('Inh'),
      ambient: set('Amb'),
    };
  });
}

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
