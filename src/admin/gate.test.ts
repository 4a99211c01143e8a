/** Who may ask the admin port. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratch, startedService } from '../control/control.suite.js';
import { admin, ask, post, TOKEN } from './admin.suite.js';
import { isOwnHost } from './gate.js';

test('requests of other sites are refused, by Origin, by Sec-Fetch-Site and by Host', async (t) => {
  const { port } = await admin(t);
  const own = `127.0.0.1:${port}`;
  for (const [headers, status] of [
    [{ origin: `http://${own}` }, 200],
    [{ origin: 'http://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: `http://127.0.0.1:${port + 1}` }, 403],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ 'sec-fetch-site': 'same-origin' }, 200],
    [{ host: 'evil.example' }, 421],
    [{ host: `evil.example:${port}` }, 421],
    [{ host: `localhost:${port}` }, 200],
    [{ host: `[::1]:${port}` }, 200],
  ] as const) {
    const answer = await post(port, 'blacklist', { arguments: [3] }, headers as Record<string, string>);
    assert.equal(answer.status, status, JSON.stringify(headers));
    assert.equal((await ask(port, '/api/v1/status', { headers })).status, status, JSON.stringify(headers));
  }
});

test('a link on another page leads to the dashboard, but not to anything that is asked by a token', async (t) => {
  const { port } = await admin(t);
  const followed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  for (const [path, headers, status] of [
    ['/', followed, 200],
    ['/', { ...followed, 'sec-fetch-dest': 'iframe' }, 403],
    ['/main.js', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' }, 403],
    ['/api/v1/servers', followed, 403],
    ['/metrics', followed, 403],
  ] as const) {
    assert.equal((await ask(port, path, { headers })).status, status, `${path} ${JSON.stringify(headers)}`);
  }
});

test('isOwnHost takes addresses and localhost only', () => {
  for (const host of ['localhost', 'LOCALHOST:80', '10.1.2.3', '10.1.2.3:80', '[::1]', '[2001:db8::1]:80']) {
    assert.equal(isOwnHost(host), true, host);
  }
  for (const host of ['', 'localhost.evil.example', '127.0.0.1.nip.io', 'a', '[::1].x', '::1.x:80']) {
    assert.equal(isOwnHost(host), false, host);
  }
});

test('with a token the API asks for it, the probes and the pages do not', async (t) => {
  const file = join(scratch(t), 'token');
  writeFileSync(file, `${TOKEN}\n`);
  const { port } = await admin(t, [`admin_token ${file}`]);
  const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
  for (const path of ['/healthz', '/readyz', '/', '/style/theme.css'])
    assert.equal((await ask(port, path)).status, 200, path);
  for (const path of ['/metrics', '/api/v1/servers', '/api/v1/live', '/openapi.json', '/nowhere']) {
    const { status, headers } = await ask(port, path);
    assert.deepEqual([status, headers['www-authenticate']], [401, 'Bearer realm="pen"'], path);
  }
  assert.equal((await ask(port, '/metrics', bearer(TOKEN))).status, 200);
  assert.equal((await ask(port, '/metrics', bearer(`${TOKEN}x`))).status, 401);
  assert.equal(
    (await post(port, 'blacklist', {}, { authorization: `Bearer ${TOKEN}`, host: 'pen.example' })).status,
    200,
  );
});

test('who guesses tokens is made to wait, and keeps nobody out who has the right one', async (t) => {
  const file = join(scratch(t), 'token');
  writeFileSync(file, TOKEN);
  const { port, clock } = await admin(t, [`admin_token ${file}`]);
  const guess = async (token: string) =>
    (await ask(port, '/api/v1/servers', { headers: { authorization: `Bearer ${token}` } })).status;
  for (let n = 0; n < 12; n++) assert.equal((await ask(port, '/metrics')).status, 401, 'none is no wrong one');
  const statuses: number[] = [];
  for (let n = 0; n < 12; n++) statuses.push(await guess(`wrong-${n}`));
  assert.deepEqual(statuses, [...Array(10).fill(401), 429, 429]);
  assert.equal(await guess(TOKEN), 200, 'at the same address, as everybody behind one proxy is');
  assert.equal(await guess(`${TOKEN}x`), 429);
  clock.monotonicMs += 6000;
  assert.deepEqual([await guess(`${TOKEN}x`), await guess(TOKEN)], [401, 200]);
});

test('admin off this host needs a token, at the start and at run time', async (t) => {
  const { service } = await admin(t);
  const reply = await service.execute('admin 0.0.0.0:0', 'unix');
  assert.match(
    reply,
    /^error: admin: other hosts could command pen at '0\.0\.0\.0:0' \(set admin_token FILE first\)\n$/,
  );
  assert.equal(service.adminEndpoint !== undefined, true);
  await assert.rejects(
    startedService(t, { commands: [{ option: '-O', line: 'admin 0.0.0.0:0' }] }),
    /other hosts could command pen at/,
  );
});

test('admin_token refuses what is no token, without showing it', async (t) => {
  const { service } = await startedService(t);
  const file = join(scratch(t), 'token');
  writeFileSync(file, 'short');
  const reply = await service.execute(`admin_token ${file}`, 'unix');
  assert.match(reply, /^error: admin_token: '.*' holds no token \(16 to 512/);
  assert.doesNotMatch(reply, /short/);
  assert.match(await service.execute('admin_token /nonexistent', 'unix'), /ENOENT/);
  assert.match(await service.execute(`admin_token ${file}`, 'tcp'), /not allowed over TCP/);
});
