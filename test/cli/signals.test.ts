/** What an operator does with kill(1). */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { backend } from '../support/backend.js';
import { get } from '../support/client.js';
import { pen } from '../support/pen.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`pen ends with status 0 and removes its files on ${signal}`, async (t) => {
    const pidFile = join(scratch(t), 'pid');
    const balancer = await pen(t, { options: ['-p', pidFile], servers: ['127.0.0.1:1'] });
    assert.equal(readFileSync(pidFile, 'utf8'), String(balancer.pid));

    balancer.signal(signal);
    const outcome = await balancer.ended;

    assert.deepEqual([outcome.status, outcome.signal], [0, null]);
    assert.ok(!existsSync(pidFile));
    assert.ok(!existsSync(balancer.control));
  });
}

test('pen reads its file again on HUP: what it no longer says is gone, the command line stays', async (t) => {
  const file = join(scratch(t), 'pen.cfg');
  writeFileSync(file, 'blacklist 5\ntracking 60\n');
  const balancer = await pen(t, { options: ['-t', '9', '-F', file], servers: ['127.0.0.1:1'] });
  assert.equal(await balancer.ask('blacklist'), '5');

  writeFileSync(file, 'tracking 61\n');
  balancer.signal('SIGHUP');

  await until('the new tracking time holds', async () => (await balancer.ask('tracking')) === '61');
  assert.equal(await balancer.ask('blacklist'), '30');
  assert.equal(await balancer.ask('timeout'), '9');
});

test('pen keeps its settings on HUP when the file is broken, and says which line', async (t) => {
  const file = join(scratch(t), 'pen.cfg');
  writeFileSync(file, 'blacklist 5\n');
  const www1 = await backend(t, { name: 'www1' });
  const balancer = await pen(t, { options: ['-F', file], servers: [www1] });

  writeFileSync(file, 'blacklist 6\nblacklist soon\n');
  balancer.signal('SIGHUP');

  await until('the log names the line', () => /pen\.cfg:2: .*'soon'/.test(balancer.log()));
  assert.equal(await balancer.ask('blacklist'), '5');
  assert.equal((await get(balancer.port)).body, 'www1');
});

test('pen writes the status page to the -w file on USR1', async (t) => {
  const page = join(scratch(t), 'status.html');
  const balancer = await pen(t, { options: ['-w', page], servers: ['127.0.0.1:1'] });

  balancer.signal('SIGUSR1');

  await until('the page is there', () => existsSync(page) && /<\/html>\s*$/i.test(readFileSync(page, 'utf8')));
});

test('pen writes statistics to standard error on USR1 without -w', async (t) => {
  const balancer = await pen(t, { servers: ['127.0.0.1:7'] });
  balancer.signal('SIGUSR1');
  await until('the server is named', () => balancer.log().includes('127.0.0.1'));
});

test('pen -X ends with status 0 on the control command exit', async (t) => {
  const balancer = await pen(t, { options: ['-X'], servers: ['127.0.0.1:1'] });
  await balancer.ask('exit').catch(() => '');
  assert.equal((await balancer.ended).status, 0);
});

test('bin/pen ignores USR1 and HUP while the program is being loaded, and opens no inspector', {
  skip: process.platform === 'win32',
}, (t) => {
  // The real bin/pen, with a program beside it that is sent both signals in the middle of its loading.
  const folder = scratch(t);
  for (const path of ['bin', 'dist/src/cli']) mkdirSync(join(folder, path), { recursive: true });
  copyFileSync(fromCheckout('bin/pen'), join(folder, 'bin/pen'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const program = `import { setTimeout } from 'node:timers/promises';
    import { url } from 'node:inspector';
    for (const signal of ['SIGUSR1', 'SIGHUP']) process.kill(process.pid, signal);
    await setTimeout(200);
    export const main = async (words) => console.log(words, url());`;
  writeFileSync(join(folder, 'dist/src/cli/pen.js'), program);

  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'bin/pen'), 'a', 'b'], {
    encoding: 'utf8',
  });

  assert.deepEqual([status, signal, stdout, stderr], [0, null, "[ 'a', 'b' ] undefined\n", '']);
});

/** A file of the checkout, wherever below it the build lies. */
function fromCheckout(path: string): URL {
  let folder = new URL('./', import.meta.url);
  while (!existsSync(new URL('package.json', folder))) folder = new URL('../', folder);
  return new URL(path, folder);
}

test('pen -f goes on, and is idle, when whoever read its log has gone', {
  skip: process.platform === 'linux' ? false : 'counts CPU time by /proc',
}, async (t) => {
  const www1 = await backend(t, { name: 'www1' });
  const balancer = await pen(t, {
    servers: [www1],
    before: ['bash', '-c', 'exec "$@" 2> >(head -n1 >&2)', 'bash'],
  });
  const cpuTicks = () => {
    const fields = readFileSync(`/proc/${balancer.pid}/stat`, 'utf8').split(' ');
    return Number(fields[13]) + Number(fields[14]);
  };

  for (const _ of [1, 2, 3]) {
    balancer.signal('SIGUSR1');
    assert.equal((await get(balancer.port)).body, 'www1');
  }

  const before = cpuTicks();
  await sleep(1000);
  // Lines about lines that could not be written would take half a core; 100 ticks are a second.
  assert.ok(cpuTicks() - before < 25);
});
