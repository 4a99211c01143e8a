import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addPseudoHeader, addWords, checksumOf, updateChecksum } from './checksum.js';

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

test('checksumOf gives the sum of RFC 1071 and of known headers', () => {
  const rows: readonly [name: string, words: string, want: number][] = [
    ['RFC 1071, section 3', '0001 f203 f4f5 f6f7', 0x220d],
    ['an IPv4 header with its field zero', '4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7', 0xb861],
    ['the same with its field, which gives none', '4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7', 0],
    ['nothing', '', 0xffff],
    ['an odd byte', 'ab', 0x54ff],
    ['all ones', 'ffff ffff ffff', 0],
  ];
  for (const [name, words, want] of rows) {
    const given = bytes(words);
    assert.equal(checksumOf(addWords(given, 0, given.length)), want, name);
  }
});

test('checksumOf folds the sum of 65,535 bytes of ones', () => {
  const given = new Uint8Array(65_535).fill(0xff);
  assert.equal(checksumOf(addWords(given, 0, given.length)), 0x00ff);
});

test('updateChecksum agrees with the checksum in full, whatever the words', () => {
  // RFC 1624, section 4: the case that RFC 1141 got wrong.
  assert.equal(updateChecksum(0xdd2f, 0x5555, 0x3285), 0x0000);
  const words = [0, 1, 0x00ff, 0x5555, 0x7fff, 0x8000, 0xfffe, 0xffff];
  for (const before of words) {
    for (const after of words) {
      const rest = 0x1234;
      const full = (word: number) => checksumOf(rest + word);
      assert.equal(updateChecksum(full(before), before, after), full(after), `${before} -> ${after}`);
    }
  }
});

test('addPseudoHeader takes in addresses, protocol and length', () => {
  const addresses = bytes('c0a80001 c0a800c7');
  assert.equal(addPseudoHeader(addresses, 0, 4, 4, 17, 95), 0xc0a8 + 1 + 0xc0a8 + 0xc7 + 17 + 95);
  assert.equal(addPseudoHeader(new Uint8Array(32), 0, 16, 16, 6, 0x1_0002), 6 + 1 + 2);
});
