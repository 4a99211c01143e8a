/** What `dsr_pin` cannot go on from, or begins anew: in one line, and what ran before goes on. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as asm from '../../src/bpf/asm/index.js';
import { BpfMap, Program, u32 } from '../../src/bpf/index.js';
import { XDP_PASS } from '../../src/sys/uapi/bpf.js';
import { bedMissing } from '../support/bed.js';
import { bpffs, pinned } from '../support/bpffs.js';
import { ask, type DsrBed, dsrBed, site, VIP } from '../support/dsr-bed.js';
import type { Scene } from '../support/ending.js';
import { type Outcome, start } from '../support/process.js';
import { scratch } from '../support/scratch.js';
import { until, within } from '../support/wait.js';

const skip = bedMissing('nginx', 'curl');

interface Stage extends DsrBed {
  readonly directory: string;
  /** Pen, pinned there. */
  readonly options: (...more: string[]) => { options: string[]; listen: string; servers: string[] };
}

async function stage(t: Scene, servers = 2): Promise<Stage> {
  const made = await dsrBed(t, servers);
  const directory = join(bpffs(t), 'pen');
  for (const server of made.servers) await site(t, server);
  const addresses = made.servers.map((_, i) => made.addressOf(i));
  return {
    ...made,
    directory,
    options: (...more) => ({
      options: ['-O', 'dsr_if lan', '-O', `dsr_pin ${directory}`, '-r', ...more],
      listen: `${VIP}:80`,
      servers: addresses,
    }),
  };
}

/** Starts pen and kills it. */
async function leaveRunning(made: Stage, ...more: string[]): Promise<void> {
  const running = await made.pen(made.options(...more));
  running.signal('SIGKILL');
  await running.ended;
}

async function refused(t: Scene, made: Stage, directory = made.directory): Promise<Outcome> {
  const args = ['-f', '-O', 'dsr_if lan', '-O', `dsr_pin ${directory}`, `${VIP}:80`, made.addressOf(0)];
  const { child, ended } = start('pen', args, { namespace: made.balancer.namespace });
  t.after(() => child.kill('SIGKILL'));
  return await within('end of pen', ended);
}

async function assertForwards({ client }: Stage): Promise<void> {
  assert.deepEqual([...new Set(await ask(client, `http://${VIP}/`, 20))].sort(), ['www1', 'www2']);
}

