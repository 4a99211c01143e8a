import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ClientHello,
  HELLO_BROKEN,
  HELLO_CUT,
  HELLO_HTTP,
  HELLO_NOT_TLS,
  HELLO_OLD,
  HELLO_TOO_LONG,
  HELLO_WHOLE,
} from './client-hello.js';

const u16 = (n: number): number[] => [n >> 8, n & 255];
const vector16 = (bytes: number[]): number[] => [...u16(bytes.length), ...bytes];
const ascii = (text: string): number[] => [...Buffer.from(text)];
const extension = (type: number, body: number[]): number[] => [...u16(type), ...vector16(body)];
const sni = (name: string): number[] => extension(0, vector16([0, ...vector16(ascii(name))]));
const versions = (...list: number[]): number[] => extension(43, [list.length * 2, ...list.flatMap(u16)]);
const alpn = (...names: string[]): number[] =>
  extension(16, vector16(names.flatMap((name) => [name.length, ...ascii(name)])));
const ticket = [...Array(64).keys()];

function message(extensions: number[] | undefined, version = 0x0303): number[] {
  const hello = [...u16(version), ...Array(32).fill(7), 2, 1, 1, ...vector16([0x13, 1]), 1, 0];
  if (extensions !== undefined) hello.push(...vector16(extensions));
  return [1, 0, ...u16(hello.length), ...hello];
}

/** The message cut into records of that many bytes. */
function flight(bytes: number[], recordBytes = 16_384): Uint8Array {
  const records: number[] = [];
  for (let at = 0; at < bytes.length; at += recordBytes) {
    records.push(22, 3, 1, ...vector16(bytes.slice(at, at + recordBytes)));
  }
  return Uint8Array.from(records);
}

const full = [
  ...sni('WWW.Example.org'),
  ...versions(0x0a0a, 0x0304, 0x0303),
  ...extension(5, [1, 0, 0, 0, 0]),
  ...alpn('h2', 'http/1.1'),
  ...extension(35, ticket),
  ...extension(41, [
    ...vector16([...vector16(ticket.map((n) => n + 1)), 0, 0, 0, 0]),
    ...vector16([32, ...Array(32).fill(0)]),
  ]),
];

test('`parse` gives the fields of a whole ClientHello', () => {
  const hello = new ClientHello();
  assert.equal(hello.parse(flight(message(full))), HELLO_WHOLE);
  assert.equal(hello.serverName, 'www.example.org');
  assert.equal(hello.hasTls13, true);
  assert.equal(hello.asksStatus, true);
  assert.deepEqual([...(hello.alpn ?? [])], [2, ...ascii('h2'), 8, ...ascii('http/1.1')]);
  // The pre-shared key comes last and is what TLS 1.3 resumes by.
  assert.deepEqual([...(hello.ticketName ?? [])], ticket.slice(1, 17));
  assert.equal(hello.parse(flight(message([]))), HELLO_WHOLE);
  assert.deepEqual([hello.serverName, hello.hasTls13, hello.alpn, hello.ticketName], ['', false, undefined, undefined]);
});

test('`parse` waits for every byte, however the message is cut into records', () => {
  const hello = new ClientHello();
  for (const recordBytes of [1, 2, 3, 4, 5, 7, 100, 16_384]) {
    const bytes = flight(message(full), recordBytes);
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(
        hello.parse(bytes.subarray(0, length)),
        HELLO_CUT,
        `${length} of ${bytes.length}, records ${recordBytes}`,
      );
    }
    assert.equal(hello.parse(bytes), HELLO_WHOLE);
    assert.equal(hello.serverName, 'www.example.org');
  }
});

const verdicts: ReadonlyArray<readonly [string, Uint8Array, number]> = [
  ['a request', Buffer.from('GET / HTTP/1.1\r\n'), HELLO_HTTP],
  ['a long method', Buffer.from('OPTIONS * HTTP/1.1\r\n'), HELLO_HTTP],
  ['the head of a method', Buffer.from('GE'), HELLO_CUT],
  ['letters without end', Buffer.from('GETGETGETGET'), HELLO_NOT_TLS],
  ['SSH', Buffer.from('SSH-2.0-x\r\n'), HELLO_NOT_TLS],
  ['SSL 2', Uint8Array.of(0x80, 0x2e, 1, 0, 2), HELLO_NOT_TLS],
  ['an alert', Uint8Array.of(21, 3, 1, 0, 2, 2, 40), HELLO_NOT_TLS],
  ['another version of records', Uint8Array.of(22, 2, 0, 0, 2), HELLO_NOT_TLS],
  ['an empty record', Uint8Array.of(22, 3, 1, 0, 0), HELLO_BROKEN],
  ['a ServerHello', Uint8Array.of(22, 3, 1, 0, 4, 2, 0, 0, 0), HELLO_BROKEN],
  ['TLS 1.0', flight(message([], 0x0301)), HELLO_OLD],
  ['TLS 1.1 without extensions', flight(message(undefined, 0x0302)), HELLO_OLD],
  ['TLS 1.2 without extensions', flight(message(undefined)), HELLO_WHOLE],
  ['a message of 16 MB', Uint8Array.of(22, 3, 1, 0, 4, 1, 255, 255, 255), HELLO_TOO_LONG],
  ['a name with a slash', flight(message(sni('../../etc/passwd'))), HELLO_BROKEN],
  ['a name with a zero', flight(message(sni('a\0b'))), HELLO_BROKEN],
  ['an empty name', flight(message(sni(''))), HELLO_BROKEN],
  ['a name of 256 bytes', flight(message(sni('a'.repeat(256)))), HELLO_BROKEN],
  ['a name beyond its extension', flight(message(extension(0, [0, 9, 0, 0, 200, 97]))), HELLO_BROKEN],
  ['an extension beyond the message', flight(message([0, 0, 255, 255])), HELLO_BROKEN],
  ['a pre-shared key beyond its list', flight(message(extension(41, [0, 4, 0, 200]))), HELLO_BROKEN],
];

for (const [name, bytes, verdict] of verdicts) {
  test(`\`parse\` judges ${name}`, () => assert.equal(new ClientHello().parse(bytes), verdict));
}

test('`parse` takes 100,000 mutated messages without reading beyond them', () => {
  const seed = 20_261_123;
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const hello = new ClientHello();
  const whole = flight(message(full), 64);
  for (let round = 0; round < 100_000; round++) {
    const bytes = whole.slice(0, 1 + random(whole.length));
    for (let flips = random(4); flips > 0; flips--) bytes[random(bytes.length)] = random(256);
    const verdict = hello.parse(bytes);
    const context = `seed ${seed}, round ${round}`;
    assert.ok(verdict >= HELLO_WHOLE && verdict <= HELLO_TOO_LONG, context);
    assert.match(hello.serverName, /^[a-z0-9._-]{0,255}$/, context);
    assert.ok((hello.ticketName?.length ?? 16) === 16, context);
  }
});
