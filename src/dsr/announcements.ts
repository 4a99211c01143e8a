/** Tells the link that the VIPs are here, more than once: a frame may be lost. When it is time the controller says. */
import { type IpWords, isV4 } from '../core/address.js';
import { ADDRESS_BITS, type Vip } from '../core/vip.js';
import { arpAnnouncement } from '../frame/arp.js';
import { ndpAnnouncement } from '../frame/ndp.js';
import { addressName } from './neighbours.js';
import { addressBytes } from './record.js';

/** Times that a VIP is announced, and how long after each other (RFC 5227 ANNOUNCE_NUM, ANNOUNCE_INTERVAL). */
const ANNOUNCEMENTS = 2;
/** The same when another balancer had them until now: one that is lost would leave clients with the other for long. */
const TAKEOVER_ANNOUNCEMENTS = 5;
const ANNOUNCE_INTERVAL_MS = 2000;

export class Announcements {
  readonly #send: (frame: Uint8Array) => void;
  #left = 0;
  #nextMs = 0;

  constructor(send: (frame: Uint8Array) => void) {
    this.#send = send;
  }

  /** At the start, and when a VIP or our MAC address is new. */
  begin(): void {
    this.#left = ANNOUNCEMENTS;
  }

  /** The same where another balancer had the VIPs until now. */
  beginTakeover(): void {
    this.#left = TAKEOVER_ANNOUNCEMENTS;
  }

  /** Nothing more is said: the VIPs are another balancer's. */
  end(): void {
    this.#left = 0;
  }

  /** The next need not wait. */
  hurry(nowMs: number): void {
    this.#nextMs = nowMs;
  }

  isDue(nowMs: number): boolean {
    return this.#left > 0 && nowMs >= this.#nextMs;
  }

  /** Now, whether or not it is time; whose prefix is a VIP is too many. */
  send(vips: Iterable<Vip>, mac: Uint8Array, nowMs: number): void {
    const told = new Set<string>();
    for (const { address, bits } of vips) {
      const name = addressName(address);
      if (bits < ADDRESS_BITS || told.has(name)) continue;
      told.add(name);
      this.#send(announcement(address, mac));
    }
    this.#left = Math.max(0, this.#left - 1);
    this.#nextMs = nowMs + ANNOUNCE_INTERVAL_MS;
  }
}

function announcement(vip: IpWords, mac: Uint8Array): Uint8Array {
  const address = addressBytes(vip);
  return isV4(vip) ? arpAnnouncement(mac, address.slice(12)) : ndpAnnouncement(mac, address);
}
