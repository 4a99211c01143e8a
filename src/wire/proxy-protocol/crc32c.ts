/** CRC-32C (RFC 3720 B.4, reflected polynomial 0x82f63b78), for headers of a few hundred bytes. */
const TABLE = Uint32Array.from({ length: 256 }, (_, octet) => {
  let remainder = octet;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ 0x82f63b78 : remainder >>> 1;
  return remainder;
});

export function crc32c(bytes: Uint8Array): number {
  let remainder = 0xffffffff;
  for (const octet of bytes) remainder = TABLE[(remainder ^ octet) & 255] ^ (remainder >>> 8);
  return ~remainder >>> 0;
}
