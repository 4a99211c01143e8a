import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FIELD } from './field-names.js';
import { HeadScanner, KIND, type Kind } from './head-scanner.js';
import { disagreement } from './requests.suite.js';

const octets = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** What a scanner says of a head, whole and a byte at a time; it must say the same. */
function scan(text: string, kind: Kind = KIND.request): HeadScanner | 'wrong' | 'more' {
  const bytes = octets(text);
  const whole = new HeadScanner(kind);
  const end = whole.scan(bytes, 0, bytes.length);
  const single = new HeadScanner(kind);
  let at = 0;
  while (at < bytes.length && !single.isDone && !single.isWrong) at = single.scan(bytes, at, at + 1);
  assert.equal(single.isDone, whole.isDone, text);
  assert.equal(single.isWrong, whole.isWrong, text);
  if (whole.isWrong) return 'wrong';
  if (!whole.isDone) return 'more';
  assert.equal(at, end, text);
  assert.deepEqual(
    [single.length, single.contentLength, single.isChunked, single.fields, single.hostStart, single.hostEnd],
    [whole.length, whole.contentLength, whole.isChunked, whole.fields, whole.hostStart, whole.hostEnd],
  );
  return whole;
}

const sound: ReadonlyArray<readonly [name: string, text: string, want: Partial<HeadScanner>]> = [
  ['the least', 'GET / HTTP/1.0\r\n\r\n', { minor: 0, contentLength: -1, isChunked: false, fields: 0, length: 18 }],
  ['empty lines before it', '\r\n\r\nGET / HTTP/1.1\r\n\r\n', { skipped: 4, length: 22 }],
  ['a length', 'PUT /a HTTP/1.1\r\nContent-Length: 42 \r\n\r\n', { contentLength: 42, fields: FIELD.contentLength }],
  ['an odd spelling', 'PUT /a HTTP/1.1\r\ncOnTENT-lENGTH:\t042\r\n\r\n', { contentLength: 42 }],
  ['chunks', 'PUT /a HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n', { isChunked: true }],
  ['a host', 'GET / HTTP/1.1\r\nHost:  a.b:80 \r\n\r\n', { hostStart: 23, hostEnd: 29, fields: FIELD.host }],
  [
    'a name that begins like another',
    'GET / HTTP/1.1\r\nContent-Lengths: 5\r\nHostess: x\r\n\r\n',
    { contentLength: -1, fields: 0 },
  ],
  ['HEAD', 'HEAD / HTTP/1.1\r\n\r\n', { isHead: true }],
  ['a method that begins like HEAD', 'HEADS / HTTP/1.1\r\n\r\n', { isHead: false }],
  ['a long method', 'VERSION-CONTROLLED-HEAD / HTTP/1.1\r\n\r\n', { isHead: false, isConnect: false }],
  ['CONNECT', 'CONNECT a.b:443 HTTP/1.1\r\nHost: a.b\r\n\r\n', { isConnect: true }],
  ['an absolute target', 'GET http://A.b:8/x HTTP/1.1\r\nHost: a.B:8\r\n\r\n', {}],
  ['an asterisk', 'OPTIONS * HTTP/1.1\r\n\r\n', {}],
  ['Latin-1 in a value', 'GET / HTTP/1.1\r\nX: \xe4\xff\r\n\r\n', { fields: 0 }],
  ['an empty value', 'GET / HTTP/1.1\r\nX:\r\n\r\n', {}],
  [
    'who it says to come from',
    'GET / HTTP/1.1\r\nX-Forwarded-For: 1\r\nForwarded: a\r\n\r\n',
    { fields: FIELD.forwardedFor | FIELD.forwarded },
  ],
  ['the same with underscores', 'GET / HTTP/1.1\r\nx_forwarded_for: 1\r\n\r\n', { fields: FIELD.forwardedFor }],
  [
    'other names of that family',
    'GET / HTTP/1.1\r\nX-Forwarded-Fxfor: 1\r\nX_forwarded-Host: 2\r\n\r\n',
    { fields: FIELD.forwardedOther },
  ],
];

test('HeadScanner reads a head, whole or a byte at a time', () => {
  for (const [name, text, want] of sound) {
    const head = scan(text);
    assert.ok(typeof head !== 'string', `${name}: ${head}`);
    for (const [key, value] of Object.entries(want)) {
      assert.equal(head[key as keyof HeadScanner], value, `${name}: ${key}`);
    }
    for (let end = 0; end < text.length; end++) assert.equal(scan(text.slice(0, end)), 'more', `${name} cut at ${end}`);
  }
});

