import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipEndpoint, parseIp } from '../core/address.js';
import type { LogFormat } from '../core/configuration.js';
import { LineBuffer } from './line-buffer.js';
import { linesOf } from './log-format.js';
import { LogRing } from './log-ring.js';
import {
  BEGAN,
  BYTES_DOWN,
  BYTES_UP,
  CLIENT,
  CONNECTED,
  ENDINGS,
  type Ending,
  headOf,
  IS_HTTP,
  IS_UDP,
  IS_UNIX_CLIENT,
  IS_UNIX_SERVER,
  KIND,
  LASTED,
  PORTS,
  REQUESTS,
  SERVER,
  SERVER_ADDRESS,
  STATUS,
  textWord,
  wordsOf,
} from './record.js';

interface Given {
  readonly kind: keyof typeof KIND;
  readonly text?: string;
  readonly client?: string;
  readonly server?: string;
  readonly flags?: number;
  readonly status?: number;
  readonly requests?: number;
  readonly end?: Ending;
}

const NASTY = 'GET /\x1b[31m"\\\xff\x7f\r<b>';

/** The line of one record that began at 2026-11-23T00:54:51.007Z. */
function lineOf(format: LogFormat, forPenlogd: boolean, given: Given): string {
  const ring = new LogRing(LogRing.allocate(new SharedArrayBuffer(4), 256));
  const text = Buffer.from(given.text ?? '', 'latin1');
  const kind = KIND[given.kind];
  const length = wordsOf(kind, text.length);
  const at = ring.claim(length);
  const client = parseIp(given.client ?? '203.0.113.9') ?? [0, 0, 0, 0];
  const server = given.server === undefined ? undefined : ipEndpoint(parseIp(given.server) ?? [0, 0, 0, 0], 80);
  ring.words[at] = headOf(length, kind, ENDINGS.indexOf(given.end ?? 'client'), text.length, given.flags ?? 0);
  ring.words.set(client, at + CLIENT);
  ring.words[at + PORTS] = 50_000 | (80 << 16);
  ring.words[at + SERVER] = server === undefined ? -1 : 3;
  if (server) ring.words.set(server.address, at + SERVER_ADDRESS);
  ring.words[at + STATUS] = given.status ?? 0;
  ring.doubles[(at + BEGAN) >> 1] = 5007;
  if (kind !== KIND.request) {
    ring.doubles[(at + BYTES_UP) >> 1] = 80;
    ring.doubles[(at + BYTES_DOWN) >> 1] = 2 ** 40;
    ring.words[at + LASTED] = 12;
    ring.words[at + CONNECTED] = kind === KIND.connection && server ? 1 : -1;
    ring.words[at + REQUESTS] = given.requests ?? 0;
  }
  ring.bytes.set(text, (at + textWord(kind)) * 4);
  const line = new LineBuffer(Buffer.alloc(4096));
  const wallShiftMs = Date.UTC(2026, 10, 23, 0, 54, 46);
  linesOf(format, forPenlogd)(line, ring, at, { wallShiftMs, serverPath: () => '/run/a b"' });
  return Buffer.from(line.bytes).toString('latin1', 0, line.at);
}

const request: Given = { kind: 'request', text: 'GET /a HTTP/1.1', server: '10.0.0.1' };
const exchange: Given = { ...request, kind: 'exchange', status: 200, flags: IS_HTTP };
const connection: Given = { kind: 'connection', server: '2001:db8::2', client: '2001:db8::1', end: 'server_reset' };

