/**
 * Which servers are there, and at which MAC address: each is asked again and again, by ARP or neighbour solicitation,
 * whether or not it has traffic, and one that does not answer is gone. The kernel's own neighbour table would not do:
 * it asks only for whom it sends to, and takes several seconds to give up. What nobody has asked for moves no server that
 * answers: neither a gratuitous ARP nor an unsolicited advertisement, which cost whoever forges them nothing.
 *
 * Pure: frames and times come in, frames go out through `send`.
 */
import { type IpWords, isV4 } from '../core/address.js';
import { ARP, ARP_REPLY, arpOperation, arpProbe } from '../frame/arp.js';
import { addPseudoHeader, addWords, checksumOf } from '../frame/checksum.js';
import { ETHER_TYPE, EthernetView, MAC_BYTES } from '../frame/ethernet.js';
import { ICMP, ICMPV6_TYPE } from '../frame/icmp.js';
import { IPV6, IPV6_ADDRESS_BYTES, IPV6_BYTES, ipv6PayloadLength } from '../frame/ipv6.js';
import {
  LINK_ADDRESS_OPTION_BYTES,
  NDP,
  NDP_HOP_LIMIT,
  NEIGHBOUR_BYTES,
  ndpProbe,
  TARGET_LINK_ADDRESS,
} from '../frame/ndp.js';
import { PROTOCOL } from '../frame/protocol.js';
import { type Probed, ProbeSchedule } from './probe-schedule.js';
import { addressBytes, addressWords } from './record.js';

export interface NeighbourOptions {
  /** Our MAC address, as it is now. */
  mac(): Uint8Array;
  /** An IPv6 address of the interface to ask from, undefined while it has none. */
  sourceV6(): Uint8Array | undefined;
  send(frame: Uint8Array): void;
  /** Somebody has come, gone, or got another MAC address; by name. */
  changed(name: string): void;
}

export interface Neighbour {
  readonly address: IpWords;
  /** Where it was last, undefined if it has never answered. */
  readonly mac: Uint8Array | undefined;
  readonly isAlive: boolean;
}

interface Entry extends Probed {
  readonly address: IpWords;
  mac: Uint8Array | undefined;
}

/** Questions since the last answer after which another MAC address is believed: one was left unanswered, the next is out. */
const ASKED_IN_VAIN = 2;

export class Neighbours {
  readonly #options: NeighbourOptions;
  readonly #schedule: ProbeSchedule<Entry>;
  readonly #link = new EthernetView();

