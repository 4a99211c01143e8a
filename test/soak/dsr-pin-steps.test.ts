/**
 * A start of `dsr_pin` is killed before each of its system calls that change anything in the kernel, one start after the other:
 * packets are sent on at each of these moments, and the next start takes over. strace(1) does the killing.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { bedMissing } from '../support/bed.js';
import { bpffs, pinned } from '../support/bpffs.js';
import { ask, dsrBed, site, VIP } from '../support/dsr-bed.js';
import { penArguments } from '../support/pen.js';
import { start } from '../support/process.js';
import { scratch } from '../support/scratch.js';
import { within } from '../support/wait.js';

const skip = bedMissing('nginx', 'curl', 'strace');

/** What is done with names, and bpf(2) with all it does: a hundred calls, every third of them unless PEN_EVERY_STEP is set. */
const CALLS = [
  ['bpf', process.env.PEN_EVERY_STEP === '1' ? 1 : 3],
  ['mkdir', 1],
  ['rename', 1],
  ['unlinkat', 1],
  ['flock', 1],
] as const;

test('dsr_pin killed before each of its system calls sends on, and the next start takes over', { skip }, async (t) => {
  const made = await dsrBed(t, 2);
  const directory = join(bpffs(t), 'pen');
  for (const server of made.servers) await site(t, server);
  const script = {
    options: ['-O', 'dsr_if lan', '-O', `dsr_pin ${directory}`, '-r'],
    listen: `${VIP}:80`,
    servers: [0, 1].map(made.addressOf),
  };
  const { namespace } = made.balancer;
  /** True if the start was killed at its nth call of that name, false if it has fewer; it is killed then too. */
  const startAndKill = async (call: string, n: number): Promise<boolean> => {
    const control = join(scratch(t), 'ctl');
    const before = [
      'strace',
      '-f',
      '-qq',
      '-o',
      '/dev/null',
      '-e',
      `trace=${call}`,
      '-e',
      `inject=${call}:signal=KILL:when=${n}`,
    ];
    const { child, ended, stderr } = start('pen', penArguments(script, control), { namespace, before });
    t.after(() => child.kill('SIGKILL'));
    const serves = new Promise<'serves'>((resolve) => {
      child.stderr?.on('data', () => stderr().includes('serving') && resolve('serves'));
    });
    if ((await within(`a start killed at ${call} ${n}: ${stderr()}`, Promise.race([ended, serves]))) !== 'serves') {
      // The bed's cables are veths, whose other ends have a program.
      assert.equal(stderr().replace(/^pen: 'lan' is a veth: .*\n/, ''), '', `killed at ${call} ${n}`);
      return true;
    }
    for (const pid of await pidsIn(namespace)) process.kill(pid, 'SIGKILL');
    await ended;
    return false;
  };
  const pidsIn = async (name: string) => {
    const { execFileSync } = await import('node:child_process');
    const pids = execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8' });
    return pids.split('\n').filter(Boolean).map(Number);
  };

  // The first start of all, then starts that take over.
  const first = await made.pen(script);
  first.signal('SIGKILL');
  await first.ended;
  let kills = 0;
  for (const [call, step] of CALLS) {
    for (let n = 1; await startAndKill(call, n); n += step) {
      kills++;
      const bodies = await ask(made.client, `http://${VIP}/`, 10);
      assert.deepEqual([...new Set(bodies)].sort(), ['www1', 'www2'], `after a kill at ${call} ${n}`);
    }
  }
  t.diagnostic(`killed at ${kills} system calls`);
  const last = await made.pen(script);
  assert.match(last.log(), /taken over from an earlier pen/);
  const report = await last.ask('dsr');
  assert.match(report, / moved 0 .*\n.* noServer 0 /);
  const sets = new Set(pinned(directory).map((name) => name.split('/')[0]));
  assert.equal(sets.size, 2, `the link and one set, not ${[...sets]}`);
  await last.ask('dsr detach');
  await last.ended;
  assert.deepEqual(pinned(directory), []);
});