const cases: ReadonlyArray<readonly [string, LogFormat, boolean, Given, string]> = [
  ['a request', 'pen', false, request, '203.0.113.9 1795395291 10.0.0.1 GET /a HTTP/1.1\n'],
  ['a request for penlogd', 'pen', true, request, '+ 203.0.113.9 10.0.0.1 GET /a HTTP/1.1\n'],
  [
    'what must not reach a terminal',
    'pen',
    false,
    { ...request, text: NASTY },
    '203.0.113.9 1795395291 10.0.0.1 GET /.[31m"\\...<b>\n',
  ],
  ['a silent connection', 'pen', false, connection, '2001:db8::1 1795395291 2001:db8::2 -\n'],
  ['a silent connection, not for penlogd', 'pen', true, connection, ''],
  ['a connection whose requests have been told', 'pen', false, { ...connection, requests: 1 }, ''],
  ['a client that nobody took', 'pen', false, { kind: 'connection', end: 'no_server' }, '203.0.113.9 1795395291 - -\n'],
  [
    'Unix sockets',
    'pen',
    false,
    { ...request, flags: IS_UNIX_CLIENT | IS_UNIX_SERVER },
    'unix 1795395291 /run/a_b" GET /a HTTP/1.1\n',
  ],
  [
    'an exchange',
    'clf',
    false,
    exchange,
    '203.0.113.9 - - [23/Nov/2026:00:54:51 +0000] "GET /a HTTP/1.1" 200 1099511627776\n',
  ],
  [
    'no status',
    'clf',
    false,
    { ...exchange, status: 0 },
    '203.0.113.9 - - [23/Nov/2026:00:54:51 +0000] "GET /a HTTP/1.1" - 1099511627776\n',
  ],
  [
    'quotes and controls',
    'clf',
    false,
    { ...exchange, text: NASTY },
    '203.0.113.9 - - [23/Nov/2026:00:54:51 +0000] "GET /\\x1b[31m\\"\\\\\\xff\\x7f\\x0d<b>" 200 1099511627776\n',
  ],
  [
    'a connection that is not HTTP',
    'clf',
    false,
    { ...connection, text: 'EHLO me' },
    '2001:db8::1 - - [23/Nov/2026:00:54:51 +0000] "EHLO me" - 1099511627776\n',
  ],
  ['a connection with requests', 'clf', false, { ...connection, requests: 2 }, ''],
];

for (const [name, format, forPenlogd, given, want] of cases) {
  test(`${format} writes ${name}`, () => {
    assert.equal(lineOf(format, forPenlogd, given), want);
  });
}

const traffic = { bytes_up: 80, bytes_down: 2 ** 40, ms: 12 };
const time = '2026-11-23T00:54:51.007Z';
const sides = { client: '203.0.113.9', client_port: 50_000, server: '10.0.0.1', server_port: 80 };

const objects: ReadonlyArray<readonly [string, Given, object | undefined]> = [
  ['nothing of a request that is under way', request, undefined],
  ['an exchange', exchange, { time, type: 'request', ...sides, request: 'GET /a HTTP/1.1', status: 200, ...traffic }],
  [
    'bytes that are not ASCII',
    { ...exchange, text: NASTY, status: 0 },
    { time, type: 'request', ...sides, request: NASTY, status: null, ...traffic },
  ],
  [
    'a connection',
    { ...connection, text: 'EHLO me' },
    {
      time,
      type: 'connection',
      ...sides,
      client: '2001:db8::1',
      server: '2001:db8::2',
      first_line: 'EHLO me',
      ...traffic,
      connect_ms: 1,
      end: 'server_reset',
    },
  ],
  [
    'requests of a connection',
    { ...connection, flags: IS_HTTP, requests: 7 },
    {
      time,
      type: 'connection',
      ...sides,
      client: '2001:db8::1',
      server: '2001:db8::2',
      requests: 7,
      ...traffic,
      connect_ms: 1,
      end: 'server_reset',
    },
  ],
  [
    'a session',
    { ...connection, flags: IS_UDP, end: 'idle' },
    {
      time,
      type: 'session',
      ...sides,
      client: '2001:db8::1',
      server: '2001:db8::2',
      ...traffic,
      end: 'idle',
    },
  ],
  [
    'a client that was denied',
    { kind: 'connection', end: 'denied' },
    { time, type: 'connection', client: '203.0.113.9', client_port: 50_000, server: null, ...traffic, end: 'denied' },
  ],
  [
    'Unix sockets',
    { ...exchange, flags: IS_UNIX_CLIENT | IS_UNIX_SERVER },
    { time, type: 'request', client: null, server: '/run/a b"', request: 'GET /a HTTP/1.1', status: 200, ...traffic },
  ],
];

for (const [name, given, want] of objects) {
  test(`json writes ${name}`, () => {
    const line = lineOf('json', false, given);
    assert.match(line, /^[ -~]*\n?$/);
    assert.deepEqual(line === '' ? undefined : JSON.parse(line), want);
  });
}
