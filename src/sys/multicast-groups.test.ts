import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MulticastGroups } from './multicast-groups.js';

const isThere = process.platform === 'linux' && process.getuid?.() === 0;
const skip = isThere ? false : 'needs Linux and root';

/** How many have joined a group on the loopback interface. */
function users(group: string): number {
  const line = readFileSync('/proc/net/igmp6', 'latin1')
    .split('\n')
    .find((one) => / lo +/.test(one) && one.includes(group));
  return Number(line?.trim().split(/ +/)[3] ?? 0);
}

/** ff02::1:ff5a:N */
const group = (n: number) => Uint8Array.from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0x5a, n >> 8, n & 0xff]);
const nameOf = (n: number) => Buffer.from(group(n)).toString('hex');

test('MulticastGroups joins what is asked for, leaves what is not any more, and all at its end', { skip }, () => {
  const groups = new MulticastGroups('lo');
  try {
    groups.set([group(1), group(2)]);
    assert.deepEqual(
      [1, 2, 3].map((n) => users(nameOf(n))),
      [1, 1, 0],
    );
    groups.set([group(2), group(3)]);
    assert.deepEqual(
      [1, 2, 3].map((n) => users(nameOf(n))),
      [0, 1, 1],
    );
    groups.hearEverything(true);
    groups.hearEverything(false);
  } finally {
    groups.close();
  }
  assert.deepEqual(
    [1, 2, 3].map((n) => users(nameOf(n))),
    [0, 0, 0],
  );
  groups.close();
});

test('MulticastGroups joins thousands', { skip }, () => {
  const groups = new MulticastGroups('lo');
  try {
    groups.set(Array.from({ length: 4095 }, (_, n) => group(n)));
    assert.deepEqual(
      [0, 127, 128, 4094].map((n) => users(nameOf(n))),
      [1, 1, 1, 1],
    );
  } finally {
    groups.close();
  }
});
