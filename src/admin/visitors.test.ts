/** What the admin port bears. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratch } from '../control/control.suite.js';
import { admin, ask, TOKEN } from './admin.suite.js';

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
