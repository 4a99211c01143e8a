import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { type Backend, tcpBackend } from '../support/backend.js';
import type { Scene } from '../support/ending.js';
import { askInTurn, mirror } from '../support/mirror.js';
import { type PenScript, pen, type RunningPen } from '../support/pen.js';
import { until, within } from '../support/wait.js';
import { hear, onEachEngine, say, visitor } from './engines.js';

async function withHttp(t: Scene, engine: string, script: PenScript = {}): Promise<RunningPen> {
  const options = ['-H', ...(script.options ?? [])];
  return pen(t, { engine, servers: [await mirror(t)], ...script, options });
}

/** What comes until a text is there, or the end. */
async function readUntil(socket: Socket, enough: (text: string) => boolean): Promise<string> {
  let text = '';
  while (!enough(text)) {
    const next = await hear(socket);
    if (next === 'end' || next.startsWith('ECONN')) return `${text}<${next}>`;
    text += next;
  }
  return text;
}

const bodies = (text: string): string[] => text.split('\n').filter((line) => line.includes(' | '));
const NONE = createHash('sha256').digest('hex').slice(0, 8);
const told = (first: string): string => `${first} | Host: a | X-Forwarded-For: 127.0.0.1 | X-Forwarded-Proto: http`;
const GET = 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n';

