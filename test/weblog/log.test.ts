/** What pen's own log says of what clients do, on every engine, while it is moved, rotated and cut off. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { onEachEngine } from '../proxy/engines.js';
import { backend, tcpBackend } from '../support/backend.js';
import { dial, exchange, get } from '../support/client.js';
import { datagramClient, datagramServer } from '../support/datagram.js';
import { pen } from '../support/pen.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';

function linesOf(file: string): string[] {
  return existsSync(file) ? readFileSync(file, 'latin1').split('\n').slice(0, -1) : [];
}

onEachEngine("pen -l has C Pen's line for each request and one for what is not HTTP", async (t, engine) => {
  const file = join(scratch(t), 'log');
  const www = await backend(t);
  const balancer = await pen(t, { engine, options: ['-l', file], servers: [www] });
  const before = Math.floor(Date.now() / 1000);

  await get(balancer.port, { path: '/a', from: '127.0.0.9' });
  await exchange(balancer.port, 'hello \x1b[31m"\xff\r\nmore\r\n');
  await exchange(balancer.port, '');

  await until('three lines', () => linesOf(file).length === 3);
  const lines = linesOf(file).map((line) => /^(\S+) (\d+) (.*)$/.exec(line) ?? []);
  assert.deepEqual(
    lines.map(([, client, , rest]) => `${client} ${rest}`),
    // ÿ is two bytes of UTF-8.
    ['127.0.0.9 127.0.0.1 GET /a HTTP/1.1', '127.0.0.1 127.0.0.1 hello .[31m"..', '127.0.0.1 127.0.0.1 -'],
  );
  for (const [, , time] of lines) assert.ok(Number(time) >= before && Number(time) <= Date.now() / 1000);
});

onEachEngine('log_format json tells how connections ended', async (t, engine) => {
  const file = join(scratch(t), 'log');
  const echo = await tcpBackend(t);
  const rude = await tcpBackend(t, { serve: (socket) => void socket.once('data', () => socket.resetAndDestroy()) });
  const quiet = await tcpBackend(t, { serve: (socket) => void socket.end('bye\n') });
  const options = ['-l', file, '-O', 'log_format json', '-r'];
  const balancer = await pen(t, { engine, options, servers: [echo, rude, quiet] });

  // Turns begin with server 1.
  await exchange(balancer.port, 'x').catch(() => {});
  await exchange(balancer.port, '');
  const said = await exchange(balancer.port, 'one line\n');
  const ordered = await dial(balancer.port);
  ordered.on('error', () => {});
  await until('the fourth is relayed', async () => (await balancer.ask('connection 0')).includes('state = 2'));
  await balancer.ask('close 0');

  await until('four lines', () => linesOf(file).length === 4);
  const lines = linesOf(file).map((line) => JSON.parse(line));
  assert.equal(said.toString(), 'one line\n');
  assert.deepEqual(
    lines.map(({ type, client, end }) => [type, client, end]),
    [
      ['connection', '127.0.0.1', 'server_reset'],
      ['connection', '127.0.0.1', lines[1].end],
      ['connection', '127.0.0.1', 'client'],
      ['connection', '127.0.0.1', 'ordered'],
    ],
  );
  // Both sides end at once there.
  assert.ok(['client', 'server'].includes(lines[1].end));
  assert.deepEqual([lines[2].bytes_up, lines[2].bytes_down, lines[2].first_line], [9, 9, 'one line']);
  assert.equal(lines[2].server_port, echo.port);
  ordered.destroy();
});

onEachEngine('log_format clf has status and bytes of each answer', async (t, engine) => {
  const file = join(scratch(t), 'log');
  const www = await backend(t, {
    answer: (_request, response) => response.writeHead(404, { 'content-length': 3, date: 'x' }).end('no\n'),
  });
  const balancer = await pen(t, { engine, options: ['-l', file, '-O', 'log_format clf'], servers: [www] });
  await get(balancer.port, { path: '/%22' });
  await until('a line', () => linesOf(file).length === 1);
  assert.match(
    linesOf(file)[0],
    /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/%22 HTTP\/1\.1" 404 \d{2,3}$/,
  );
});

onEachEngine('HUP 100 times under load: every line is there exactly once', async (t, engine) => {
  const folder = scratch(t);
  const file = join(folder, 'log');
  const www = await backend(t);
  const balancer = await pen(t, { engine, threads: 2, options: ['-l', file], servers: [www] });
  let asked = 0;
  let isOver = false;
  const visitors = Array.from({ length: 4 }, async () => {
    while (!isOver) await get(balancer.port, { path: `/${asked++}` });
  });

  for (let turn = 0; turn < 100; turn++) {
    await until('there is a log', () => existsSync(file));
    renameSync(file, join(folder, `log.${turn}`));
    balancer.signal('SIGHUP');
    await sleep(10);
  }
  isOver = true;
  await Promise.all(visitors);

  const all = () => readdirSync(folder).flatMap((name) => linesOf(join(folder, name)));
  await until(`${asked} lines`, () => all().length >= asked);
  const pages = all().map((line) => Number(/GET \/(\d+) HTTP/.exec(line)?.[1]));
  assert.deepEqual(
    pages.sort((a, b) => a - b),
    Array.from({ length: asked }, (_, page) => page),
  );
  assert.ok(readdirSync(folder).length > 100, 'the log was opened anew each time');
});
onEachEngine('a UDP session has its line when it ends, and with pen its first datagram', async (t, engine) => {
  const folder = scratch(t);
  const server = await datagramServer(t);
  for (const format of ['json', 'pen']) {
    const file = join(folder, format);
    const options = ['-U', '-l', file, '-O', `log_format ${format}`, '-O', 'udp_timeout 1'];
    const balancer = await pen(t, { engine, options, servers: [server] });
    const client = await datagramClient(t, balancer.port);
    assert.equal(await client.ask('what\x1b?\nmore'), 'what\x1b?\nmore');
    assert.equal(await client.ask('again'), 'again');
    await until('the session has ended', async () => /conn 0 /.test(await balancer.ask('servers')));
    await until('a line', () => linesOf(file).length === 1);
  }
  const {
    type,
    client,
    server: address,
    server_port,
    first_line,
    bytes_up,
    bytes_down,
    end,
  } = JSON.parse(linesOf(join(folder, 'json'))[0]);
  assert.deepEqual([type, client, address, server_port], ['session', '127.0.0.1', '127.0.0.1', server.port]);
  assert.deepEqual([first_line, bytes_up, bytes_down, end], ['what\x1b?', 16, 16, 'idle']);
  assert.match(linesOf(join(folder, 'pen'))[0], /^127\.0\.0\.1 \d+ 127\.0\.0\.1 what\.\?$/);
});

test('pen goes on at full speed when the log is on a full disk, and says so once', {
  skip: !existsSync('/dev/full') && 'no /dev/full on this system',
}, async (t) => {
  const www = await backend(t, { name: 'www' });
  const balancer = await pen(t, { options: ['-l', '/dev/full'], servers: [www] });
  for (let i = 0; i < 50; i++) assert.equal((await get(balancer.port)).body, 'www');
  await until('a warning', () => balancer.log().includes('ENOSPC'));
  for (let i = 0; i < 50; i++) assert.equal((await get(balancer.port)).body, 'www');
  assert.equal(balancer.log().split('being lost').length - 1, 1);
  assert.match(await balancer.ask('events'), / lines for log file '\/dev\/full' are being lost: ENOSPC$/);
});

test('pen goes on when penlogd is gone, and says so once', async (t) => {
  const www = await backend(t, { name: 'www' });
  const balancer = await pen(t, { options: ['-l', '127.0.0.1:9'], servers: [www] });
  for (let i = 0; i < 50; i++) assert.equal((await get(balancer.port)).body, 'www');
  await until('a warning', () => balancer.log().includes('ECONNREFUSED'));
  for (let i = 0; i < 50; i++) assert.equal((await get(balancer.port)).body, 'www');
  assert.equal(balancer.log().split('being lost').length - 1, 1);
});

test('`log` moves the log at run time, answers where it is, and changes nothing when it cannot', async (t) => {
  const folder = scratch(t);
  const [first, second] = [join(folder, 'first'), join(folder, 'second')];
  const www = await backend(t);
  const balancer = await pen(t, { servers: [www] });
  assert.equal(await balancer.ask('log'), '');
  assert.equal(await balancer.ask(`log ${first}`), first);
  await get(balancer.port, { path: '/1' });
  assert.equal(await balancer.ask(`log ${second}`), second);
  await get(balancer.port, { path: '/2' });
  assert.match(await balancer.ask('log /nowhere/log'), /^error: log: cannot open log '\/nowhere\/log': ENOENT/);
  assert.equal(await balancer.ask('log'), second);
  assert.equal(await balancer.ask('log_format json'), 'json');
  await get(balancer.port, { path: '/3' });
  // It is told when the connection has ended, which a worker may hear of later than of `no log`.
  await until('the third is told', () => linesOf(second).some((line) => line.includes('/3')));
  assert.equal(await balancer.ask('no log'), '');
  await get(balancer.port, { path: '/4' });

  const [one, two] = [linesOf(first), linesOf(second)];
  assert.equal(one.length, 1);
  assert.match(one[0], /GET \/1 /);
  assert.match(two[0], /GET \/2 /);
  assert.deepEqual(JSON.parse(two[1]).request, 'GET /3 HTTP/1.1');
  assert.ok(![...one, ...two].some((line) => line.includes('/4')));
});

test('what pen has logged is in the file when it has ended', async (t) => {
  const file = join(scratch(t), 'log');
  const www = await backend(t);
  const balancer = await pen(t, { options: ['-l', file, '-O', 'log_format json'], servers: [www] });
  const open = await dial(balancer.port);
  open.on('error', () => {});
  const openPort = open.localPort;
  for (let i = 0; i < 20; i++) await get(balancer.port);
  await balancer.stop();
  open.destroy();
  const ends = linesOf(file).map((line) => JSON.parse(line));
  assert.equal(ends.filter(({ type }) => type === 'request').length, 20);
  const connections = ends.filter(({ type }) => type === 'connection');
  assert.equal(connections.length, 21);
  assert.equal(connections.find(({ client_port }) => client_port === openPort)?.end, 'ordered');
});

test('a line of the log is the client of its own connection, however slots are reused', async (t) => {
  const file = join(scratch(t), 'log');
  const www = await backend(t);
  const balancer = await pen(t, { options: ['-c', '1', '-l', file], servers: [www] });
  const first = await dial({ port: balancer.port, host: '127.0.0.1', localAddress: '127.0.0.11' });
  const say = (path: string) => void first.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const answer = () => new Promise((resolve) => first.once('data', resolve));
  say('/1');
  await answer();
  await get(balancer.port, { path: '/other', from: '127.0.0.22' });
  say('/2');
  await answer();
  first.destroy();
  await until('three lines', () => linesOf(file).length === 3);
  assert.deepEqual(
    linesOf(file).map((line) => line.replace(/^(\S+) .* (\S+) HTTP.*$/, '$1 $2')),
    ['127.0.0.11 /1', '127.0.0.22 /other', '127.0.0.11 /2'],
  );
});

test('requests that nobody can serve are told as such', async (t) => {
  const file = join(scratch(t), 'log');
  const balancer = await pen(t, { options: ['-l', file, '-O', 'log_format json'], servers: ['127.0.0.1:1'] });
  await new Promise((resolve) => {
    request({ port: balancer.port, host: '127.0.0.1' }).on('error', resolve).end();
  });
  await balancer.ask('acl 1 deny 127.0.0.0 255.0.0.0');
  await balancer.ask('client_acl 1');
  await new Promise((resolve) => {
    request({ port: balancer.port, host: '127.0.0.1' }).on('error', resolve).end();
  });
  await until('two lines', () => linesOf(file).length === 2);
  assert.deepEqual(
    linesOf(file).map((line) => {
      const { server, end } = JSON.parse(line);
      return [server, end];
    }),
    [
      [null, 'no_server'],
      [null, 'denied'],
    ],
  );
});