const line = (field: string): string => `POST /a HTTP/1.1\r\n${field}\r\n\r\n`;
const wrong: Readonly<Record<string, string>> = {
  'a ClientHello': '\x16\x03\x01',
  'no HTTP': 'SSH-2.0-x\r\n',
  'HTTP/0.9': 'GET /\r\n',
  'HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'HTTP/1.2': 'GET / HTTP/1.2\r\n\r\n',
  'lower case': 'GET / http/1.1\r\n\r\n',
  'two blanks': 'GET  / HTTP/1.1\r\n\r\n',
  'a blank at the end': 'GET / HTTP/1.1 \r\n\r\n',
  'a control character in the target': 'GET /\x01 HTTP/1.1\r\n\r\n',
  'a relative target': 'GET a HTTP/1.1\r\n\r\n',
  'another scheme': 'GET ftp://a/b HTTP/1.1\r\n\r\n',
  'two hosts by target': 'GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n',
  'a user in the target': 'GET http://u@a/ HTTP/1.1\r\nHost: u@a\r\n\r\n',
  'CONNECT to a path': 'CONNECT /x HTTP/1.1\r\n\r\n',
  'CONNECT with a body': 'CONNECT a:1 HTTP/1.1\r\nContent-Length: 1\r\n\r\n',
  'a bare LF': 'GET / HTTP/1.1\nHost: a\n\n',
  'a bare LF between fields': 'GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n',
  'a bare CR': line('A: b\rC: d'),
  'a bare CR at the beginning': '\rGET / HTTP/1.1\r\n\r\n',
  'a folded line': line('A: b\r\n c'),
  'a blank before the first field': line(' A: b'),
  'a blank before the colon': line('Content-Length : 1'),
  'no colon': line('A'),
  'no name': line(': b'),
  'NUL in a value': line('A: b\0'),
  'two lengths': line('Content-Length: 1\r\nContent-Length: 1'),
  'a list of lengths': line('Content-Length: 1, 1'),
  'a signed length': line('Content-Length: +1'),
  'no length': line('Content-Length: '),
  'a length in base 16': line('Content-Length: 0x10'),
  'a length with a hole': line('Content-Length: 1 1'),
  'a length beyond 2^53': line('Content-Length: 9007199254740993'),
  'a length beside chunks': line('Content-Length: 1\r\nTransfer-Encoding: chunked'),
  'chunks beside a length': line('Transfer-Encoding: chunked\r\nContent-Length: 1'),
  'another coding': line('Transfer-Encoding: gzip'),
  'a list of codings': line('Transfer-Encoding: gzip, chunked'),
  'a coding that begins like chunked': line('Transfer-Encoding: chunkedx'),
  'a tab behind a coding': line('Transfer-Encoding: chunked\t'),
  'a tab behind a length': line('Content-Length: 5\t'),
  'a coding that is part of it': line('Transfer-Encoding: chunk'),
  'no coding': line('Transfer-Encoding:'),
  'a coding twice': line('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'),
  'a coding in HTTP/1.0': 'POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n',
  'two hosts': line('Host: a\r\nHost: a'),
  'a field of ours that the server would drop': line('Connection: close, X-Forwarded-For'),
};

test('HeadScanner refuses what can be read in two ways, and what is no request', () => {
  for (const [name, text] of Object.entries(wrong)) assert.equal(scan(text), 'wrong', name);
});

test('HeadScanner reads the heads of answers and trailers', () => {
  const answer = scan('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', KIND.response);
  assert.ok(typeof answer !== 'string');
  assert.deepEqual([answer.status, answer.contentLength], [304, 5]);
  assert.ok(typeof scan('HTTP/1.1 200\r\n\r\n', KIND.response) !== 'string');
  for (const text of [
    'HTTP/1.1 20 OK\r\n',
    'HTTP/1.1 2000 OK\r\n',
    'HTTP/2 200\r\n',
    'hello\r\n',
    'HTTP/1.1 099 x\r\n',
  ]) {
    assert.equal(scan(text, KIND.response), 'wrong', text);
  }
  assert.ok(typeof scan('Expires: now\r\n\r\n', KIND.trailers) !== 'string');
  assert.equal(scan('X-Forwarded-For: 1\r\n\r\n', KIND.trailers), 'wrong');
  assert.equal(scan('Content-Length: 1\r\n\r\n', KIND.trailers), 'wrong');
});

test('HeadScanner and Body agree with the parser of Node on 6,000 streams of requests', async () => {
  for (let seed = 0; seed < 6000; seed++) assert.equal(await disagreement(seed), undefined);
});
