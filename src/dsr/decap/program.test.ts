import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestRun } from '../../bpf/index.js';
import { needsBpf } from '../../bpf/kernel.suite.js';
import { describeFrame } from '../../frame/describe.js';
import { ethernet, type Packet, parseMac } from '../../frame/ethernet.js';
import { ipv4, MORE_FRAGMENTS } from '../../frame/ipv4.js';
import { ipv6 } from '../../frame/ipv6.js';
import { tcp } from '../../frame/tcp.js';
import { tunnelled } from '../../frame/tunnel.js';
import { udp } from '../../frame/udp.js';
import { ip, wire } from '../fixtures/stage.js';
import { XDP_DROP, XDP_PASS } from '../layout.js';
import { Decap } from './decap.js';
import type { DecapOutcome } from './layout.js';

const OWN = { 4: ip('192.0.2.21'), 6: ip('2001:db8::21') };
const VIP = { 4: ip('203.0.113.80'), 6: ip('2001:db8:80::80') };
const CLIENT = { 4: ip('198.18.0.1'), 6: ip('2001:db8:c::1') };
const BALANCER = { 4: ip('192.0.2.2'), 6: ip('2001:db8::2') };
const link = {
  destination: parseMac('02:00:00:00:00:21') as Uint8Array,
  source: parseMac('02:00:00:00:00:fe') as Uint8Array,
};
type Family = 4 | 6;
const families = [4, 6] as const;
const data = tcp({ sourcePort: 40_000, destinationPort: 80, flags: 16 }, new Uint8Array(33).fill(5));

function inner(family: Family, { to = VIP, tos = 0 } = {}): Packet {
  const addresses = { source: wire(CLIENT[family]), destination: wire(to[family]) };
  return family === 4 ? ipv4({ ...addresses, tos }, data) : ipv6({ ...addresses, trafficClass: tos }, data);
}

interface Outer {
  readonly to?: typeof OWN;
  readonly from?: typeof BALANCER;
  readonly tos?: number;
}

function outer(
  family: Family,
  encap: 'ipip' | 'gue',
  packet: Packet,
  { to = OWN, from = BALANCER, tos = 0 }: Outer = {},
) {
  const ends = { source: wire(from[family]), destination: wire(to[family]) };
  return ethernet(link, tunnelled({ encap, ...ends, tos, hash: 99 }, packet));
}

/** What the program does with a frame. */
function runner(decap: Decap) {
  const testRun = new TestRun(decap.program);
  return {
    close: () => testRun.close(),
    run(given: Uint8Array) {
      const before = decap.counts();
      testRun.input.set(given);
      const verdict = testRun.run(given.length);
      const after = decap.counts();
      const counted = (Object.keys(after) as DecapOutcome[]).filter((name) => after[name] !== before[name]);
      return { verdict, counted, frame: testRun.output.slice(0, testRun.outputBytes) };
    },
  };
}

function withDecap(sources: (typeof BALANCER)[4][] | undefined, body: (run: ReturnType<typeof runner>['run']) => void) {
  const decap = new Decap({ own: [OWN[4], OWN[6]], vips: [VIP[4], VIP[6]], sources });
  const { run, close } = runner(decap);
  try {
    body(run);
  } finally {
    close();
    decap.close();
  }
}

test('the program takes packets for a VIP out of all tunnels', needsBpf, () => {
  withDecap(undefined, (run) => {
    for (const encap of ['ipip', 'gue'] as const)
      for (const over of families)
        for (const family of families) {
          const packet = inner(family, { tos: 0xb8 });
          const { verdict, counted, frame } = run(outer(over, encap, packet));
          const about = `IPv${family} by ${encap} over IPv${over}`;
          assert.equal(verdict, XDP_PASS, about);
          assert.deepEqual(counted, [encap], about);
          assert.equal(describeFrame(frame), describeFrame(ethernet(link, packet)), about);
          assert.deepEqual(frame, ethernet(link, packet), about);
        }
  });
});

