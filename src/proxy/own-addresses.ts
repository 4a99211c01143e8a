/**
 * Whether an address is one of this host's: a datagram that claims to come from where we listen would be answered to
 * ourselves, and the answer taken for the next question, for ever (CERT CA-1996-01 tells of such loops).
 */
import { networkInterfaces } from 'node:os';
import { formatIp, isV4 } from '../core/address.js';

/** Addresses come and go, but asking costs as much as a dozen datagrams. */
const FRESH_MS = 10_000;

export class OwnAddresses {
  #texts = new Set<string>();
  #readMs = -Infinity;

  has(address: ArrayLike<number>, nowMs: number): boolean {
    // All of 127.0.0.0/8 is ours, though the interface shows one address of it (RFC 1122 3.2.1.3).
    if (isV4(address) && address[3] >>> 24 === 127) return true;
    if (nowMs - this.#readMs > FRESH_MS) {
      this.#readMs = nowMs;
      this.#texts = new Set(
        Object.values(networkInterfaces()).flatMap((list) => list?.map((one) => one.address) ?? []),
      );
    }
    return this.#texts.has(formatIp(address));
  }
}
