/** The admin port: what it answers, and where it is. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratch } from '../control/control.suite.js';
import { ipEndpoint } from '../core/address.js';
import { admin, ask } from './admin.suite.js';
import { AdminServer } from './admin-server.js';
import { Paced } from './paced.js';

test('the admin port answers probes, pages, metrics and the API', async (t) => {
  const { port } = await admin(t);
  for (const [path, type, part] of [
    ['/healthz', 'text/plain', 'ok'],
    ['/readyz', 'text/plain', 'ready: 2 servers'],
    ['/', 'text/html; charset=utf-8', '<title>Pen</title>'],
    ['/main.js', 'text/javascript; charset=utf-8', 'import'],
    ['/uplot.js', 'text/javascript; charset=utf-8', 'export'],
    ['/metrics', 'text/plain; version=0.0.4; charset=utf-8', 'pen_server_up{'],
    ['/openapi.json', 'application/json', '"openapi":"3.1.0"'],
    ['/api/v1/servers', 'application/json', '"server":0'],
    ['/api/v1/explain?argument=10.0.0.1', 'application/json', '"client":"10.0.0.1"'],
    ['/api/v1/explain?argument=server&argument=1', 'application/json', '"server":1'],
    ['/api/v1/history?seconds=10&step=1', 'application/json', '"times":'],
  ] as const) {
    const { status, headers, text } = await ask(port, path);
    assert.deepEqual([status, headers['content-type']], [200, type], path);
    assert(text.includes(part), `${path}: ${text.slice(0, 200)}`);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['access-control-allow-origin'], undefined);
  }
});

test('pages run nothing that did not come from pen', async (t) => {
  const { port } = await admin(t);
  const { headers, text } = await ask(port, '/');
  const policy = String(headers['content-security-policy']);
  assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|https?:/);
  assert.doesNotMatch(text, /<script>|<style|\son[a-z]+=|\sstyle=|https?:\/\//);
});

test('readyz counts one server as one', async (t) => {
  const { port, service } = await admin(t);
  await service.execute('drain 0', 'unix');
  assert.equal((await ask(port, '/readyz')).text, 'ready: 1 server\n');
});

test('readyz says when no server takes connections', async (t) => {
  const { port, service } = await admin(t);
  await service.execute('drain 0', 'unix');
  await service.execute('server 1 blacklist 5', 'unix');
  assert.deepEqual((await ask(port, '/readyz')).status, 503);
  assert.deepEqual((await ask(port, '/healthz')).status, 200);
});

test('a health check of HTTP/1.0 need not name a host', async (t) => {
  const { port } = await admin(t);
  const socket = connect(port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.end('GET /readyz HTTP/1.0\r\n\r\n');
  const [answer] = await once(socket.setEncoding('utf8'), 'data');
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
});

test('Paced makes a thing once for all who ask at about the same time', async () => {
  let nowMs = 0;
  let made = 0;
  let finish = () => {};
  const paced = new Paced(
    () =>
      new Promise<number>((resolve) => {
        made += 1;
        const mine = made;
        finish = () => resolve(mine);
      }),
    () => nowMs,
  );
  const asked = [paced.get(), paced.get()];
  nowMs = 100;
  asked.push(paced.get());
  finish();
  assert.deepEqual(await Promise.all(asked), [1, 1, 1]);
  nowMs = 499;
  assert.equal(await paced.get(), 1, 'it took 0.1 s, so it is good for 0.4 s');
  nowMs = 500;
  const next = paced.get();
  nowMs = 1500;
  finish();
  assert.equal(await next, 2);
  nowMs = 2499;
  assert.equal(await paced.get(), 2, 'it took a second, and is good for one more');
  nowMs = 2500;
  const last = paced.get();
  finish();
  assert.equal(await last, 3);
});

test('admin moves, is closed and says where it is', async (t) => {
  const { service, port } = await admin(t);
  assert.equal(await service.execute('admin', 'tcp'), `127.0.0.1:${port}\n`);
  const path = join(scratch(t), 'admin');
  assert.match(await service.execute(`admin ${path}`, 'tcp'), /not allowed over TCP/);
  assert.equal(await service.execute(`admin ${path}`, 'unix'), `${path}\n`);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await assert.rejects(ask(port, '/healthz'), { code: 'ECONNREFUSED' });
  const { status } = await ask(0, '/healthz', { socketPath: path, port: undefined });
  assert.equal(status, 200);
  const { endpoint } = await AdminServer.listen(ipEndpoint([0, 0, 0xffff, 0x7f000001], 0), service).then((other) => {
    t.after(() => other.close());
    return other;
  });
  assert(endpoint.kind === 'ip');
  assert.match(
    await service.execute(`admin ${endpoint.port}`, 'unix'),
    /^error: admin: cannot listen for admin on .*EADDRINUSE/,
  );
  assert.equal(await service.execute('admin', 'unix'), `${path}\n`, 'the old one stays');
  assert.equal(await service.execute('no admin', 'unix'), '');
  assert.equal(service.adminEndpoint, undefined);
});
