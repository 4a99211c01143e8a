/** One log for all web servers: nginx's own lines, with the clients' addresses that only pen knows. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nginx } from '../support/nginx.js';
import { pen } from '../support/pen.js';
import { run } from '../support/process.js';
import { daemon, find, freePort, missing, output } from '../support/program.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';
import { countLines, faultsOf, penlogd, penlogPipe, visit } from '../support/weblog.js';

const skip = missing('nginx', 'mkfifo') || missing('penlogd', 'mergelogs', 'pen');
const EACH = 200;

for (const [engine, visitors] of [
  ['uring', 50],
  ['epoll', 5],
  ['node', 5],
] as const) {
  const all = visitors * EACH;

  test(`${engine}: nginx, penlog and penlogd give ${all} of ${all} lines the client's address`, { skip }, async (t) => {
    const folder = scratch(t);
    const merged = join(folder, 'merged');
    const { port } = await penlogd(t, merged);
    const accessLog = penlogPipe(t, folder, port);
    const sites = [await nginx(t, 'one', { accessLog: `${accessLog}; access_log ${folder}/nginx.log` })];
    const toPenlogd = await pen(t, { engine, threads: 2, options: ['-l', `127.0.0.1:${port}`], servers: sites });

    const clients = await visit(toPenlogd.port, visitors, EACH);

    await until('all lines are there', () => countLines(merged) >= all);
    assert.deepEqual(faultsOf(readFileSync(merged, 'latin1'), clients).slice(0, 5), []);
  });

  test(`${engine}: mergelogs finds the client of ${all} of ${all} requests to two sites`, { skip }, async (t) => {
    const folder = scratch(t);
    const penLog = join(folder, 'pen.log');
    const files = [join(folder, 'one.log'), join(folder, 'two.log')];
    const sites = [await nginx(t, 'one', { accessLog: files[0] }), await nginx(t, 'two', { accessLog: files[1] })];
    const balancer = await pen(t, { engine, threads: 2, options: ['-r', '-l', penLog], servers: sites });

    const clients = await visit(balancer.port, visitors, EACH);

    await until('pen has written its lines', () => countLines(penLog) >= all);
    const operands = ['-p', penLog, ...files.map((file) => `127.0.0.1:${file}`)];
    const ours = await run('mergelogs', operands);
    assert.deepEqual([ours.status, ours.stderr], [0, '']);
    assert.deepEqual(faultsOf(ours.stdout, clients).slice(0, 5), []);
    // C Pen's merges our pen's log too.
    assert.deepEqual(faultsOf(await output('mergelogs', operands), clients).slice(0, 5), []);
  });
}

test("C Pen's lines feed our penlogd: every request has its client", { skip }, async (t) => {
  const folder = scratch(t);
  const merged = join(folder, 'merged');
  const { port } = await penlogd(t, merged);
  const site = await nginx(t, 'one', { accessLog: penlogPipe(t, folder, port) });
  const listen = await freePort();
  await daemon(t, find('pen') as string, ['-f', '-l', `127.0.0.1:${port}`, `127.0.0.1:${listen}`, site.address], {
    port: listen,
  });

  const clients = await visit(listen, 20, 50);

  // The probe that waited for pen to listen asked for nothing, so no line is its.
  await until('all lines are there', () => countLines(merged) >= 1000);
  assert.deepEqual(faultsOf(readFileSync(merged, 'latin1'), clients).slice(0, 5), []);
});

test("our pen's lines feed C Pen's penlogd: every request has its client", { skip }, async (t) => {
  const folder = scratch(t);
  const merged = join(folder, 'merged');
  const { port } = await penlogd(t, merged, 'debian');
  const site = await nginx(t, 'one', { accessLog: penlogPipe(t, folder, port) });
  const balancer = await pen(t, { threads: 2, options: ['-l', `127.0.0.1:${port}`], servers: [site] });

  const clients = await visit(balancer.port, 20, 50);

  await until('all lines are there', () => countLines(merged) >= 1000);
  assert.deepEqual(faultsOf(readFileSync(merged, 'latin1'), clients).slice(0, 5), []);
});

test("C Pen's penlog feeds our penlogd", { skip }, async (t) => {
  const merged = join(scratch(t), 'merged');
  const { port } = await penlogd(t, merged);

  const child = spawn(find('penlog') as string, ['127.0.0.1', String(port)], { stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = new Promise((resolve) => child.on('close', resolve));
  child.stdin.end('+ 2001:db8::7 127.0.0.1 GET /a HTTP/1.1\n127.0.0.1 - - [x] "GET /a HTTP/1.1" 200 5\n');
  await ended;

  await until('the line is there', () => countLines(merged) === 1);
  assert.equal(readFileSync(merged, 'latin1'), '2001:db8::7 - - [x] "GET /a HTTP/1.1" 200 5\n');
});
