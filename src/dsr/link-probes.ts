/**
 * The controller's ear and mouth on the link: packet sockets that hear ARP replies, neighbour advertisements, and what
 * comes back from tunnels: echo replies and "too big". Nothing that the program forwards comes to them.
 */
import { PacketSocket } from '../sys/packet-socket.js';
import { ETH_P_ARP, ETH_P_IPV6 } from '../sys/uapi/packet.js';
import { ADVERTISEMENT_FILTER, ARP_REPLY_FILTER, TUNNEL_FILTERS } from './link-filter.js';
import type { Link } from './path.js';

/** Frames read in one go: what a hostile link sends more of waits, so that reading ends. */
const MOST_FRAMES = 4096;

export class LinkProbes implements Link {
  readonly #arp: PacketSocket;
  readonly #ndp: PacketSocket;
  /** What they hear, by socket: none before there are tunnels, as a filter is asked about every packet of its family. */
  readonly #icmp = new Map<PacketSocket, number>();
  #hearsTunnels = false;

  /** Throws a SystemError: EPERM, ENODEV. */
  constructor(interfaceName: string) {
    this.#arp = new PacketSocket({ interfaceName, etherType: ETH_P_ARP, filter: ARP_REPLY_FILTER });
    try {
      this.#ndp = new PacketSocket({ interfaceName, etherType: ETH_P_IPV6, filter: ADVERTISEMENT_FILTER });
    } catch (error) {
      this.#arp.close();
      throw error;
    }
    try {
      for (const [etherType, filter] of TUNNEL_FILTERS)
        this.#icmp.set(new PacketSocket({ interfaceName, etherType: 0, filter }), etherType);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  hearTunnels(): void {
    if (this.#hearsTunnels) return;
    this.#hearsTunnels = true;
    for (const [socket, etherType] of this.#icmp) socket.listen(etherType);
  }

  send(frame: Uint8Array): void {
    this.#arp.send(frame);
  }

  drain(received: (frame: Uint8Array) => void): void {
    for (const socket of [this.#arp, this.#ndp, ...this.#icmp.keys()]) {
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
    for (const socket of this.#icmp.keys()) socket.close();
  }
}
