/** How often an address may try. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitKey, RateLimit } from './rate-limit.js';

test('RateLimit lets a burst through, fills up again, and keeps a bounded number of addresses', () => {
  let nowMs = 0;
  const limit = new RateLimit({ burst: 3, perSecond: 2, nowMs: () => nowMs });
  const take = (address: string) => limit.take(address);
  assert.deepEqual([take('a'), take('a'), take('a'), take('a'), take('b')], [true, true, true, false, true]);
  nowMs = 500;
  assert.deepEqual([take('a'), take('a')], [true, false]);
  for (let n = 0; n < 10_000; n++) take(`x${n}`);
  assert.equal(take('a'), true, 'long forgotten');
});

test('limitKey takes an IPv6 network for one', () => {
  for (const [address, key] of [
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ] as const) {
    assert.equal(limitKey(address), key);
  }
});
