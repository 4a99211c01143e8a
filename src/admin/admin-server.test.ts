/** The admin port: what it answers, to whom, and what it bears. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { Agent, type ClientRequestArgs, type IncomingHttpHeaders, request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { scratch, startedService } from '../control/control.suite.js';
import { commands } from '../control/language.js';
import type { Service } from '../control/service.js';
import { ipEndpoint } from '../core/address.js';
import { AdminServer } from './admin-server.js';
import { MAX_BODY_BYTES } from './body.js';
import { isOwnHost } from './gate.js';
import { openApiDocument } from './openapi.js';
import { Paced } from './paced.js';
import { limitKey, RateLimit } from './rate-limit.js';

const TOKEN = 'a-token-of-some-length';

interface Scene {
  after(end: () => unknown): void;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A service with an admin port of its own on 127.0.0.1. */
async function admin(t: Scene, commandsAtStart: readonly string[] = []) {
  const scene = await startedService(
    t,
    { commands: ['admin 0', ...commandsAtStart].map((line) => ({ option: '-O', line })) },
    { openAdmin: (endpoint, service) => AdminServer.listen(endpoint, service, { headerMs: 300, silenceMs: 1000 }) },
  );
  return { ...scene, port: portOf(scene.service) };
}

function portOf(service: Service): number {
  const endpoint = service.adminEndpoint;
  assert(endpoint?.kind === 'ip');
  return endpoint.port;
}

function ask(port: number, path: string, options: ClientRequestArgs & { body?: string } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path, agent: false, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      response.on('error', reject);
    });
    asking.on('error', reject);
    asking.end(options.body);
  });
}

