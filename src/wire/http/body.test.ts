import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Body } from './body.js';

const octets = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** Where a chunked body ends, whole and a byte at a time. */
function chunked(text: string): number | 'wrong' | 'more' {
  const bytes = octets(text);
  const results = [bytes.length, 1].map((step) => {
    const body = new Body();
    body.beginChunked();
    let at = 0;
    for (let to = 0; to < bytes.length && !body.isDone && !body.isWrong; ) {
      to = Math.min(bytes.length, to + step);
      at = body.advance(bytes, at, to);
    }
    return body.isWrong ? 'wrong' : body.isDone ? at : 'more';
  });
  assert.equal(results[0], results[1], text);
  return results[0] as number | 'wrong' | 'more';
}

test('Body finds the end of chunks', () => {
  for (const text of [
    '0\r\n\r\n',
    '3\r\nabc\r\n0\r\n\r\n',
    '00A\r\n0123456789\r\n000\r\n\r\n',
    '1;a\r\nx\r\n1;a=b;c="d;\\" e"\r\nx\r\n0;z\r\n\r\n',
    '0\r\nX-Sum: 1\r\nY:\r\n\r\n',
  ]) {
    assert.equal(chunked(`${text}GET / HTTP`), text.length, text);
    for (let end = 0; end < text.length; end++)
      assert.equal(chunked(text.slice(0, end)), 'more', `${text} cut at ${end}`);
  }
});

test('Body refuses chunks that can be read in two ways', () => {
  const wrong: Readonly<Record<string, string>> = {
    'no size': '\r\nabc',
    'a blank behind the size': '3 \r\nabc\r\n',
    'a sign': '+3\r\nabc\r\n',
    'a prefix': '0x3\r\nabc\r\n',
    'a size beyond 2^48': '1000000000000\r\n',
    'a bare LF behind the size': '3\nabc\r\n',
    'a bare LF behind the data': '3\r\nabc\n0\r\n\r\n',
    'data longer than the size': '3\r\nabcd\r\n0\r\n\r\n',
    'a bare CR in an extension': '3;a\rb\r\nabc\r\n',
    'an LF in an extension': '3;a\nb\r\nabc\r\n',
    'an empty extension': '3;\r\nabc\r\n',
    'an extension without end': `3;${'a'.repeat(300)}`,
    'an LF within quotes': '3;a="\n"\r\nabc\r\n',
    'a folded trailer': '0\r\nA: b\r\n c\r\n\r\n',
    'a trailer that belongs into the head': '0\r\nTransfer-Encoding: chunked\r\n\r\n',
    'trailers without end': `0\r\n${'A: b\r\n'.repeat(2000)}`,
  };
  for (const [name, text] of Object.entries(wrong)) assert.equal(chunked(text), 'wrong', name);
});

test('Body counts the bytes of a length, and knows when there are none', () => {
  const body = new Body();
  const bytes = octets('0123456789');
  body.beginLength(7);
  assert.equal(body.advance(bytes, 0, 4), 4);
  assert.equal(body.isDone, false);
  assert.equal(body.advance(bytes, 4, 10), 7);
  assert.equal(body.isDone, true);
  body.beginLength(0);
  assert.equal(body.isDone, true);
  assert.equal(body.advance(bytes, 3, 10), 3);
});
