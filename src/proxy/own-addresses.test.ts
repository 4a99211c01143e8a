import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { parseIp } from '../core/address.js';
import { OwnAddresses } from './own-addresses.js';

test('OwnAddresses has the addresses of the interfaces and of loopback, and no others', () => {
  const own = new OwnAddresses();
  const has = (text: string) => own.has(parseIp(text) as unknown as ArrayLike<number>, 1);
  for (const list of Object.values(networkInterfaces())) {
    for (const { address } of list ?? []) assert.ok(has(address), address);
  }
  assert.ok(has('127.0.0.1'));
  assert.ok(has('127.200.3.4'));
  assert.ok(!has('192.0.2.77'));
  assert.ok(!has('2001:db8::77'));
});
