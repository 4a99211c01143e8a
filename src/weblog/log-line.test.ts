import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePenDatagram, parsePenFileLine, parseWebLine, shown } from './log-line.js';

const STAMP = '[23/Nov/2026:01:54:51 +0100]';
const SECONDS = Date.UTC(2026, 10, 23, 0, 54, 51) / 1000;
const long = `GET /${'a'.repeat(300)}`;

const webLines: ReadonlyArray<readonly [string, string, string | undefined]> = [
  ['common', `h - - ${STAMP} "GET /a HTTP/1.1" 200 5`, 'GET /a HTTP/1.1'],
  ['combined', `h - u ${STAMP} "GET /a HTTP/1.1" 200 5 "-" "curl \\"x\\""`, 'GET /a HTTP/1.1'],
  ['a quote as Apache writes it', `h - - ${STAMP} "GET /\\"q\\\\ HTTP/1.0" 200 5`, 'GET /"q\\ HTTP/1.0'],
  ['a quote as nginx writes it', `h - - ${STAMP} "GET /\\x22q\\x5C HTTP/1.0" 400 5`, 'GET /"q\\ HTTP/1.0'],
  ['bytes that pen shows as dots', `h - - ${STAMP} "GET /\\xE4\\t\\x1b\x01 HTTP/1.0" 200 5`, 'GET /.... HTTP/1.0'],
  ['more than pen keeps', `h - - ${STAMP} "${long} HTTP/1.1" 200 5`, long.slice(0, 100)],
  ['a line that was cut within the request', `h - - ${STAMP} "GET /a`, 'GET /a'],
  ['no quotes', 'h - - nothing', undefined],
  ['nothing', '', undefined],
  ['one word', 'h', undefined],
  ['a quote at once', '"GET / HTTP/1.0"', undefined],
];

for (const [name, line, want] of webLines) {
  test(`\`parseWebLine\` reads ${name}`, () => {
    assert.equal(parseWebLine(line)?.request, want);
  });
}

test('`parseWebLine` reads the time with its zone, and keeps the line after its first field', () => {
  const parsed = parseWebLine(`h - - ${STAMP} "GET / HTTP/1.0" 200 5`);
  assert.deepEqual([parsed?.timeSec, parsed?.rest], [SECONDS, ` - - ${STAMP} "GET / HTTP/1.0" 200 5`]);
  assert.equal(parseWebLine('h - - [23/Nox/2026:01:54:51 +0100] "GET / HTTP/1.0" 200 5')?.timeSec, undefined);
  assert.equal(parseWebLine('h "GET / HTTP/1.0" 200 5')?.timeSec, undefined);
});

test('`parsePenDatagram` and `parsePenFileLine` read what pen writes, and nothing else', () => {
  const read = { client: '2001:db8::1', server: '10.0.0.1', request: 'GET /a. HTTP/1.1' };
  assert.deepEqual(parsePenDatagram('+ 2001:db8::1 10.0.0.1 GET /a\xff HTTP/1.1'), { ...read, timeSec: undefined });
  assert.deepEqual(parsePenFileLine('2001:db8::1 17 ::ffff:10.0.0.1 GET /a\x1b HTTP/1.1'), { ...read, timeSec: 17 });
  for (const line of ['', '+', '+ ', '+ a', '+ a b', '+ <b> 10.0.0.1 GET /', '+ \x1b[2J 10.0.0.1 x', '- a b c']) {
    assert.equal(parsePenDatagram(line), undefined, line);
  }
  for (const line of ['', 'a', 'a b c d', 'a 12 ', `a ${'9'.repeat(20)} b c`]) {
    assert.equal(parsePenFileLine(line), undefined, line);
  }
});

test('`shown` leaves nothing that a terminal would obey', () => {
  assert.equal(shown('a\x1b[2Jb\x9bc\xffd\te\x00'), 'a\\x1b[2Jb\\x9bc\\xffd\\x09e\\x00');
  assert.equal(shown('plain "text" \\x41'), 'plain "text" \\x41');
});
