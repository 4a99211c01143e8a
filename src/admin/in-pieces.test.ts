/** Long answers: whole to whoever reads slowly, and no burden when a client goes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { sendInPieces } from './in-pieces.js';

/** More than the kernel's buffers of a connection hold, in pieces that tell where they belong. */
const PIECES = Array.from({ length: 400 }, (_, place) => Buffer.alloc(65_536, place));

/** A server that sends them to all who come; each answer and how its sending ends is in `answers`. */
async function sender(t: TestContext) {
  const answers: { response: ServerResponse; sent: Promise<void> }[] = [];
  const server = createServer((_, response) => {
    answers.push({ response, sent: sendInPieces(response, 'text/plain', PIECES) });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, answers };
}

async function ask(port: number, method = 'GET'): Promise<IncomingMessage> {
  const asking = request({ host: '127.0.0.1', port, method, agent: false }).end();
  const [answer] = await once(asking, 'response');
  return answer;
}

test('sendInPieces sends all of it, in order, to a client that stops reading now and then', async (t) => {
  const { port } = await sender(t);
  const answer = await ask(port);
  const parts: Buffer[] = [];
  for await (const part of answer) {
    parts.push(part);
    if (parts.length % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(Number(answer.headers['content-length']), 400 * 65_536);
  assert(Buffer.concat(parts).equals(Buffer.concat(PIECES)));
});

test('sendInPieces keeps one piece for a client that does not read, and ends with it', async (t) => {
  const { port, answers } = await sender(t);
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(socket, 'readable');
  const [answer] = answers;
  assert(answer);
  const waiting = () => answer.response.socket?.writableLength ?? 0;
  while (waiting() === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(answer.response.writableFinished, false);
  assert(waiting() <= 65_536, `${waiting()} bytes wait`);
  socket.destroy();
  await answer.sent;
});

test('sendInPieces answers HEAD, and one request behind another', async (t) => {
  const { port } = await sender(t);
  const answer = await ask(port, 'HEAD');
  assert.equal((await answer.toArray()).length, 0);
  const socket = connect(port, '127.0.0.1');
  socket.write(
    'GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  );
  let bytes = 0;
  for await (const part of socket) bytes += part.length;
  assert(bytes > 2 * 400 * 65_536);
});
