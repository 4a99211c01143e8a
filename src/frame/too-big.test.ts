import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Icmp, icmp, icmpv6 } from './icmp.js';
import { DONT_FRAGMENT, ipv4 } from './ipv4.js';
import { ipv6 } from './ipv6.js';
import { tcp } from './tcp.js';
import { mayBeTold, QUOTE_BYTES, writeTooBig } from './too-big.js';

const v4 = (...bytes: number[]) => Uint8Array.from(bytes);
const v6 = (first: number, last: number) => Uint8Array.from([first, ...new Uint8Array(14), last]);
const data = tcp({ sourcePort: 40_000, destinationPort: 80, flags: 16 }, new Uint8Array(1460).fill(7));
const told: Icmp = { type: 3, code: 4, word: 1380 };

test('writeTooBig gives what icmp builds when the packet is IPv4', () => {
  const packet = ipv4({ source: v4(198, 18, 0, 1), destination: v4(192, 0, 2, 80), fragment: DONT_FRAGMENT }, data);
  const frame = new Uint8Array(14 + packet.bytes.length).fill(0xa5);
  frame.set(packet.bytes, 14);
  const end = writeTooBig(frame, 14, 4, 1380);
  const message = icmp(told, packet.bytes.slice(0, QUOTE_BYTES[4]));
  const header = { source: v4(192, 0, 2, 80), destination: v4(198, 18, 0, 1), fragment: DONT_FRAGMENT };
  assert.deepEqual(frame.slice(14, end), ipv4(header, message).bytes);
  assert.equal(end - 14, 576);
  assert.ok(frame.subarray(0, 14).every((byte) => byte === 0xa5));
});

test('writeTooBig gives what icmpv6 builds when the packet is IPv6', () => {
  const packet = ipv6({ source: v6(0x20, 1), destination: v6(0x20, 80), hopLimit: 9, trafficClass: 3 }, data);
  const frame = new Uint8Array(14 + packet.bytes.length);
  frame.set(packet.bytes, 14);
  const end = writeTooBig(frame, 14, 6, 1380);
  const message = icmpv6({ type: 2, word: 1380 }, packet.bytes.slice(0, QUOTE_BYTES[6]));
  assert.deepEqual(frame.slice(14, end), ipv6({ source: v6(0x20, 80), destination: v6(0x20, 1) }, message).bytes);
  assert.equal(end - 14, 1280);
});

test('mayBeTold holds for single hosts and for what is no later fragment', () => {
  const from = (source: Uint8Array, fragment = 0) => {
    const isV4 = source.length === 4;
    const packet = isV4
      ? ipv4({ source, destination: v4(192, 0, 2, 80), fragment }, data)
      : ipv6({ source, destination: v6(0x20, 80) }, data);
    return mayBeTold(packet.bytes, 0, isV4 ? 4 : 6);
  };
  assert.deepEqual(
    [v4(1, 0, 0, 1), v4(223, 0, 0, 1), v4(0, 0, 0, 1), v4(127, 0, 0, 1), v4(224, 0, 0, 1), v4(255, 255, 255, 255)].map(
      (one) => from(one),
    ),
    [true, true, false, false, false, false],
  );
  assert.deepEqual(
    [v6(0x20, 1), v6(0xfe, 1), v6(0, 0), v6(0xff, 2)].map((one) => from(one)),
    [true, true, false, false],
  );
  assert.deepEqual(
    [from(v4(1, 0, 0, 1), 0x2000), from(v4(1, 0, 0, 1), 0x2001), from(v4(1, 0, 0, 1), 1)],
    [true, false, false],
  );
});