test('the program lets everything else pass as it came', needsBpf, () => {
  const other = { 4: ip('203.0.113.81'), 6: ip('2001:db8:80::81') };
  const rows: [string, Uint8Array, DecapOutcome[]][] = families.flatMap(
    (over): [string, Uint8Array, DecapOutcome[]][] => {
      const gue = outer(over, 'gue', inner(4));
      const version = (value: number) => {
        const frame = gue.slice();
        frame[14 + (over === 4 ? 20 : 40) + 8] = value << 4;
        return frame;
      };
      const header = 14 + (over === 4 ? 20 : 40);
      const broken = over === 4 ? outer(4, 'ipip', inner(4)) : outer(6, 'ipip', inner(4)).slice(0, header + 10);
      if (over === 4) broken[24] ^= 1;
      const ends = { source: wire(BALANCER[over]), destination: wire(OWN[over]) };
      const plain = (transport: Parameters<typeof ipv4>[1]) =>
        ethernet(link, over === 4 ? ipv4(ends, transport) : ipv6(ends, transport));
      return [
        [`plain TCP over IPv${over}`, ethernet(link, inner(over)), []],
        [
          `UDP to another port over IPv${over}`,
          plain(udp({ sourcePort: 1, destinationPort: 6081 }, inner(4).bytes)),
          [],
        ],
        [`a tunnel to another host over IPv${over}`, outer(over, 'ipip', inner(4), { to: other }), []],
        [`a packet for another address over IPv${over}`, outer(over, 'ipip', inner(6, { to: other })), ['notVip']],
        [`the same by GUE over IPv${over}`, outer(over, 'gue', inner(4, { to: OWN })), ['notVip']],
        [`GUE of variant 0 over IPv${over}`, version(0), ['malformed']],
        [`GUE around something else over IPv${over}`, version(5), ['malformed']],
        [
          `IPv4 that is promised as IPv6 over IPv${over}`,
          plain({ protocol: 41, bytes: inner(4).bytes }),
          ['malformed'],
        ],
        [
          `a tunnel with nothing inside over IPv${over}`,
          plain({ protocol: 4, bytes: new Uint8Array(0) }),
          ['malformed'],
        ],
        [`a packet cut short over IPv${over}`, outer(over, 'ipip', inner(6)).slice(0, header + 39), ['malformed']],
        [`a broken outer header over IPv${over}`, broken, ['malformed']],
      ];
    },
  );
  const ends = { source: wire(BALANCER[4]), destination: wire(OWN[4]) };
  const payload = { protocol: 4, bytes: inner(4).bytes };
  rows.push(
    ['a fragment', ethernet(link, ipv4({ ...ends, fragment: MORE_FRAGMENTS }, payload)), ['malformed']],
    ['a later fragment', ethernet(link, ipv4({ ...ends, fragment: 3 }, payload)), ['malformed']],
    ['outer options', ethernet(link, ipv4({ ...ends, options: new Uint8Array(4).fill(1) }, payload)), ['malformed']],
    ['no IP', ethernet(link, { etherType: 0x88cc, bytes: new Uint8Array(60) }), []],
    ['an empty frame', ethernet(link, { etherType: 0x0800, bytes: new Uint8Array(0) }), []],
  );
  withDecap(undefined, (run) => {
    for (const [about, given, wanted] of rows) {
      const { verdict, counted, frame } = run(given);
      assert.deepEqual({ verdict, counted }, { verdict: XDP_PASS, counted: wanted }, about);
      assert.deepEqual(frame, given, about);
    }
  });
});

test('the program takes packets only from whom it may when that is said', needsBpf, () => {
  const stranger = { 4: ip('192.0.2.66'), 6: ip('2001:db8::66') };
  withDecap([BALANCER[4], BALANCER[6]], (run) => {
    for (const over of families) {
      assert.deepEqual(run(outer(over, 'gue', inner(4))).counted, ['gue']);
      const given = outer(over, 'gue', inner(4), { from: stranger });
      const { counted, frame } = run(given);
      assert.deepEqual(counted, ['foreign']);
      assert.deepEqual(frame, given);
    }
  });
});

test('the program hands congestion marks on, and drops what must not be marked', needsBpf, () => {
  withDecap(undefined, (run) => {
    for (const over of families)
      for (const family of families)
        for (const [from, to] of [
          [0xb9, 0xbb],
          [0xba, 0xbb],
          [0xbb, 0xbb],
        ]) {
          const { frame, counted } = run(outer(over, 'ipip', inner(family, { tos: from }), { tos: 0x03 }));
          assert.deepEqual(counted, ['ipip']);
          assert.deepEqual(frame, ethernet(link, inner(family, { tos: to })), `IPv${family} over IPv${over}, ${from}`);
        }
    for (const family of families) {
      const { verdict, counted } = run(outer(4, 'gue', inner(family, { tos: 0xb8 }), { tos: 0x03 }));
      assert.deepEqual({ verdict, counted }, { verdict: XDP_DROP, counted: ['congested'] });
      const unmarked = run(outer(6, 'gue', inner(family, { tos: 0xb8 }), { tos: 0x02 }));
      assert.deepEqual(unmarked.frame, ethernet(link, inner(family, { tos: 0xb8 })));
    }
  });
});

test('Decap forgets addresses that are taken away', needsBpf, () => {
  const decap = new Decap({ own: [OWN[4]], vips: [VIP[4]], sources: undefined });
  const { run, close } = runner(decap);
  try {
    const given = outer(4, 'ipip', inner(4));
    assert.deepEqual(run(given).counted, ['ipip']);
    decap.update({ own: [OWN[4]], vips: [VIP[6]], sources: undefined });
    assert.deepEqual(run(given).counted, ['notVip']);
    decap.update({ own: [OWN[6]], vips: [VIP[4]], sources: undefined });
    assert.deepEqual(run(given).counted, []);
  } finally {
    close();
    decap.close();
  }
});
