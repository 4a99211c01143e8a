import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attributes, encodeMessages, type NetlinkMessage } from './netlink.js';

const head = { type: 0x0a0b, flags: 0x0400, sequence: 7, body: Uint8Array.of(5, 0, 0, 0) };

/** What each becomes, written out. */
const rows: [name: string, message: NetlinkMessage, want: string][] = [
  ['no attributes', head, '14000000 0b0a 0104 07000000 00000000 05000000'],
  [
    'one that is filled up, and counts as long as it is',
    { ...head, attributes: [[1, Uint8Array.of(0x61, 0)]] },
    '1c000000 0b0a 0104 07000000 00000000 05000000 0600 0100 6100 0000',
  ],
  [
    'nested ones',
    {
      ...head,
      attributes: [
        [
          4,
          [
            [2, Uint8Array.of(1)],
            [3, []],
          ],
        ],
        [1, Uint8Array.of(9, 9, 9, 9)],
      ],
    },
    '2c000000 0b0a 0104 07000000 00000000 05000000 1000 0480  0500 0200 01 000000  0400 0380  0800 0100 09090909',
  ],
];

test('encodeMessages writes header, body and attributes, aligned', () => {
  for (const [name, message, want] of rows) {
    assert.equal(Buffer.from(encodeMessages([message])).toString('hex'), want.replaceAll(' ', ''), name);
  }
  const two = encodeMessages([rows[1][1], rows[0][1]]);
  assert.equal(Buffer.from(two).toString('hex'), (rows[1][2] + rows[0][2]).replaceAll(' ', ''));
});

test('encodeMessages refuses what no attribute can hold', () => {
  assert.throws(() => encodeMessages([{ ...head, attributes: [[1, new Uint8Array(65_532)]] }]), RangeError);
});

test('attributes finds what encodeMessages has written', () => {
  const bytes = encodeMessages([rows[2][1]]);
  const found = attributes(new DataView(bytes.buffer), 20, bytes.length);
  assert.deepEqual([...found.keys()], [4, 1]);
  const inner = found.get(4) as DataView;
  assert.equal(attributes(inner, 0, inner.byteLength).get(2)?.getUint8(0), 1);
});
