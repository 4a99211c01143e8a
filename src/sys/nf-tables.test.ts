import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attribute, encodeMessages } from './netlink.js';
import * as nft from './nf-tables.js';
import { NF_DROP, NFT_META_PROTOCOL } from './uapi/nf-tables.js';

/** Attributes as bytes: length and type in the machine's order, numbers in the network's. */
function hex(attributes: readonly Attribute[]): string {
  return Buffer.from(encodeMessages([{ type: 0, flags: 0, sequence: 0, body: new Uint8Array(0), attributes }]))
    .subarray(16)
    .toString('hex');
}

const T = '0600 0100 7400 0000';
const chain = { table: 't', name: 'c' };
const set = { table: 't', name: 's', key: 'ipv4', keyBytes: 4 } as const;

/** Message, its number, flags of its own, and what its attributes are, written out. */
const messages: [name: string, message: nft.NftMessage, type: number, flags: number, want: string][] = [
  ['a table of ours', nft.ownedTable('t'), 0, 0x600, `${T} 0800 0200 00000002`],
  [
    'a chain at the ingress hook',
    nft.ingressChain(chain, 'lan', -500),
    3,
    0x600,
    `${T} 0600 0300 6300 0000 1c00 0480 0800 0100 00000000 0800 0200 fffffe0c 0800 0300 6c616e00 0800 0500 00000001 0b00 0700 66696c74657200 00`,
  ],
  [
    'a set',
    nft.keySet(set, 3),
    9,
    0x600,
    `${T} 0600 0200 7300 0000 0800 0300 00000000 0800 0400 00000007 0800 0500 00000004 0800 0a00 00000003`,
  ],
  [
    'keys that come',
    nft.addKeys(set, [Uint8Array.of(10, 0, 0, 1), Uint8Array.of(9)]),
    12,
    0x400,
    `${T} 0600 0200 7300 0000 2400 0380 1000 0180 0c00 0180 0800 0100 0a000001 1000 0180 0c00 0180 0500 0100 09000000`,
  ],
  [
    'keys that go',
    nft.removeKeys(set, [Uint8Array.of(10, 0, 0, 1)]),
    14,
    0,
    `${T} 0600 0200 7300 0000 1400 0380 1000 0180 0c00 0180 0800 0100 0a000001`,
  ],
  [
    'a rule',
    nft.rule(chain, [nft.isIn('s')]),
    6,
    0xc00,
    `${T} 0600 0200 6300 0000 2800 0480 2400 0180 0b00 0100 6c6f6f6b757000 00 1400 0280 0600 0100 7300 0000 0800 0200 00000001`,
  ],
];

test('messages have these bytes', () => {
  for (const [name, message, type, flags, want] of messages) {
    assert.deepEqual([message.type, message.flags], [type, flags], name);
    assert.equal(hex(message.attributes), want.replaceAll(' ', ''), name);
  }
});

const expressions: [expression: nft.Expression, name: string, want: string][] = [
  [nft.loadNetwork(16, 4), 'payload', '0800 0100 00000001 0800 0200 00000001 0800 0300 00000010 0800 0400 00000004'],
  [nft.loadMeta(NFT_META_PROTOCOL), 'meta', '0800 0100 00000001 0800 0200 00000001'],
  [nft.is(Uint8Array.of(8, 0)), 'cmp', '0800 0100 00000001 0800 0200 00000000 0c00 0380 0600 0100 0800 0000'],
  [nft.isNot(Uint8Array.of(7)), 'cmp', '0800 0100 00000001 0800 0200 00000001 0c00 0380 0500 0100 07000000'],
  [
    nft.masked(Uint8Array.of(255, 255, 255, 0)),
    'bitwise',
    '0800 0100 00000001 0800 0200 00000001 0800 0300 00000004 0c00 0480 0800 0100 ffffff00 0c00 0580 0800 0100 00000000',
  ],
  [nft.verdict(NF_DROP), 'immediate', '0800 0100 00000000 1000 0280 0c00 0280 0800 0100 00000000'],
];

test('expressions have these bytes', () => {
  for (const [[name, data], wantedName, want] of expressions) {
    assert.equal(name, wantedName);
    assert.equal(hex(data), want.replaceAll(' ', ''), name);
  }
});

test('encodeBatch: a beginning, messages of the netdev family, the last of which is answered, an end', () => {
  const batch = nft.encodeBatch([nft.ownedTable('t'), nft.ownedTable('t')], 5);
  const table = `${T} 0800 0200 00000002`;
  const want = [
    '14000000 1000 0100 05000000 00000000 00 00 000a',
    `24000000 000a 0106 06000000 00000000 05 00 0000 ${table}`,
    `24000000 000a 0506 07000000 00000000 05 00 0000 ${table}`,
    '14000000 1100 0100 08000000 00000000 00 00 000a',
  ];
  assert.equal(Buffer.from(batch).toString('hex'), want.join('').replaceAll(' ', ''));
});
