import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Attribute, encodeMessages } from '../../sys/netlink.js';
import type { NftMessage } from '../../sys/nf-tables.js';
import * as nft from '../../sys/nf-tables.js';
import { emptyTable, leaveDiscovery, lengthOf, setOf } from './vip-rules.js';

const drop = nft.verdict(0);
const accept = nft.verdict(1);
const protocol = nft.loadMeta(1);
const v4 = [protocol, nft.is(Uint8Array.of(0x08, 0x00)), nft.loadNetwork(16, 4)];
const v6 = [protocol, nft.is(Uint8Array.of(0x86, 0xdd)), nft.loadNetwork(24, 16)];
const mask = (hex: string) => nft.masked(Uint8Array.from(Buffer.from(hex, 'hex')));
const chain = { table: 't', name: 'ingress' };

function bytes({ type, flags, attributes }: NftMessage): string {
  const all: readonly Attribute[] = attributes;
  const message = { type, flags, sequence: 0, body: new Uint8Array(0), attributes: all };
  return Buffer.from(encodeMessages([message])).toString('hex');
}

const rows: [family: 4 | 6, bits: number, set: string, rule: readonly nft.Expression[]][] = [
  [4, 32, 'ipv4-32', [...v4, nft.isIn('ipv4-32'), drop]],
  [4, 24, 'ipv4-24', [...v4, mask('ffffff00'), nft.isIn('ipv4-24'), drop]],
  [4, 13, 'ipv4-13', [...v4, mask('fff80000'), nft.isIn('ipv4-13'), drop]],
  [4, 0, 'ipv4-0', [...v4, mask('00000000'), nft.isIn('ipv4-0'), drop]],
  [6, 128, 'ipv6-128', [...v6, nft.isIn('ipv6-128'), drop]],
  [6, 65, 'ipv6-65', [...v6, mask('ffffffffffffffff8000000000000000'), nft.isIn('ipv6-65'), drop]],
];

test('lengthOf makes a set and the rule that looks destinations up in it', () => {
  for (const [family, bits, set, expressions] of rows) {
    const address = new Uint8Array(family === 4 ? 4 : 16);
    const [made, rule, ...more] = lengthOf('t', { family, bits, address });
    assert.equal(setOf({ family, bits }), set);
    const key = family === 4 ? 'ipv4' : 'ipv6';
    assert.equal(bytes(made), bytes(nft.keySet({ table: 't', name: set, key, keyBytes: address.length }, 1)), set);
    assert.equal(bytes(rule), bytes(nft.rule(chain, expressions)), set);
    assert.deepEqual(more, []);
  }
});

test('a table without VIPs drops nothing, and has room for what is left to the kernel', () => {
  const [table, base, others, left, discovery] = emptyTable('t', 'lan');
  assert.equal(bytes(table), bytes(nft.ownedTable('t')));
  assert.equal(bytes(base), bytes(nft.ingressChain(chain, 'lan', -500)));
  assert.equal(bytes(others), bytes(nft.rule(chain, [nft.loadMeta(19), nft.isNot(Uint8Array.of(0)), accept])));
  assert.equal(bytes(left), bytes(nft.keySet({ table: 't', name: 'left', key: 'icmpv6', keyBytes: 1 }, 1)));
  const icmpv6 = [nft.loadNetwork(6, 1), nft.is(Uint8Array.of(58)), nft.loadNetwork(40, 1)];
  assert.equal(bytes(discovery), bytes(nft.rule(chain, [...v6.slice(0, 2), ...icmpv6, nft.isIn('left'), accept])));
});

test('leaveDiscovery names solicitations and advertisements', () => {
  const set = { table: 't', name: 'left' };
  const types = [Uint8Array.of(135), Uint8Array.of(136)];
  assert.equal(bytes(leaveDiscovery('t', true)), bytes(nft.addKeys(set, types)));
  assert.equal(bytes(leaveDiscovery('t', false)), bytes(nft.removeKeys(set, types)));
});