onEachEngine(
  'http: every request says who its client is, cut at any byte, pipelined at any byte',
  async (t, engine) => {
    const balancer = await withHttp(t, engine);
    const post = 'POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello';
    const chunks = 'PUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n';
    const hello = createHash('sha256').update('hello').digest('hex').slice(0, 8);
    const stream = GET + post + chunks + GET;
    const want = [
      told(`GET /1 ${NONE}`),
      `POST /2 ${hello} | Host: a | Content-Length: 5 | X-Forwarded-For: 127.0.0.1 | X-Forwarded-Proto: http`,
      `PUT /3 ${hello} | Host: a | Transfer-Encoding: chunked | X-Forwarded-For: 127.0.0.1 | X-Forwarded-Proto: http`,
      told(`GET /1 ${NONE}`),
    ];
    const whole = await visitor(t, balancer);
    whole.write(stream);
    assert.deepEqual(bodies(await readUntil(whole, (text) => bodies(text).length === 4)), want);
    for (const step of [1, 7, 61]) {
      const cut = await visitor(t, balancer);
      cut.setNoDelay(true);
      for (let at = 0; at < stream.length; at += step) {
        cut.write(stream.slice(at, at + step));
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.deepEqual(bodies(await readUntil(cut, (text) => bodies(text).length === 4)), want, `pieces of ${step}`);
    }
  },
);

onEachEngine('http: 2,000 pipelined requests and a body of 4 MB pass, whatever the buffers', async (t, engine) => {
  const balancer = await withHttp(t, engine);
  const client = await visitor(t, balancer);
  client.write(GET.repeat(2000));
  const got = bodies(await readUntil(client, (text) => (text.match(/ \| Host/g) ?? []).length === 2000));
  assert.deepEqual(new Set(got), new Set([told(`GET /1 ${NONE}`)]));
  const body = Buffer.alloc(4 << 20, 'abcdefg');
  client.write(`POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`);
  client.write(body);
  client.write(GET);
  const [big, last] = bodies(await readUntil(client, (text) => bodies(text).length === 2));
  assert.match(big ?? '', new RegExp(`^POST /big ${createHash('sha256').update(body).digest('hex').slice(0, 8)} `));
  assert.equal(last, told(`GET /1 ${NONE}`));
});

onEachEngine(
  'http: what a stranger says of its client is replaced, what a trusted proxy says is extended',
  async (t, engine) => {
    const balancer = await withHttp(t, engine, {
      options: ['-H', '-O', 'acl 3 permit 127.0.0.9', '-O', 'http trust 3', '-O', 'http forwarded'],
    });
    const claim =
      'GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n\r\n';
    const answer = async (from: string): Promise<string> =>
      (await say(await visitor(t, balancer, from), claim)).split('|').slice(1).join('|').trim();
    assert.equal(
      await answer('127.0.0.1'),
      'Host: a | X-Forwarded-For: 127.0.0.1 | X-Forwarded-Proto: http | Forwarded: for=127.0.0.1;proto=http',
    );
    assert.equal(
      await answer('127.0.0.9'),
      'Host: a | X-Forwarded-For: 6.6.6.6, 127.0.0.9 | X-Forwarded-Proto: https | Forwarded: for=6.6.6.6, for=127.0.0.9;proto=http',
    );
  },
);

onEachEngine('http: what is no request is answered 400 and counted, and never reaches a server', async (t, engine) => {
  const server = await tcpBackend(t, {
    serve: (socket) => socket.on('data', (chunk) => (seen += chunk.toString('latin1'))),
  });
  let seen = '';
  const balancer = await pen(t, { engine, options: ['-H'], servers: [server] });
  for (const bad of [
    '\x16\x03\x01\x02\x00\x01',
    'SSH-2.0-OpenSSH\r\n',
    'GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  ]) {
    const client = await visitor(t, balancer);
    client.write(Buffer.from(bad, 'latin1'));
    assert.match(await readUntil(client, () => false), /^HTTP\/1\.1 400 .*Connection: close.*<end>$/s, bad);
  }
  const large = await visitor(t, balancer);
  large.write(`GET / HTTP/1.1\r\nA: ${'x'.repeat(40_000)}`);
  assert.match(await readUntil(large, () => false), /^HTTP\/1\.1 431 .*<end>$/s);
  assert.match(await balancer.ask('refusals'), /^bad_request 3\nhead_too_large 1\n/m);
  assert.equal(seen, '');
  await until('their places are free', async () => /conn 0 /.test(await balancer.ask('servers')));
});

onEachEngine('http: a bad request is answered behind the answers to those before it', async (t, engine) => {
  const balancer = await withHttp(t, engine);
  const client = await visitor(t, balancer);
  client.write(`${GET}${GET}GET /x HTTP/1.1\nHost: a\n\n`);
  const text = await readUntil(client, () => false);
  assert.equal(bodies(text).length, 2, text);
  assert.match(text, /Proto: http\nHTTP\/1\.1 400 /);
});

onEachEngine('http: a head that does not come in time is answered 408', async (t, engine) => {
  const balancer = await withHttp(t, engine, { options: ['-O', 'head_timeout 1'] });
  const slow = await visitor(t, balancer);
  assert.match(await say(slow, GET), /200 OK/);
  slow.write('GET / HTT');
  assert.match(await readUntil(slow, () => false), /^HTTP\/1\.1 408 .*<end>$/s);
  assert.match(await balancer.ask('refusals'), /^head_too_slow 1$/m);
});

/** A server that grants upgrades to `echo` and answers all else. */
function upgrader(t: Scene): Promise<Backend> {
  return tcpBackend(t, {
    serve(socket) {
      let text = '';
      let isEcho = false;
      socket.on('data', (chunk: Buffer) => {
        if (isEcho) {
          socket.write(chunk);
          return;
        }
        text += chunk.toString('latin1');
        for (let end = text.indexOf('\r\n\r\n'); end >= 0 && !isEcho; end = text.indexOf('\r\n\r\n')) {
          const head = text.slice(0, end);
          text = text.slice(end + 4);
          isEcho = /^Upgrade: echo$/m.test(head.replaceAll('\r', ''));
          const said = `${head.includes('X-Forwarded-For: 127.0.0.1')}`;
          const body = `${head.split(' ')[1]} ${said}\n`;
          if (isEcho) socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n');
          else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
        }
        if (isEcho && text !== '') socket.write(text);
      });
    },
  });
}

const upgrade = (to: string): string => `GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${to}\r\n\r\n`;

onEachEngine(
  'http: an upgrade that is granted passes bytes as they are, also after other requests',
  async (t, engine) => {
    const balancer = await pen(t, { engine, options: ['-H'], servers: [await upgrader(t)] });
    const client = await visitor(t, balancer);
    assert.match(await say(client, GET), /\n\/1 true|\/1 true/);
    // What follows the request waits for the grant, and is no request then.
    client.write(`${upgrade('echo')}GET / HTTP/1.1\r\n\r\nX-Forwarded-For: 6\n\x00\xff`);
    const text = await readUntil(client, (all) => all.includes('For: 6\n'));
    assert.match(text, /^HTTP\/1\.1 101 .*\r\n\r\nGET \/ HTTP\/1\.1\r\n\r\nX-Forwarded-For: 6\n/s);
    assert.equal(await say(client, 'ping'), 'ping');
  },
);

onEachEngine('http: behind an upgrade that is not granted, requests are still looked at', async (t, engine) => {
  const balancer = await pen(t, { engine, options: ['-H'], servers: [await upgrader(t)] });
  const client = await visitor(t, balancer);
  client.write(`${upgrade('other')}GET /spoof HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n`);
  assert.match(await readUntil(client, (text) => text.includes('/spoof')), /\/up true\n.*\/spoof true\n$/s);
});

onEachEngine(
  'http: an answer to HEAD, an interim answer and a 304 do not hide where the next begins',
  async (t, engine) => {
    const server = await tcpBackend(t, {
      serve(socket) {
        socket.on('data', (chunk: Buffer) => {
          for (const request of chunk.toString().split('\r\n\r\n').slice(0, -1)) {
            if (request.startsWith('HEAD')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n');
            else if (request.includes('/304')) socket.write('HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n');
            else
              socket.write(
                'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
              );
          }
        });
      },
    });
    const balancer = await pen(t, { engine, options: ['-H'], servers: [server] });
    const client = await visitor(t, balancer);
    client.write(
      'HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /304 HTTP/1.1\r\nHost: a\r\n\r\nGET /103 HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n',
    );
    assert.match(await readUntil(client, () => false), /1\r\nx\r\n0\r\n\r\nHTTP\/1\.1 400 .*<end>$/s);
  },
);

onEachEngine('http: a server that answers until it hangs up is passed on to its end', async (t, engine) => {
  const server = await tcpBackend(t, {
    serve: (socket) => socket.once('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nall of it')),
  });
  const balancer = await pen(t, { engine, options: ['-H'], servers: [server] });
  const client = await visitor(t, balancer);
  client.write(upgrade('other') + GET);
  assert.match(await readUntil(client, () => false), /all of it<end>$/);
  client.destroy();
  await until('its place is free', async () => /conn 0 /.test(await balancer.ask('servers')));
});

onEachEngine(
  'http: answers that cannot be followed pass all the same, for any number of requests, but no upgrade does',
  async (t, engine) => {
    // Lines that end in LF alone: most clients read them.
    const server = await tcpBackend(t, {
      serve(socket) {
        socket.on('data', (chunk: Buffer) => {
          for (const _ of chunk.toString().matchAll(/X-Forwarded-For: 127\.0\.0\.1/g)) {
            socket.write('HTTP/1.1 200 OK\nContent-Length: 3\n\nok\n');
          }
        });
      },
    });
    const balancer = await pen(t, { engine, options: ['-H'], servers: [server] });
    const client = await visitor(t, balancer);
    for (let i = 0; i < 70; i++) assert.match(await say(client, GET), /ok\n$/);
    client.write(upgrade('websocket'));
    assert.match(await hear(client), /^(end|ECONNRESET)$/);
  },
);

onEachEngine('http: 100-continue, half-close and Connection: close pass', async (t, engine) => {
  const balancer = await withHttp(t, engine);
  const asking = request({
    port: balancer.port,
    host: '127.0.0.1',
    method: 'POST',
    headers: { Expect: '100-continue', Host: 'a' },
  });
  const answer = new Promise<IncomingMessage>((resolve, reject) => asking.on('response', resolve).on('error', reject));
  asking.on('continue', () => asking.end('hello'));
  asking.flushHeaders();
  assert.equal((await within('an answer', answer)).statusCode, 200);
  asking.destroy();
  const half = await visitor(t, balancer);
  half.end(GET);
  assert.match(await readUntil(half, () => false), /X-Forwarded-For: 127\.0\.0\.1.*<end>$/s);
  const closing = await visitor(t, balancer);
  closing.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.match(await readUntil(closing, () => false), /<end>$/);
});

onEachEngine(
  'http: interleaved requests of 200 clients say the right client though the client table is full',
  async (t, engine) => {
    await askInTurn(await withHttp(t, engine, { threads: 2, options: ['-c', '50', '-x', '1000'] }), 5);
  },
);
