/**
 * HalfSipHash-1-3 (Aumasson and Bernstein's SipHash with 32-bit words; the kernel's `hsiphash` on 32-bit
 * machines). A keyed hash: who does not know the key cannot make keys that collide, which a multiplicative or
 * murmur-like hash does not promise whatever its seed. Hot path: no objects, one loop, 32-bit integers.
 */

/** Hashes the first `count` words under a 64-bit key; an unsigned 32-bit integer. */
export function halfSipHash(words: ArrayLike<number>, count: number, key0: number, key1: number): number {
  let v0 = key0 | 0;
  let v1 = key1 | 0;
  let v2 = key0 ^ 0x6c796765;
  let v3 = key1 ^ 0x74656462;
  // One round for each word, one for the length block, three to finish.
  for (let step = 0; step < count + 4; step++) {
    const block = step < count ? words[step] : step === count ? (count * 4) << 24 : 0;
    if (step === count + 1) v2 ^= 0xff;
    v3 ^= block;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= block;
  }
  return (v1 ^ v3) >>> 0;
}
