/** The Internet checksum: in full (RFC 1071), over pseudo headers (RFC 793, RFC 8200 8.1), and by difference (RFC 1624). */
import { get16 } from './byte-order.js';

/** Adds the 16-bit words from `start` to `end` to `sum`; an odd byte at the end counts as if a zero followed it. */
export function addWords(bytes: Uint8Array, start: number, end: number, sum = 0): number {
  const even = end - ((end - start) & 1);
  // 65,535 bytes add less than 2^31, so the sum needs no folding on the way.
  for (let at = start; at < even; at += 2) sum += get16(bytes, at);
  return even < end ? sum + (bytes[even] << 8) : sum;
}

/** What addresses, protocol and length of a packet add to its transport's sum. `addressBytes` is 4 or 16. */
export function addPseudoHeader(
  bytes: Uint8Array,
  sourceAt: number,
  destinationAt: number,
  addressBytes: number,
  protocol: number,
  length: number,
): number {
  const addresses = addWords(
    bytes,
    destinationAt,
    destinationAt + addressBytes,
    addWords(bytes, sourceAt, sourceAt + addressBytes),
  );
  return addresses + protocol + (length >>> 16) + (length & 0xffff);
}

/** The checksum of a sum: folded to 16 bits, complemented. 0 for words that include a right checksum. */
export function checksumOf(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}

/** The checksum once a 16-bit word has become another (RFC 1624, equation 3: ~(~HC + ~m + m')). */
export function updateChecksum(checksum: number, before: number, after: number): number {
  return checksumOf((~checksum & 0xffff) + (~before & 0xffff) + after);
}
