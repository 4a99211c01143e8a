import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arp } from '../../frame/arp.js';
import { ethernet } from '../../frame/ethernet.js';
import { icmpv6 } from '../../frame/icmp.js';
import { ipv6 } from '../../frame/ipv6.js';
import { CLIENT_MAC, OWN_MAC } from '../fixtures/stage.js';
import { compareRing, ringSuite } from './ring.suite.js';
import { netmapStage } from './stages.suite.js';
import { isAnswer } from './worker-link.js';

const FRAMES = 20_000;

ringSuite('a netmap port', netmapStage);

test(`a netmap port agrees with the decision on ${FRAMES} random frames`, () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
  compareRing(netmapStage(), { count: FRAMES, seed });
});

test('isAnswer picks what the controller may have asked for', () => {
  const link = { destination: OWN_MAC, source: CLIENT_MAC };
  const addresses = { senderMac: CLIENT_MAC, senderIp: new Uint8Array(4), targetIp: new Uint8Array(4) };
  const ends = { source: new Uint8Array(16), destination: new Uint8Array(16) };
  const message = (type: number) => ethernet(link, ipv6(ends, icmpv6({ type }, new Uint8Array(16))));
  const rows: [Uint8Array, boolean][] = [
    [ethernet(link, arp({ ...addresses, operation: 2 })), true],
    [ethernet(link, arp({ ...addresses, operation: 1 })), false],
    [message(136), true],
    [message(135), false],
    [message(136).slice(0, 50), false],
    [new Uint8Array(14), false],
  ];
  for (const [frame, want] of rows) assert.equal(isAnswer(frame, frame.length), want);
});
