import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOLD_MS, LogMerger } from './log-merger.js';

function stage(capacity = 100) {
  const written: string[] = [];
  const told: string[] = [];
  const clock = { ms: 0 };
  const merger = new LogMerger({
    capacity,
    monotonicMs: () => clock.ms,
    write: (line) => written.push(line),
    debug: (text) => told.push(text),
  });
  const web = (request: string, sender = '10.0.0.1') => merger.take(`h - - [x] "${request}" 200 5\n`, sender);
  const pen = (client: string, request: string, server = '10.0.0.1') =>
    merger.take(`+ ${client} ${server} ${request}\n`, '10.9.9.9');
  const clients = () => written.map((line) => line.replace(/ .*/s, ''));
  return { merger, written, told, clock, web, pen, clients };
}

test('`LogMerger` puts the client that pen named in place of the address', () => {
  const { web, pen, written } = stage();
  pen('192.0.2.7', 'GET /a HTTP/1.1');
  web('GET /a HTTP/1.1');
  assert.deepEqual(written, ['192.0.2.7 - - [x] "GET /a HTTP/1.1" 200 5']);
});

test('`LogMerger` tells clients of one request apart by their order, and servers by their address', () => {
  const { web, pen, clients } = stage();
  pen('192.0.2.1', 'GET / HTTP/1.1');
  pen('192.0.2.2', 'GET / HTTP/1.1', '2001:db8::1');
  pen('192.0.2.3', 'GET / HTTP/1.1');
  web('GET / HTTP/1.1', '2001:db8::1');
  web('GET / HTTP/1.1');
  web('GET / HTTP/1.1');
  assert.deepEqual(clients(), ['192.0.2.2', '192.0.2.1', '192.0.2.3']);
});

test("`LogMerger` has a web server's line wait for pen's, and lets it go when none comes", () => {
  const { merger, web, pen, clients, clock, told } = stage();
  web('GET /early HTTP/1.1');
  web('GET /never HTTP/1.1');
  assert.deepEqual(clients(), []);
  pen('192.0.2.1', 'GET /early HTTP/1.1');
  assert.deepEqual(clients(), ['192.0.2.1']);
  clock.ms = HOLD_MS - 1;
  merger.expire(clock.ms);
  assert.deepEqual(clients(), ['192.0.2.1']);
  merger.expire(HOLD_MS);
  assert.deepEqual(clients(), ['192.0.2.1', 'h']);
  assert.equal(merger.deadlineMs, Number.POSITIVE_INFINITY);
  assert.equal(told.length, 1);
});

test('`LogMerger` gives the last client again when the web server has more lines than pen', () => {
  const { merger, web, pen, clients } = stage();
  pen('192.0.2.1', 'GET / HTTP/1.1');
  web('GET / HTTP/1.1');
  web('GET / HTTP/1.1');
  merger.flush();
  assert.deepEqual(clients(), ['192.0.2.1', '192.0.2.1']);
});

test('`LogMerger` lets no more lines wait than it has room for', () => {
  const { web, clients } = stage(3);
  for (let i = 0; i < 5; i++) web(`GET /${i} HTTP/1.1`);
  assert.deepEqual(clients(), ['h', 'h']);
});

test('`LogMerger` writes nothing that a terminal would obey, and nothing of what is no line', () => {
  const { merger, written, pen, web } = stage();
  for (const text of ['', '+', '+ ', 'garbage', '\x00', '- x', '+ \x1b[2J 10.0.0.1 x']) merger.take(text, '10.0.0.1');
  assert.deepEqual(written, []);
  pen('192.0.2.1', 'GET /\x1b[2J HTTP/1.1');
  web('GET /\x1b[2J HTTP/1.1');
  assert.deepEqual(written, ['192.0.2.1 - - [x] "GET /\\x1b[2J HTTP/1.1" 200 5']);
});