function post(port: number, name: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return ask(port, `/api/v1/commands/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

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

test('every command of penctl can be given over HTTP, with the reply that penctl gets', async (t) => {
  const { port, service } = await admin(t);
  assert.deepEqual(JSON.parse((await post(port, 'blacklist', { arguments: [7] })).text), { reply: '7\n' });
  assert.deepEqual(JSON.parse((await post(port, 'server', { arguments: [1, 'weight', '9'] })).text), { reply: '' });
  assert.equal(service.setup.configuration.servers[1]?.weight, 9);
  assert.deepEqual((await post(port, 'hash', {})).status, 200);
  assert.deepEqual((await post(port, 'no-hash', {})).status, 200);
  assert.equal(service.setup.configuration.settings.hash, false);
  const { data } = JSON.parse((await post(port, 'servers', {})).text);
  assert.equal(data[1].weight, 9);
  const document = openApiDocument() as { paths: Record<string, unknown> };
  for (const { name, section } of commands) {
    const path = `/api/v1/commands/${name.replaceAll(' ', '-')}`;
    assert.equal(path in document.paths, section !== 'Later', path);
  }
});

test('docs/openapi.json is what the table of commands gives', () => {
  const file = new URL('../../../docs/openapi.json', import.meta.url);
  // A difference of 7,000 lines would hide what to do.
  const isCurrent = isDeepStrictEqual(JSON.parse(readFileSync(file, 'utf8')), openApiDocument());
  assert(isCurrent, 'docs/openapi.json is out of date (npm run build && node scripts/openapi.js)');
});

type WrongRequest = readonly [name: string, command: string, body: unknown, status: number, error: RegExp];

const wrongRequests: readonly WrongRequest[] = [
  ['an unknown command', 'format', {}, 404, /no such command/],
  ['a command of later', 'ascii', {}, 404, /no such command/],
  ['a wrong argument', 'server', { arguments: [0, 'weight', 'x'] }, 400, /^server: expected a number/],
  ['two words in one', 'server', { arguments: ['0 weight 5'] }, 400, /one word/],
  ['a line break', 'blacklist', { arguments: ['5\nexit'] }, 400, /one word/],
  ['a comment', 'blacklist', { arguments: ['#'] }, 400, /one word/],
  ['an object as argument', 'blacklist', { arguments: [{}] }, 400, /a word or a number/],
  ['arguments that are no list', 'blacklist', { arguments: 5 }, 400, /a list/],
  ['something else', 'blacklist', { argument: [5] }, 400, /nothing else/],
  ['no object', 'blacklist', [], 200, /^$/],
  ['null', 'blacklist', 'null', 400, /expected an object/],
  ['no JSON', 'blacklist', '{', 400, /no JSON/],
  ['too much', 'blacklist', 'x'.repeat(MAX_BODY_BYTES + 1), 413, /longer than/],
  ['a file over TCP', 'write', { arguments: ['/tmp/pen-must-not-be'] }, 400, /not allowed over TCP/],
];

for (const [name, command, body, status, error] of wrongRequests) {
  test(`the API refuses ${name} and changes nothing`, async (t) => {
    const { port, service } = await admin(t);
    const before = service.setup;
    const answer = await post(port, command, body);
    assert.equal(answer.status, status, answer.text);
    assert.match(JSON.parse(answer.text).error ?? '', error);
    assert.equal(service.setup, before);
  });
}

test('the API refuses wrong methods and types', async (t) => {
  const { port } = await admin(t);
  const got = await ask(port, '/api/v1/commands/blacklist');
  assert.deepEqual([got.status, got.headers.allow], [405, 'POST']);
  assert.equal((await ask(port, '/api/v1/servers', { method: 'DELETE' })).status, 405);
  assert.equal((await ask(port, '/api/v1/blacklist')).status, 404);
  assert.equal((await ask(port, '/../package.json')).status, 404);
  assert.equal((await ask(port, '/%2e%2e/package.json')).status, 404);
  assert.equal((await ask(port, '/api/v1/history?seconds=99999')).status, 400);
  // What a form of another site can send.
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data']) {
    assert.equal((await post(port, 'blacklist', { arguments: [1] }, { 'content-type': type })).status, 415, type);
  }
});

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

test('strangers who hold every connection shut nobody out who has the token', async (t) => {
  const file = join(scratch(t), 'token');
  writeFileSync(file, TOKEN);
  const { port } = await admin(t, [`admin_token ${file}`]);
  const headers = { authorization: `Bearer ${TOKEN}` };
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const askAgain = async () => (await ask(port, '/api/v1/status', { headers, agent })).status;
  assert.equal(await askAgain(), 200);
  const [mine] = Object.values(agent.freeSockets).flat();
  const strangers = Array.from({ length: 80 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  t.after(() => {
    for (const stranger of strangers) stranger.destroy();
  });
  await Promise.all(strangers.slice(0, 40).map((stranger) => once(stranger, 'close')));
  assert.equal(await askAgain(), 200);
  assert.equal(Object.values(agent.freeSockets).flat()[0], mine, 'on the connection that it had');
  assert.equal((await ask(port, '/api/v1/status', { headers })).status, 200, 'on another one');
});

test('who reads no answer and who looks on forever leave room for others', async (t) => {
  const { port } = await admin(t);
  const lazy = Array.from({ length: 40 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  t.after(() => {
    for (const socket of lazy) socket.destroy();
  });
  for (const socket of lazy) {
    socket.write('GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n');
    // One that was turned away before it asked ends with an error of its own.
    await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
    socket.pause();
  }
  assert.equal((await ask(port, '/healthz')).status, 200);
  assert.equal((await ask(port, '/api/v1/live')).status, 503);
});

test('streams that were asked for one behind another leave with their connection', async (t) => {
  const { port } = await admin(t);
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  socket.write('GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(40));
  const watch = () =>
    new Promise<number | undefined>((resolve, reject) => {
      const asking = request({ host: '127.0.0.1', port, path: '/api/v1/live', agent: false }, (response) => {
        resolve(response.on('error', () => {}).resume().statusCode);
      });
      t.after(() => asking.destroy());
      asking.on('error', reject).end();
    });
  while ((await watch()) !== 503);
  socket.destroy();
  // Too many in vain are 429.
  for (let watching = 0; watching < 16; ) {
    const status = await watch();
    assert(status === 200 || status === 503, `${status} after ${watching}`);
    if (status === 200) watching++;
  }
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

test('a frame of very many servers has those that are not well, and counts all', async (t) => {
  const { port, service } = await admin(t);
  await service.execute('server 1999 address 127.0.0.1 port 9', 'unix');
  const lines = Array.from({ length: 1500 }, (_, slot) => `server ${slot} address 127.0.0.1 port ${slot + 1}`);
  for (const line of lines) await service.execute(line, 'unix');
  await service.execute('server 1999 blacklist 60', 'unix');
  const frame = await new Promise<{ counts: object; servers: { server: number }[] }>((resolve, reject) => {
    const asking = request({ host: '127.0.0.1', port, path: '/api/v1/live' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
        if (!text.includes('\n\n')) return;
        asking.destroy();
        resolve(JSON.parse(text.slice(text.indexOf('{'), text.indexOf('\n\n'))));
      });
    });
    asking.on('error', reject).end();
  });
  assert.deepEqual(frame.counts, { servers: 1501, up: 1500 });
  assert.deepEqual([frame.servers.length, frame.servers[0]?.server, frame.servers[1]?.server], [1000, 1999, 0]);
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

test('a stream brings a frame at once, another when something happens, and ends with the port', async (t) => {
  const { port, service, plane, clock } = await admin(t);
  let text = '';
  const ended = new Promise<void>((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/api/v1/live' }, (response) => {
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', resolve);
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
  const frames = () =>
    text
      .split('\n\n')
      .slice(0, -1)
      .map((block) => JSON.parse(block.replace('event: frame\ndata: ', '')));
  const until = async (what: string, isSo: () => boolean) => {
    for (let tries = 0; !isSo(); tries++) {
      assert(tries < 500, `waited in vain for ${what}: ${text}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await until('the first frame', () => frames().length > 0);
  assert.deepEqual(Object.keys(frames()[0]), ['summary', 'counts', 'servers', 'point', 'events']);
  assert.equal(frames()[0].servers[1].address, '127.0.0.1:8002');
  plane.servers.setBlacklistedUntil(1, clock.monotonicMs + 5000);
  service.observer.look();
  await until('the news', () => frames().some(({ events }) => /blacklisted/.test(events.at(-1)?.text)));
  assert.equal(frames().at(-1).servers[1].state, 'blacklisted');
  await service.execute('no admin', 'unix');
  await ended;
});