  constructor(options: NeighbourOptions) {
    this.#options = options;
    this.#schedule = new ProbeSchedule<Entry>({
      ask: (entry) => this.#ask(entry),
      lost: (name) => options.changed(name),
    });
  }

  /** From now on it is asked. */
  add(name: string, address: IpWords): void {
    if (this.#schedule.get(name)) return;
    this.#schedule.add(name, { address, mac: undefined, isAlive: false, nextMs: 0, asked: 0 });
  }

  /** Of one that is asked: it answered there a moment ago, as another process knows. It is asked all the same. */
  assume(name: string, mac: Uint8Array): void {
    const entry = this.#schedule.get(name);
    if (!entry || entry.mac) return;
    entry.mac = mac;
    this.#schedule.found(entry);
    this.#options.changed(name);
  }

  remove(name: string): void {
    this.#schedule.remove(name);
  }

  at(name: string): Neighbour | undefined {
    return this.#schedule.get(name);
  }

  /** Whether all that are asked have answered. */
  get isComplete(): boolean {
    return this.#schedule.isComplete;
  }

  /** Asks those whose time has come and gives up those that have not answered. */
  tick(nowMs: number): void {
    this.#schedule.tick(nowMs);
  }

  /** A frame that has come in. */
  received(frame: Uint8Array): void {
    const answer = this.#answerIn(frame);
    const name = answer && addressName(answer.address);
    const entry = name && this.#schedule.get(name);
    if (!entry) return;
    // Its own MAC address would send the frames round and round, a group's to everybody, zeros to nobody.
    const { mac } = answer;
    if (isSame(mac, this.#options.mac()) || (mac[0] & 1) === 1 || mac.every((byte) => byte === 0)) return;
    const hasMoved = !entry.mac || !isSame(entry.mac, answer.mac);
    // Anybody on the link can say that a server is elsewhere: as long as it answers where it was, it is there.
    if (hasMoved && entry.isAlive && entry.asked < ASKED_IN_VAIN) return;
    entry.asked = 0;
    if (hasMoved) entry.mac = answer.mac;
    if (!this.#schedule.found(entry) && !hasMoved) return;
    this.#options.changed(name);
  }

  #ask(entry: Entry): void {
    const { send } = this.#options;
    const mac = this.#options.mac();
    const target = addressBytes(entry.address);
    entry.asked += 1;
    if (isV4(entry.address)) {
      // The first question is for whom it was last; then for everybody, as it may have another card now.
      const isKnown = entry.isAlive && entry.asked === 1;
      send(arpProbe(mac, target.slice(12), isKnown ? entry.mac : undefined));
      return;
    }
    const source = this.#options.sourceV6();
    if (source) send(ndpProbe(mac, source, target));
  }

  #answerIn(frame: Uint8Array): { address: IpWords; mac: Uint8Array } | undefined {
    if (!this.#link.read(frame, frame.length)) return undefined;
    const { etherType, payloadAt } = this.#link;
    if (etherType === ETHER_TYPE.arp) {
      if (arpOperation(frame, payloadAt, frame.length) !== ARP_REPLY) return undefined;
      const mac = frame.slice(payloadAt + ARP.senderMac, payloadAt + ARP.senderMac + MAC_BYTES);
      const [a, b, c, d] = frame.subarray(payloadAt + ARP.senderIp);
      return { address: [0, 0, 0xffff, (a << 24) | (b << 16) | (c << 8) | d], mac };
    }
    return etherType === ETHER_TYPE.ipv6 ? advertised(frame, payloadAt) : undefined;
  }
}

/** The target of a neighbour advertisement; its MAC address by option, else the sender's. */
function advertised(frame: Uint8Array, at: number): { address: IpWords; mac: Uint8Array } | undefined {
  const bodyAt = at + IPV6_BYTES;
  if (bodyAt + NEIGHBOUR_BYTES > frame.length) return undefined;
  const bytes = ipv6PayloadLength(frame, at);
  const end = bodyAt + bytes;
  // RFC 4861 7.1.2; whoever was let in by a wrong bit would be sent frames that nobody takes.
  const isAdvertisement =
    frame[at + IPV6.nextHeader] === PROTOCOL.icmpv6 &&
    frame[at + IPV6.hopLimit] === NDP_HOP_LIMIT &&
    frame[bodyAt + ICMP.type] === ICMPV6_TYPE.neighbourAdvertisement &&
    frame[bodyAt + ICMP.code] === 0 &&
    bytes >= NEIGHBOUR_BYTES &&
    end <= frame.length &&
    isIntact(frame, at, bytes);
  if (!isAdvertisement) return undefined;
  const optionAt = bodyAt + NDP.options;
  const hasOption = optionAt + LINK_ADDRESS_OPTION_BYTES <= end && frame[optionAt] === TARGET_LINK_ADDRESS;
  const macAt = hasOption ? optionAt + 2 : MAC_BYTES;
  return { address: addressWords(frame, bodyAt + NDP.target), mac: frame.slice(macAt, macAt + MAC_BYTES) };
}

/** Whether the checksum of an ICMPv6 message of so many bytes, behind the header at `at`, is right. */
function isIntact(frame: Uint8Array, at: number, bytes: number): boolean {
  const [source, destination] = [at + IPV6.source, at + IPV6.destination];
  const sum = addPseudoHeader(frame, source, destination, IPV6_ADDRESS_BYTES, PROTOCOL.icmpv6, bytes);
  return checksumOf(addWords(frame, at + IPV6_BYTES, at + IPV6_BYTES + bytes, sum)) === 0;
}

/** What neighbours are known by. */
export function addressName(address: ArrayLike<number>): string {
  return `${address[0]} ${address[1]} ${address[2]} ${address[3]}`;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}
