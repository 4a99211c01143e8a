/**
 * Which servers are there, and at which MAC address: each is asked again and again, by ARP or neighbour solicitation,
 * whether or not it has traffic, and one that does not answer is gone. The kernel's own neighbour table would not do:
 * it asks only for whom it sends to, and takes several seconds to give up.
 *
 * Pure: frames and times come in, frames go out through `send`.
 */
import { type IpWords, isV4 } from '../core/address.js';
import { ARP, ARP_REPLY, arpOperation, arpProbe } from '../frame/arp.js';
import { ETHER_TYPE, EthernetView, MAC_BYTES } from '../frame/ethernet.js';
import { ICMP, ICMPV6_TYPE } from '../frame/icmp.js';
import { IPV6, IPV6_BYTES } from '../frame/ipv6.js';
import {
  LINK_ADDRESS_OPTION_BYTES,
  NDP,
  NDP_HOP_LIMIT,
  NEIGHBOUR_BYTES,
  ndpProbe,
  TARGET_LINK_ADDRESS,
} from '../frame/ndp.js';
import { PROTOCOL } from '../frame/protocol.js';
import { addressBytes, addressWords } from './record.js';

export interface NeighbourOptions {
  /** Our MAC address. */
  readonly mac: Uint8Array;
  /** An IPv6 address of the interface to ask from, undefined while it has none. */
  sourceV6(): Uint8Array | undefined;
  send(frame: Uint8Array): void;
}

export interface Neighbour {
  readonly address: IpWords;
  /** Where it was last, undefined if it has never answered. */
  readonly mac: Uint8Array | undefined;
  readonly isAlive: boolean;
}

interface Entry {
  readonly address: IpWords;
  mac: Uint8Array | undefined;
  isAlive: boolean;
  /** When it is asked next, and how often it has been since its last answer. */
  nextMs: number;
  asked: number;
}

/** Time between questions, and how many a server may leave unanswered: one that dies is noticed within 1.2 s. */
const PROBE_INTERVAL_MS = 300;
const PROBES_UNANSWERED = 3;
/** Questions a second to all servers together: more of them are asked less often each. */
const PROBES_PER_SECOND = 2000;

export class Neighbours {
  readonly #options: NeighbourOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #link = new EthernetView();

  constructor(options: NeighbourOptions) {
    this.#options = options;
  }

  /** From now on these, and no others, are asked. */
  watch(addresses: readonly IpWords[]): void {
    const wanted = new Set(addresses.map(nameOf));
    for (const name of this.#entries.keys()) if (!wanted.has(name)) this.#entries.delete(name);
    for (const address of addresses) {
      const name = nameOf(address);
      if (this.#entries.has(name)) continue;
      this.#entries.set(name, { address, mac: undefined, isAlive: false, nextMs: 0, asked: 0 });
    }
  }

  /** Of one that is watched: it answered there a moment ago, as another process knows. It is asked all the same. */
  assume(address: IpWords, mac: Uint8Array): void {
    const entry = this.#entries.get(nameOf(address));
    if (!entry || entry.mac) return;
    entry.mac = mac;
    entry.isAlive = true;
  }

  at(address: IpWords): Neighbour | undefined {
    return this.#entries.get(nameOf(address));
  }

  /** Asks those whose time has come and gives up those that have not answered; true if somebody's state has changed. */
  tick(nowMs: number): boolean {
    const intervalMs = Math.max(PROBE_INTERVAL_MS, (this.#entries.size * 1000) / PROBES_PER_SECOND);
    let changed = false;
    for (const entry of this.#entries.values()) {
      if (entry.nextMs > nowMs) continue;
      // Counted in questions, not in time: if it was us who stood still, it has not been silent.
      if (entry.isAlive && entry.asked >= PROBES_UNANSWERED) {
        entry.isAlive = false;
        changed = true;
      }
      entry.nextMs = nowMs + intervalMs;
      this.#ask(entry);
    }
    return changed;
  }

  /** A frame that has come in; true if it changes what is known. */
  received(frame: Uint8Array): boolean {
    const answer = this.#answerIn(frame);
    const entry = answer && this.#entries.get(nameOf(answer.address));
    // Its own MAC address would send the frames round and round.
    if (!entry || isSame(answer.mac, this.#options.mac) || (answer.mac[0] & 1) === 1) return false;
    const isNews = !entry.isAlive || !entry.mac || !isSame(entry.mac, answer.mac);
    entry.mac = answer.mac;
    entry.isAlive = true;
    entry.asked = 0;
    return isNews;
  }

  #ask(entry: Entry): void {
    const { mac, send } = this.#options;
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
  const isAdvertisement =
    frame[at + IPV6.nextHeader] === PROTOCOL.icmpv6 &&
    frame[at + IPV6.hopLimit] === NDP_HOP_LIMIT &&
    frame[bodyAt + ICMP.type] === ICMPV6_TYPE.neighbourAdvertisement;
  if (!isAdvertisement) return undefined;
  const optionAt = bodyAt + NDP.options;
  const hasOption = optionAt + LINK_ADDRESS_OPTION_BYTES <= frame.length && frame[optionAt] === TARGET_LINK_ADDRESS;
  const macAt = hasOption ? optionAt + 2 : MAC_BYTES;
  return { address: addressWords(frame, bodyAt + NDP.target), mac: frame.slice(macAt, macAt + MAC_BYTES) };
}

function nameOf(address: ArrayLike<number>): string {
  return `${address[0]} ${address[1]} ${address[2]} ${address[3]}`;
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}
