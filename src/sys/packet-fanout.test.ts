import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemError } from './errno.js';
import { closePacketRing } from './open-packet-ring.js';
import { groupOf, openPacketRings } from './packet-fanout.js';

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
const skip = !isRoot && 'needs root and Linux';

const options = { interfaceName: 'lo', mtu: 1500, receiveBytes: 1 << 20, transmitBytes: 1 << 20 };

test('openPacketRings makes a group that no other rings of the interface are in; one ring needs none', {
  skip,
}, (t) => {
  const opened = [1, 2, 3].map((count) => openPacketRings(options, count, () => 7));
  t.after(() => {
    for (const ring of opened.flatMap(({ rings }) => rings)) closePacketRing(ring);
  });
  assert.deepEqual(
    opened.map(({ rings, shortfall }) => [rings.length, shortfall]),
    [
      [1, undefined],
      [2, undefined],
      [3, undefined],
    ],
  );
  const [alone, ...groups] = opened.map(({ rings }) => [...new Set(rings.map(({ receives }) => groupOf(receives)))]);
  assert.deepEqual(alone, [0]);
  assert.deepEqual(
    groups.map((numbers) => numbers.length),
    [1, 1],
  );
  assert.notEqual(groups[0][0], groups[1][0]);
});

test('openPacketRings says what it cannot get, and leaves nothing open', { skip }, () => {
  assert.throws(
    () => openPacketRings({ ...options, interfaceName: 'pen-nowhere' }, 2, () => 7),
    (error) => error instanceof SystemError && error.code === 'ENODEV',
  );
});
