import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HELLO_CUT, HELLO_NOT_TLS, HELLO_TOO_LONG } from './client-hello.js';
import { FirstFlight, MAX_FLIGHT_BYTES } from './first-flight.js';

/** The longest ClientHello in records of a byte each, of which no flight holds more than a sixth. */
const endless = new Uint8Array(2 * MAX_FLIGHT_BYTES);
for (let at = 0; at < endless.length; at += 6) endless.set([22, 3, 1, 0, 1], at);
for (const [i, byte] of [1, 0, 0x3f, 0xfc].entries()) endless[6 * i + 5] = byte;

test('FirstFlight has room for the longest flight and no more, in whatever pieces it comes', () => {
  for (const pieceBytes of [6, 1_000, 16_384, endless.length]) {
    const first = new FirstFlight();
    let before: Uint8Array | undefined;
    let verdict = HELLO_CUT;
    for (let at = 0; verdict === HELLO_CUT; at += pieceBytes) {
      const room = first.room(before);
      assert.ok(room > 0, `${pieceBytes} bytes, at ${at}`);
      verdict = first.read(before, endless.subarray(at, at + Math.min(pieceBytes, room)));
      assert.ok(first.bytes.length <= MAX_FLIGHT_BYTES, `${pieceBytes} bytes, at ${at}`);
      before = first.bytes;
    }
    assert.equal(verdict, HELLO_TOO_LONG, `${pieceBytes} bytes`);
  }
});

test('FirstFlight reads the first piece where it lies', () => {
  const first = new FirstFlight();
  const piece = Uint8Array.of(80, 0, 0);
  assert.equal(first.read(undefined, piece), HELLO_NOT_TLS);
  assert.equal(first.bytes, piece);
});
