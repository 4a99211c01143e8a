/**
 * The controller's ear and mouth where the card is the ring's alone: what it sends goes by message to the thread, and
 * the thread picks the answers from what passes.
 */
import { ARP_BYTES, ARP_REPLY, arpOperation } from '../../frame/arp.js';
import { ETHER_TYPE, ETHERNET_BYTES } from '../../frame/ethernet.js';
import { ICMPV6_TYPE } from '../../frame/icmp.js';
import { IPV6, IPV6_BYTES } from '../../frame/ipv6.js';
import { PROTOCOL } from '../../frame/protocol.js';
import type { Link } from '../path.js';

/** Answers that are kept for the controller's next turn; a hostile link sends more. */
const MOST_FRAMES = 4096;

/** ARP replies and neighbour advertisements, untagged, as the controller asks. */
export function isAnswer(frame: Uint8Array, length: number): boolean {
  const type = (frame[12] << 8) | frame[13];
  if (type === ETHER_TYPE.arp && length >= ETHERNET_BYTES + ARP_BYTES)
    return arpOperation(frame, ETHERNET_BYTES, length) === ARP_REPLY;
  return (
    type === ETHER_TYPE.ipv6 &&
    length >= ETHERNET_BYTES + IPV6_BYTES + 24 &&
    frame[ETHERNET_BYTES + IPV6.nextHeader] === PROTOCOL.icmpv6 &&
    frame[ETHERNET_BYTES + IPV6_BYTES] === ICMPV6_TYPE.neighbourAdvertisement
  );
}

export class WorkerLink implements Link {
  readonly #send: (frame: Uint8Array) => void;
  #heard: Uint8Array[] = [];

  constructor(send: (frame: Uint8Array) => void) {
    this.#send = send;
  }

  heard(frame: Uint8Array): void {
    if (this.#heard.length < MOST_FRAMES) this.#heard.push(frame);
  }

  send(frame: Uint8Array): void {
    this.#send(frame);
  }

  /** There are none where there is netmap. */
  hearTunnels(): void {}

  drain(received: (frame: Uint8Array) => void): void {
    const frames = this.#heard;
    this.#heard = [];
    for (const frame of frames) received(frame);
  }

  close(): void {}
}
