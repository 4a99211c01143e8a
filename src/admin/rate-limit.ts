/** Token buckets by address, a bounded number of them: who asks too often has to wait, and nobody can fill the memory. */

const MAX_ADDRESSES = 4096;

interface Bucket {
  left: number;
  atMs: number;
}

export class RateLimit {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #nowMs: () => number;
  /** In the order of last use. */
  readonly #buckets = new Map<string, Bucket>();

  constructor(options: { readonly burst: number; readonly perSecond: number; nowMs(): number }) {
    this.#burst = options.burst;
    this.#perSecond = options.perSecond;
    this.#nowMs = options.nowMs;
  }

  /** Takes one; false if nothing was left. */
  take(address: string): boolean {
    const bucket = this.#filled(address);
    if (bucket.left < 1) return false;
    bucket.left -= 1;
    this.#buckets.delete(address);
    this.#buckets.set(address, bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_ADDRESSES && oldest !== undefined) this.#buckets.delete(oldest);
    return true;
  }

  /** Seconds after which one is there again, for Retry-After. */
  get waitSec(): number {
    return Math.ceil(1 / this.#perSecond);
  }

  #filled(address: string): Bucket {
    const now = this.#nowMs();
    const bucket = this.#buckets.get(address) ?? { left: this.#burst, atMs: now };
    bucket.left = Math.min(this.#burst, bucket.left + ((now - bucket.atMs) / 1000) * this.#perSecond);
    bucket.atMs = now;
    return bucket;
  }
}

/** What is limited together: an IPv4 address, or the 64 bits of IPv6 that one customer has. */
export function limitKey(address: string): string {
  const bare = address.replace(/^::ffff:(?=\d+\.)/, '');
  if (!bare.includes(':')) return bare;
  const [head = '', tail] = bare.replace(/%.*$/, '').split('::');
  const groups = head === '' ? [] : head.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length);
  return [...groups, ...Array(missing).fill('0')].slice(0, 4).join(':');
}
