/**
 * What the controller's packet sockets let through: classic BPF (networking/filter.rst), which the kernel runs for each
 * frame of the socket's type.
 */
import { ARP_REPLY } from '../frame/arp.js';
import { ETHERNET_BYTES } from '../frame/ethernet.js';
import { FRAGMENTATION_NEEDED, ICMP, ICMP_TYPE, ICMPV6_TYPE } from '../frame/icmp.js';
import { IPV4, IPV4_BYTES } from '../frame/ipv4.js';
import { IPV6, IPV6_BYTES } from '../frame/ipv6.js';
import { PROTOCOL } from '../frame/protocol.js';
import { BPF_JEQ_K, BPF_LD_B_ABS, BPF_RET_K, type ClassicFilter, ETH_P_IP, ETH_P_IPV6 } from '../sys/uapi/packet.js';

type ByteTest = readonly [at: number, value: number];

const ACCEPT: ClassicFilter[number] = [BPF_RET_K, 0, 0, 0xffff];
const REFUSE: ClassicFilter[number] = [BPF_RET_K, 0, 0, 0];
const V4_PAYLOAD = ETHERNET_BYTES + IPV4_BYTES;
const V6_PAYLOAD = ETHERNET_BYTES + IPV6_BYTES;
/** IPv4 without options and IPv6 without extension headers: what answers us has neither. */
const ICMPV4: readonly ByteTest[] = [
  [ETHERNET_BYTES, 0x45],
  [ETHERNET_BYTES + IPV4.protocol, PROTOCOL.icmp],
];
const ICMPV6: readonly ByteTest[] = [[ETHERNET_BYTES + IPV6.nextHeader, PROTOCOL.icmpv6]];

export const ARP_REPLY_FILTER: ClassicFilter = filterFor([[ETHERNET_BYTES + 7, ARP_REPLY]], [[]]);
export const ADVERTISEMENT_FILTER: ClassicFilter = filterFor(ICMPV6, [
  [[V6_PAYLOAD + ICMP.type, ICMPV6_TYPE.neighbourAdvertisement]],
]);
/** Answers of servers, and of routers that have no room for our packets. */
export const TUNNEL_FILTERS: readonly [number, ClassicFilter][] = [
  [
    ETH_P_IP,
    filterFor(ICMPV4, [
      [[V4_PAYLOAD + ICMP.type, ICMP_TYPE.echoReply]],
      [
        [V4_PAYLOAD + ICMP.type, ICMP_TYPE.unreachable],
        [V4_PAYLOAD + ICMP.code, FRAGMENTATION_NEEDED],
      ],
    ]),
  ],
  [
    ETH_P_IPV6,
    filterFor(ICMPV6, [
      [[V6_PAYLOAD + ICMP.type, ICMPV6_TYPE.echoReply]],
      [[V6_PAYLOAD + ICMP.type, ICMPV6_TYPE.tooBig]],
    ]),
  ],
];

/** A socket filter that lets frames through whose bytes have all values of `all`, and all of one of `anyOf`. */
function filterFor(all: readonly ByteTest[], anyOf: readonly (readonly ByteTest[])[]): ClassicFilter {
  const choices = anyOf.map((tests) => [...testsOf(tests, tests.length * 2 + 1), ACCEPT]);
  const refusalAt = all.length * 2 + choices.reduce((sum, { length }) => sum + length, 0);
  return [...testsOf(all, refusalAt), ...choices.flat(), REFUSE];
}

/** Two instructions a test, which jump to instruction `end` (counted from their first) if it fails. */
function testsOf(tests: readonly ByteTest[], end: number): ClassicFilter {
  return tests.flatMap(
    ([at, value], i): ClassicFilter => [
      [BPF_LD_B_ABS, 0, 0, at],
      [BPF_JEQ_K, 0, end - (i * 2 + 2), value],
    ],
  );
}
