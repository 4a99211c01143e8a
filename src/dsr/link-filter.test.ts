import assert from 'node:assert/strict';
import { test } from 'node:test';
import { arp } from '../frame/arp.js';
import { ethernet } from '../frame/ethernet.js';
import { icmp, icmpv6 } from '../frame/icmp.js';
import { ipv4 } from '../frame/ipv4.js';
import { ipv6 } from '../frame/ipv6.js';
import { udp } from '../frame/udp.js';
import { BPF_JEQ_K, BPF_LD_B_ABS, BPF_RET_K, type ClassicFilter, ETH_P_IP } from '../sys/uapi/packet.js';
import { CLIENT_MAC, OWN_MAC } from './fixtures/stage.js';
import { ADVERTISEMENT_FILTER, ARP_REPLY_FILTER, TUNNEL_FILTERS } from './link-filter.js';

/** As the kernel runs it; a load beyond the end refuses. */
function accepts(filter: ClassicFilter, frame: Uint8Array): boolean {
  let loaded = 0;
  for (let at = 0; at < filter.length; at++) {
    const [code, jumpTrue, jumpFalse, constant] = filter[at];
    if (code === BPF_RET_K) return constant !== 0;
    if (code === BPF_LD_B_ABS) {
      if (constant >= frame.length) return false;
      loaded = frame[constant];
    } else {
      assert.equal(code, BPF_JEQ_K);
      at += loaded === constant ? jumpTrue : jumpFalse;
    }
  }
  assert.fail('ran over the end');
}

const link = { destination: OWN_MAC, source: CLIENT_MAC };
const v4 = (message: { type: number; code?: number }) =>
  ethernet(
    link,
    ipv4({ source: new Uint8Array(4), destination: new Uint8Array(4) }, icmp(message, new Uint8Array(16))),
  );
const ends = { source: new Uint8Array(16), destination: new Uint8Array(16) };
const v6 = (type: number) => ethernet(link, ipv6(ends, icmpv6({ type }, new Uint8Array(16))));
const arpFrame = (operation: number) =>
  ethernet(link, arp({ operation, senderMac: CLIENT_MAC, senderIp: new Uint8Array(4), targetIp: new Uint8Array(4) }));
const question = ethernet(
  link,
  ipv4({ source: new Uint8Array(4), destination: new Uint8Array(4) }, udp({ sourcePort: 0, destinationPort: 3 })),
);

test('the filters let answers through and nothing else', () => {
  const [[, tunnelV4], [, tunnelV6]] = TUNNEL_FILTERS;
  const rows: [string, ClassicFilter, Uint8Array, boolean][] = [
    ['ARP reply', ARP_REPLY_FILTER, arpFrame(2), true],
    ['ARP request', ARP_REPLY_FILTER, arpFrame(1), false],
    ['cut ARP', ARP_REPLY_FILTER, arpFrame(2).slice(0, 21), false],
    ['advertisement', ADVERTISEMENT_FILTER, v6(136), true],
    ['solicitation', ADVERTISEMENT_FILTER, v6(135), false],
    ['echo reply', tunnelV4, v4({ type: 0 }), true],
    ['echo request', tunnelV4, v4({ type: 8 }), false],
    ['fragmentation needed', tunnelV4, v4({ type: 3, code: 4 }), true],
    ['port unreachable', tunnelV4, v4({ type: 3, code: 3 }), false],
    ['UDP that looks like one', tunnelV4, question, false],
    ['echo reply, IPv6', tunnelV6, v6(129), true],
    ['too big, IPv6', tunnelV6, v6(2), true],
    ['advertisement', tunnelV6, v6(136), false],
  ];
  for (const [name, filter, frame, want] of rows) assert.equal(accepts(filter, frame), want, name);
  assert.deepEqual(
    TUNNEL_FILTERS.map(([etherType]) => etherType === ETH_P_IP),
    [true, false],
  );
});
