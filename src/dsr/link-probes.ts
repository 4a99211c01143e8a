/** The controller's ear and mouth on the link: packet sockets that hear ARP replies and neighbour advertisements only. */
import { ARP_REPLY } from '../frame/arp.js';
import { ETHERNET_BYTES } from '../frame/ethernet.js';
import { ICMPV6_TYPE } from '../frame/icmp.js';
import { IPV6, IPV6_BYTES } from '../frame/ipv6.js';
import { PROTOCOL } from '../frame/protocol.js';
import { PacketSocket } from '../sys/packet-socket.js';
import { BPF_JEQ_K, BPF_LD_B_ABS, BPF_RET_K, type ClassicFilter, ETH_P_ARP, ETH_P_IPV6 } from '../sys/uapi/packet.js';
import type { Link } from './path.js';

/** Frames read in one go: what a hostile link sends more of waits, so that reading ends. */
const MOST_FRAMES = 4096;

export class LinkProbes implements Link {
  readonly #arp: PacketSocket;
  readonly #ndp: PacketSocket;

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
  }

  send(frame: Uint8Array): void {
    this.#arp.send(frame);
  }

  drain(received: (frame: Uint8Array) => void): void {
    for (const socket of [this.#arp, this.#ndp]) {
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
  }
}

/** A socket filter that lets frames through whose bytes have these values. */
function onlyIf(bytes: readonly (readonly [at: number, value: number])[]): ClassicFilter {
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
