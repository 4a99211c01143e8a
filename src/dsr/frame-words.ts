/** A frame's addresses as words of the tables' keys. Hot path: positional numbers; the caller has checked the bounds. */

/** The third word of an IPv4 address: the bytes 0, 0, 0xff, 0xff. */
const V4_MAPPED = 0xffff0000 | 0;

/** An address as keys have it: 16 bytes, IPv4 mapped. */
export function copyAddress(frame: Uint8Array, from: number, family: number, words: Int32Array, at: number): void {
  if (family === 6) {
    for (let i = 0; i < 4; i++) words[at + i] = littleEndian32(frame, from + i * 4);
    return;
  }
  words[at] = 0;
  words[at + 1] = 0;
  words[at + 2] = V4_MAPPED;
  words[at + 3] = littleEndian32(frame, from);
}

export function littleEndian32(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}
