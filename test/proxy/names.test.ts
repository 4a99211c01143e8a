import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { type Backend, tcpBackend } from '../support/backend.js';
import { atEnd, type Scene } from '../support/ending.js';
import { pen } from '../support/pen.js';
import { within } from '../support/wait.js';
import { hear, onEachEngine, say, visitor } from './engines.js';

/** Says its name, and then all that it gets. */
const named = (t: Scene, name: string): Promise<Backend> =>
  tcpBackend(t, {
    name,
    serve: (socket) => socket.once('data', (chunk) => socket.write(Buffer.concat([Buffer.from(`${name}:`), chunk]))),
  });

const ROUTES = [
  'server 0 name www.example.com',
  'server 1 name *.example.com',
  'server 2 name www.example.com,shop.example.org',
];

async function scene(t: Scene, engine: string, options: readonly string[] = []) {
  const servers = [await named(t, 'www'), await named(t, 'wild'), await named(t, 'both'), await named(t, 'rest')];
  const commands = ['peek', ...ROUTES, ...options].flatMap((line) => ['-O', line]);
  return pen(t, { engine, options: ['-r', ...commands], servers });
}

const head = (host: string): string => `GET / HTTP/1.1\r\n${host === '' ? '' : `Host: ${host}\r\n`}\r\n`;

onEachEngine(
  'peek: the Host of a request chooses the servers, in any pieces, and the request arrives whole',
  async (t, engine) => {
    const balancer = await scene(t, engine);
    const cases: ReadonlyArray<readonly [string, RegExp]> = [
      ['WWW.Example.com:8080', /^(www|both)$/],
      ['a.b.example.com', /^wild$/],
      ['example.com', /^rest$/],
      ['shop.example.org', /^both$/],
      ['other', /^rest$/],
      ['', /^rest$/],
    ];
    for (const [host, want] of cases) {
      const answer = await say(await visitor(t, balancer), head(host));
      assert.match(answer.slice(0, answer.indexOf(':')), want, host);
      assert.equal(answer.slice(answer.indexOf(':') + 1), head(host));
    }
    const turns = [];
    for (let i = 0; i < 4; i++)
      turns.push((await say(await visitor(t, balancer), head('www.example.com'))).slice(0, 3));
    assert.deepEqual(turns.sort(), ['bot', 'bot', 'www', 'www']);
    const slow = await visitor(t, balancer);
    slow.setNoDelay(true);
    for (const letter of head('shop.example.org')) {
      slow.write(letter);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(await hear(slow), `both:${head('shop.example.org')}`);
    const half = await visitor(t, balancer);
    half.end('no request');
    assert.equal(await hear(half), 'rest:no request');
  },
);

onEachEngine('peek: the server name of a TLS client chooses, and its bytes pass as they are', async (t, engine) => {
  const balancer = await scene(t, engine);
  for (const [name, want] of [
    ['shop.example.org', 'both'],
    ['x.example.com', 'wild'],
    ['elsewhere.example', 'rest'],
  ] as const) {
    const raw = await visitor(t, balancer);
    const hello = await helloOf(t, name);
    for (let at = 0; at < hello.length; at += 50) {
      raw.write(hello.subarray(at, at + 50));
      await new Promise((resolve) => setImmediate(resolve));
    }
    raw.setEncoding('latin1');
    assert.equal(await hear(raw), `${want}:${hello.toString('latin1')}`);
  }
});

onEachEngine(
  'peek: with http, the first request chooses; servers that are down are passed over within their group',
  async (t, engine) => {
    const balancer = await scene(t, engine, ['http', 'server 0 port 1']);
    for (let i = 0; i < 4; i++) {
      const answer = await say(await visitor(t, balancer), head('www.example.com'));
      assert.match(answer, /^both:GET \/ HTTP\/1\.1\r\nHost: www\.example\.com\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/);
    }
  },
);

onEachEngine('peek: who does not say enough in time or in 16 kB is closed', async (t, engine) => {
  const balancer = await scene(t, engine, ['head_timeout 1']);
  const silent = await visitor(t, balancer);
  assert.equal(await hear(silent), 'end');
  const long = await visitor(t, balancer);
  long.write(`GET / HTTP/1.1\r\nA: ${'x'.repeat(100_000)}`);
  assert.match(await hear(long), /^(end|ECONNRESET)$/);
  assert.match(await balancer.ask('refusals'), /peek_too_slow 1\npeek_too_long 1\n/);
});

async function helloOf(t: Scene, servername: string): Promise<Buffer> {
  const catcher = await tcpBackend(t, { serve: (socket) => socket.once('data', (chunk) => found(chunk as Buffer)) });
  let found: (hello: Buffer) => void = () => {};
  const hello = new Promise<Buffer>((resolve) => {
    found = resolve;
  });
  const client = connect({ port: catcher.port, host: '127.0.0.1', servername });
  client.on('error', () => {});
  atEnd(t, () => client.destroy());
  void once(client, 'close');
  return within('a ClientHello', hello);
}
