/**
 * The controller's ear and mouth on the link: packet sockets that hear ARP replies, neighbour advertisements, and what
 * comes back from tunnels: echo replies and "too big". Nothing that the program forwards comes to them.
 */
import { ARP_REPLY } from '../frame/arp.js';
import { ETHERNET_BYTES } from '../frame/ethernet.js';
import { FRAGMENTATION_NEEDED, ICMP, ICMP_TYPE, ICMPV6_TYPE } from '../frame/icmp.js';
import { IPV4, IPV4_BYTES } from '../frame/ipv4.js';
import { IPV6, IPV6_BYTES } from '../frame/ipv6.js';
import { PROTOCOL } from '../frame/protocol.js';
import { PacketSocket } from '../sys/packet-socket.js';
import {
  BPF_JEQ_K,
  BPF_LD_B_ABS,
  BPF_RET_K,
  type ClassicFilter,
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
} from '../sys/uapi/packet.js';
import type { Link } from './path.js';

/** Frames read in one go: what a hostile link sends more of waits, so that reading ends. */
const MOST_FRAMES = 4096;

export class LinkProbes implements Link {
  readonly #arp: PacketSocket;
  readonly #ndp: PacketSocket;
  readonly #icmp: PacketSocket[] = [];

  /** Throws a SystemError: EPERM, ENODEV. */
  constructor(interfaceName: string) {
    const reply: ClassicFilter = onlyIf([[ETHERNET_BYTES + 7, ARP_REPLY]]);
    this.#arp = new PacketSocket({ interfaceName, etherType: ETH_P_ARP, filter: reply });
    try {
      const advertisement = onlyIf([
        [ETHERNET_BYTES + IPV6.nextHeader, PROTOCOL.icmpv6],
        [ETHERNET_BYTES + IPV6_BYTES, ICMPV6_TYPE.neighbourAdvertisement],
      ]);
      this.#ndp = new PacketSocket({ interfaceName, etherType: ETH_P_IPV6, filter: advertisement });
    } catch (error) {
      this.#arp.close();
      throw error;
    }
    try {
      for (const [etherType, filter] of tunnelFilters()) {
        this.#icmp.push(new PacketSocket({ interfaceName, etherType, filter }));
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  send(frame: Uint8Array): void {
    this.#arp.send(frame);
  }

  drain(received: (frame: Uint8Array) => void): void {
    for (const socket of [this.#arp, this.#ndp, ...this.#icmp]) {
      for (let left = MOST_FRAMES; left > 0; left--) {
        const frame = socket.receive();
        if (!frame) break;
        received(frame);
      }
    }
  }

  close(): void {
    this.#arp.close();
    this.#ndp.close();
    for (const socket of this.#icmp) socket.close();
  }
}

/** IPv4 without options and IPv6 without extension headers: what answers us has neither. */
function tunnelFilters(): [number, ClassicFilter][] {
  const v4 = ETHERNET_BYTES + IPV4_BYTES;
  const v6 = ETHERNET_BYTES + IPV6_BYTES;
  const icmp: ByteTest[] = [
    [ETHERNET_BYTES, 0x45],
    [ETHERNET_BYTES + IPV4.protocol, PROTOCOL.icmp],
  ];
  const icmpv6: ByteTest[] = [[ETHERNET_BYTES + IPV6.nextHeader, PROTOCOL.icmpv6]];
  return [
    [ETH_P_IP, onlyIf([...icmp, [v4 + ICMP.type, ICMP_TYPE.echoReply]])],
    [ETH_P_IP, onlyIf([...icmp, [v4 + ICMP.type, ICMP_TYPE.unreachable], [v4 + ICMP.code, FRAGMENTATION_NEEDED]])],
    [ETH_P_IPV6, onlyIf([...icmpv6, [v6 + ICMP.type, ICMPV6_TYPE.echoReply]])],
    [ETH_P_IPV6, onlyIf([...icmpv6, [v6 + ICMP.type, ICMPV6_TYPE.tooBig]])],
  ];
}

type ByteTest = readonly [at: number, value: number];

/** A socket filter that lets frames through whose bytes have these values. */
function onlyIf(bytes: readonly ByteTest[]): ClassicFilter {
  return [
    ...bytes.flatMap(([at, value], i): ClassicFilter => {
      const toRefusal = (bytes.length - i - 1) * 2 + 1;
      return [
        [BPF_LD_B_ABS, 0, 0, at],
        [BPF_JEQ_K, 0, toRefusal, value],
      ];
    }),
    [BPF_RET_K, 0, 0, 0xffff],
    [BPF_RET_K, 0, 0, 0],
  ];
}
