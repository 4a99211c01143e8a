import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFrame } from './describe.js';
import { ethernet, type Packet } from './ethernet.js';
import { DONT_FRAGMENT, ipv4 } from './ipv4.js';
import { ipv6 } from './ipv6.js';
import { tcp } from './tcp.js';
import { ENCAP, tunnelBytes, tunnelled, writeTunnel } from './tunnel.js';

const v4 = (last: number) => Uint8Array.of(192, 0, 2, last);
const v6 = (last: number) => Uint8Array.from([0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), last]);
const segment = tcp({ sourcePort: 40_000, destinationPort: 80, flags: 16 }, Uint8Array.of(1, 2, 3));
const inner: Record<4 | 6, Packet> = {
  4: ipv4({ source: v4(1), destination: v4(80), tos: 0xb9, fragment: DONT_FRAGMENT }, segment),
  6: ipv6({ source: v6(1), destination: v6(80), trafficClass: 0xb9, flowLabel: 0xfedcb }, segment),
};
const HASH = 0xfedc_ba98;

for (const encap of ['ipip', 'gue'] as const) {
  for (const outer of [4, 6] as const) {
    for (const family of [4, 6] as const) {
      test(`writeTunnel writes what tunnelled builds when IPv${family} goes by ${encap} over IPv${outer}`, () => {
        const [source, destination] = outer === 4 ? [v4(2), v4(3)] : [v6(2), v6(3)];
        const want = tunnelled({ encap, source, destination, hash: HASH, tos: 0xb9 }, inner[family]);
        const added = tunnelBytes(ENCAP[encap], outer);
        assert.equal(want.bytes.length, added + inner[family].bytes.length);
        // What is not written shows.
        const frame = new Uint8Array(14 + want.bytes.length).fill(0xa5);
        frame.set(inner[family].bytes, 14 + added);
        const [from, to] = [Uint8Array.from([9, ...source]), Uint8Array.from([9, 9, ...destination])];
        writeTunnel(frame, 14, family, ENCAP[encap], outer, HASH, from, 1, to, 2);
        const built = ethernet(
          { destination: new Uint8Array(6).fill(0xa5), source: new Uint8Array(6).fill(0xa5) },
          want,
        );
        built.set([0xa5, 0xa5], 12);
        assert.equal(Buffer.from(frame).toString('hex'), Buffer.from(built).toString('hex'), describeFrame(frame));
      });
    }
  }
}

test('tunnelled gives the bytes of RFC 2003 and of GUE variant 1', () => {
  const ipip = tunnelled({ encap: 'ipip', source: v4(2), destination: v4(3), tos: 0xb8 }, inner[4]);
  assert.equal(Buffer.from(ipip.bytes.subarray(0, 20)).toString('hex'), '45b8003f000040004004b5fdc0000202c0000203');
  const gue = tunnelled({ encap: 'gue', source: v6(2), destination: v6(3), hash: 0x1234_5678 }, inner[4]);
  assert.equal(Buffer.from(gue.bytes.subarray(0, 8)).toString('hex'), '6004567800331140');
  // Source port of the flow, port 6080, length, no checksum, and the packet at once.
  assert.equal(Buffer.from(gue.bytes.subarray(40, 50)).toString('hex'), 'd67817c00033000045b9');
});