test('dsr_pin says in one line what it cannot pin to or adopt, and what runs goes on', { skip }, async (t) => {
  const made = await stage(t);
  const { directory } = made;
  const beside = join(directory, '..', 'foreign');
  mkdirSync(join(beside, 'somebody'), { recursive: true });
  const [theirs, open] = ['theirs', 'open'].map((name) => join(directory, '..', name));
  for (const folder of [theirs, open]) mkdirSync(folder);
  chownSync(theirs, 1234, 1234);
  chmodSync(open, 0o777);
  const first = await made.pen(made.options());
  const rows: [name: string, directory: string, line: RegExp][] = [
    [
      'no bpffs',
      join(tmpdir(), 'pen-pins'),
      /^pen: cannot keep pins in '\/tmp\/pen-pins': it is not in a bpffs \(mount -t bpf bpf \/sys\/fs\/bpf, then dsr_pin \/sys\/fs\/bpf\/pen\)\n$/,
    ],
    ['no such parent', '/no/such/pins', /^pen: cannot keep pins in '\/no\/such\/pins': it is not in a bpffs /],
    [
      "another pen's",
      directory,
      /^pen: cannot keep pins in '.*\/pen': another pen does \(give each a directory of its own\)\n$/,
    ],
    ["another user's", theirs, /^pen: cannot keep pins in '.*\/theirs': it belongs to user 1234 \(.*chown root /],
    ['open to all', open, /^pen: cannot keep pins in '.*\/open': others may write there \(chmod 700 /],
    ['foreign', beside, /^pen: cannot adopt what is pinned in '.*\/foreign': 'somebody' there is none of pen's /],
  ];
  for (const [name, where, line] of rows) {
    const { status, stderr } = await refused(t, made, where);
    assert.equal(status, 1, name);
    assert.match(stderr, line, name);
    assert.equal(stderr.trimEnd().split('\n').length, 1, `${name}: ${stderr}`);
  }
  await assertForwards(made);
  first.signal('SIGKILL');
  await first.ended;
  await assertForwards(made);

  const [set] = pinned(directory).filter((name) => name.endsWith('/flows'));
  const flows = join(directory, set);
  const folder = join(flows, '..');
  const program = pinned(directory).find((name) => name.includes('program')) as string;
  const damages: [name: string, damage: () => () => void, line: RegExp][] = [
    [
      'another type',
      () => replaced(flows, 'hash'),
      /^pen: cannot adopt map 'pen_flows' at '.*\/flows': it is of type hash, not lruHash /,
    ],
    [
      'another size',
      () => replaced(flows, 'lruHash'),
      /^pen: cannot adopt map 'pen_flows' at '.*': it has keys of 4 bytes, not \d+ /,
    ],
    [
      'a map is missing',
      () => moved(flows, join(folder, 'flaws')),
      /^pen: cannot open what is pinned at '.*\/flows': ENOENT /,
    ],
    [
      'no description',
      () => moved(join(folder, 'about'), join(folder, 'abort')),
      /^pen: cannot adopt what is pinned in '.*': .*ENOENT .*rm -r/,
    ],
    [
      'a program as link',
      () => moved(join(directory, 'link'), join(directory, '..', 'link'), join(directory, program)),
      /^pen: cannot adopt what is pinned in '.*': cannot adopt '.*\/link': it is a bpf-prog, not a bpf-link \(rm -r /,
    ],
  ];
  for (const [name, damage, line] of damages) {
    const repair = damage();
    const { status, stderr } = await refused(t, made);
    repair();
    assert.equal(status, 1, `${name}: ${stderr}`);
    assert.match(stderr, line, name);
    assert.equal(stderr.trimEnd().split('\n').length, 1, `${name}: ${stderr}`);
    await assertForwards(made);
  }
  const again = await made.pen(made.options());
  assert.match(again.log(), /taken over from an earlier pen/);
  assert.match(await again.ask('dsr_pin /elsewhere'), /^error: dsr_pin: .*chosen at the start/);
});

/** Puts an empty map there; the result undoes it. */
function replaced(path: string, type: 'hash' | 'lruHash'): () => void {
  const aside = `${path}-aside`;
  renameSync(path, aside);
  const map = BpfMap.create({ name: 'stranger', type, key: u32, value: u32, maxEntries: 8 });
  map.pin(path);
  map.close();
  return () => renameSync(aside, path);
}

/** Renames; if a program is given, it takes the file's place. */
function moved(path: string, aside: string, program?: string): () => void {
  renameSync(path, aside);
  if (program !== undefined) {
    const handle = Program.open(program);
    handle.pin(path);
    handle.close();
  }
  return () => renameSync(aside, path);
}

test('dsr_pin takes on what changed meanwhile: servers, VIP, size of the table', { skip }, async (t) => {
  const made = await stage(t, 3);
  await leaveRunning(made);
  // The first server is no more, the others have other slots; 700 rows make another table.
  const fewer = await made.pen({ ...made.options(), servers: [made.addressOf(2), made.addressOf(1)] });
  assert.deepEqual([...new Set(await ask(made.client, `http://${VIP}/`, 40))].sort(), ['www2', 'www3']);
  fewer.signal('SIGKILL');
  await fewer.ended;
  const many = await made.pen(made.options('-O', `server 700 address ${made.addressOf(0)} port 80`));
  assert.deepEqual([...new Set(await ask(made.client, `http://${VIP}/`, 40))].sort(), ['www1', 'www2', 'www3']);
  assert.match(await many.ask('dsr'), / moved 0 /);
  many.signal('SIGKILL');
  await many.ended;
  await made.pen({ ...made.options(), listen: `${VIP}:8080` });
  assert.equal((await ask(made.client, `http://${VIP}:8080/`, 4)).length, 4);
  assert.equal((await made.client.try('curl', ['-s', '-m', '1', `http://${VIP}/`])).status, 28);
});

test('dsr_pin: a server that has died meanwhile is found out, one that lives is used before it has answered', {
  skip,
}, async (t) => {
  const made = await stage(t);
  await leaveRunning(made);
  await made.servers[0].ip('link', 'set', 'lan', 'down');
  const running = await made.pen(made.options());
  await until('the dead one is silent', async () => /^real 0 .* state silent /m.test(await running.ask('dsr')));
  assert.deepEqual([...new Set(await ask(made.client, `http://${VIP}/`, 10))], ['www2']);
});

test('dsr_pin goes over to another interface, and to the same after it was made anew, with its flows', {
  skip,
}, async (t) => {
  const made = await stage(t);
  const { balancer } = made;
  await leaveRunning(made);
  await balancer.ip('link', 'add', 'other', 'type', 'veth', 'peer', 'name', 'far');
  for (const name of ['other', 'far']) await balancer.ip('link', 'set', name, 'up');
  const elsewhere = { ...made.options(), options: ['-O', 'dsr_if other', '-O', `dsr_pin ${made.directory}`] };
  const second = await made.pen(elsewhere);
  assert.match(await balancer.ip('link', 'show', 'other'), /xdp/);
  assert.doesNotMatch(await balancer.ip('link', 'show', 'lan'), /xdp/);
  second.signal('SIGKILL');
  await second.ended;
  await balancer.ip('link', 'del', 'other');
  await made.pen(made.options());
  await assertForwards(made);
});

test('dsr_pin with another dsr_mode changes over, with its flows', { skip }, async (t) => {
  const made = await stage(t);
  await leaveRunning(made);
  await assertForwards(made);
  const running = await made.pen(made.options('-O', 'dsr_mode generic'));
  assert.match(running.log(), /from native to generic mode on 'lan', which interrupts it for a moment/);
  assert.match(await made.balancer.ip('link', 'show', 'lan'), /xdpgeneric/);
  await assertForwards(made);
  assert.ok(Number(/^vip .* flows (\d+)$/m.exec(await running.ask('dsr'))?.[1]) >= 40);
  running.signal('SIGKILL');
  await running.ended;
  const again = await made.pen(made.options());
  assert.match(again.log(), /\(generic mode on lan, taken over from an earlier pen; pinned in /);
});

test('dsr_pin with -u: dsr detach takes the program off, says what it must leave, and the next start begins anew', {
  skip,
}, async (t) => {
  const made = await stage(t);
  const running = await made.pen(made.options('-u', 'nobody'));
  await assertForwards(made);
  assert.match(
    await running.ask('dsr detach'),
    /^the files in '.*\/pen' are still there: .*EACCES.* \(rm -r .*, or the next start removes them\)$/,
  );
  assert.equal((await running.ended).status, 0);
  assert.doesNotMatch(await made.balancer.ip('link', 'show', 'lan'), /xdp/);
  const again = await made.pen(made.options());
  assert.match(again.log(), /\(native mode on lan, in the driver; pinned in /);
  assert.match(await again.ask('dsr'), /^vip .* flows 0$/m);
  await again.ask('dsr detach');
  await again.ended;
  assert.deepEqual(pinned(made.directory), []);
});

test('dsr_pin with -j: dsr detach removes what is pinned from inside the other root', { skip }, async (t) => {
  const made = await stage(t);
  const running = await made.pen(made.options('-j', scratch(t)));
  assert.match(await running.ask('listen'), /^10\.7\.0\.80:80$/);
  await assertForwards(made);
  assert.equal(await running.ask('dsr detach'), '');
  assert.equal((await running.ended).status, 0);
  assert.deepEqual(pinned(made.directory), []);
});

test('dsr_pin whose directory is removed while pen runs goes on, and says that it will not outlive it', {
  skip,
}, async (t) => {
  const made = await stage(t);
  const running = await made.pen(made.options());
  rmSync(made.directory, { recursive: true });
  await assertForwards(made);
  assert.match(await running.ask('no roundrobin'), /^$/);
  assert.match(running.log(), /'.*\/pen' has been removed: packets are sent on as long as pen runs/);
  assert.equal((await ask(made.client, `http://${VIP}/`, 3)).length, 3);
  running.signal('SIGKILL');
  await running.ended;
  await until('nothing is attached', async () => !/xdp/.test(await made.balancer.ip('link', 'show', 'lan')));
});

test('without dsr_pin nothing is left attached by a pen that is killed, and dsr detach ends it', {
  skip,
}, async (t) => {
  const made = await stage(t);
  const { directory: _, ...rest } = made;
  const script = { ...rest.options(), options: ['-O', 'dsr_if lan'] };
  const first = await made.pen(script);
  first.signal('SIGKILL');
  await first.ended;
  await until('nothing is attached', async () => !/xdp/.test(await made.balancer.ip('link', 'show', 'lan')));
  const second = await made.pen(script);
  assert.equal(await second.ask('dsr detach'), '');
  assert.equal((await second.ended).status, 0);
  assert.doesNotMatch(await made.balancer.ip('link', 'show', 'lan'), /xdp/);
});

test('dsr_pin refuses a link whose program somebody else has replaced', { skip }, async (t) => {
  const made = await stage(t);
  await leaveRunning(made);
  const { XdpLink } = await import('../../src/bpf/index.js');
  const link = XdpLink.open(join(made.directory, 'link'));
  const stranger = Program.load({ name: 'stranger', code: [asm.mov.imm(asm.r0, XDP_PASS), asm.exit()] });
  t.after(() => {
    link.close();
    stranger.close();
  });
  link.update(stranger);
  const { status, stderr } = await refused(t, made);
  assert.equal(status, 1);
  assert.match(
    stderr,
    /^pen: cannot adopt what is pinned in '.*': the program that its link runs is not there \(it was replaced, or files were removed; rm -r .* ends what runs there\)\n$/,
  );
  unlinkSync(join(made.directory, 'link'));
});
