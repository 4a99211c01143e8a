import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { formatIp, parseIp } from '../core/address.js';
import { ownAddresses } from './own-address.js';

const skip = process.platform === 'linux' ? false : 'netlink is Linux';

test('ownAddresses has all that Node lists', { skip }, () => {
  const mine = new Set(ownAddresses().map(formatIp));
  const listed = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  for (const { address } of listed) {
    const words = parseIp(address.replace(/%.*/, ''));
    assert.ok(words && mine.has(formatIp(words)), address);
  }
});

test('ownAddresses of the loopback interface are its own only', { skip }, () => {
  const lo = ownAddresses('lo').map(formatIp);
  assert.ok(lo.includes('127.0.0.1'));
  const listed = (networkInterfaces().lo ?? []).map(({ address }) => address);
  assert.deepEqual(new Set(lo), new Set(listed));
});
