import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, decoded, encoded, packed, padding, struct, u8, u16, u16be, u32, u32be, u64 } from './struct.js';

const everything = struct('everything', {
  counter: u64,
  address: bytes(4, 4),
  id: u32,
  portBe: u16be,
  port: u16,
  kind: u8,
  gap: padding(3),
  wordBe: u32be,
  end: padding(4),
});

test('`struct` puts fields where C would', () => {
  const offsets = Object.values(everything.field).map(({ name, offset, bytes }) => [name, offset, bytes]);
  assert.deepEqual(offsets, [
    ['everything.counter', 0, 8],
    ['everything.address', 8, 4],
    ['everything.id', 12, 4],
    ['everything.portBe', 16, 2],
    ['everything.port', 18, 2],
    ['everything.kind', 20, 1],
    ['everything.gap', 21, 3],
    ['everything.wordBe', 24, 4],
    ['everything.end', 28, 4],
  ]);
  assert.equal(everything.bytes, 32);
  assert.equal(everything.align, 8);
  assert.equal(everything.field.portBe.isBigEndian, true);
  assert.equal(everything.field.port.isBigEndian, false);
});

test('`encode` writes every byte, `decode` gives the value back', () => {
  const value = {
    counter: 0x0102030405060708n,
    address: Uint8Array.of(192, 0, 2, 1),
    id: 0xfffefdfc,
    portBe: 0x1f90,
    port: 0x1f90,
    kind: 7,
    wordBe: 0xdeadbeef,
  };
  const memory = new Uint8Array(40).fill(0xa5);
  everything.encode(new DataView(memory.buffer), 4, value);
  assert.equal(
    Buffer.from(memory).toString('hex'),
    'a5a5a5a50807060504030201c0000201fcfdfeff1f90901f07000000deadbeef00000000a5a5a5a5',
  );
  assert.deepEqual(everything.decode(new DataView(memory.buffer), 4), value);
  assert.deepEqual(decoded(everything, encoded(everything, value)), value);
});

test('`struct` refuses what C would pad', () => {
  assert.throws(() => struct('s', { a: u8, b: u32 }), { message: "field 's.b' lies at 1, not at a multiple of 4" });
  assert.throws(() => struct('s', { a: u32, b: u8 }), {
    message: "'s' has 5 bytes, not a multiple of 4 (pad its end)",
  });
});

test('`packed` knows no alignment', () => {
  const ethernet = packed('ethernet', { destination: bytes(6), source: bytes(6), type: u16be, tag: u8, next: u32be });
  assert.equal(ethernet.bytes, 19);
  assert.equal(ethernet.field.next.offset, 15);
});

test('`bytes` refuses a value of another length', () => {
  assert.throws(() => encoded(bytes(6), new Uint8Array(5)), { message: '5 bytes where 6 belong' });
});

test('`struct` can be a member of another', () => {
  const inner = struct('inner', { a: u16be, b: u16be });
  const outer = struct('outer', { first: u32, inner });
  assert.deepEqual(decoded(outer, encoded(outer, { first: 1, inner: { a: 2, b: 3 } })), {
    first: 1,
    inner: { a: 2, b: 3 },
  });
});