test('slow and malformed requests are ended, the port stays open', async (t) => {
  const { port } = await admin(t);
  const endOf = (bytes: string) =>
    new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
      socket.setEncoding('latin1').on('data', (chunk) => {
        text += chunk;
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(text));
    });
  const answers = await Promise.all([
    endOf('GET / HTTP/1.1\r\nHost: local'),
    endOf('\x16\x03\x01\x02\x00'),
    endOf(`GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`),
    endOf('GET http://[ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
  ]);
  assert.deepEqual(
    answers.map((answer) => answer.slice(9, 12)),
    ['408', '400', '431', '400'],
  );
  assert.equal((await ask(port, '/healthz')).status, 200);
});

test('RateLimit lets a burst through, fills up again, and keeps a bounded number of addresses', () => {
  let nowMs = 0;
  const limit = new RateLimit({ burst: 3, perSecond: 2, nowMs: () => nowMs });
  const take = (address: string) => limit.take(address);
  assert.deepEqual([take('a'), take('a'), take('a'), take('a'), take('b')], [true, true, true, false, true]);
  nowMs = 500;
  assert.deepEqual([take('a'), take('a')], [true, false]);
  for (let n = 0; n < 10_000; n++) take(`x${n}`);
  assert.equal(take('a'), true, 'long forgotten');
});

test('limitKey takes an IPv6 network for one', () => {
  for (const [address, key] of [
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ] as const) {
    assert.equal(limitKey(address), key);
  }
});
