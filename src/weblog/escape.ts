/**
 * What clients send goes into logs only after this: no control character, no terminal escape and no quote of theirs
 * reaches a terminal or ends a field. A table says of each byte how many bytes it takes; 1 = it stands for itself.
 */

const HEX = '0123456789abcdef';

export interface Escaping {
  /** Index = byte. */
  readonly lengths: Uint8Array;
  /** Eight bytes a byte: what it becomes. */
  readonly forms: Uint8Array;
}

/** C Pen's: the line ends the record, so quotes may stay; what is not printable ASCII becomes a dot. */
export const dots: Escaping = escaping(() => '.', '');

/** Apache's, in a quoted field of the common log format: \" \\ and \xhh. */
export const quotedField: Escaping = escaping((byte) => `\\x${hex(byte)}`, '"\\');

/** RFC 8259 section 7; a byte that is not ASCII becomes the character of that number (Latin 1), so that nothing is lost. */
export const jsonString: Escaping = escaping((byte) => `\\u00${hex(byte)}`, '"\\');

/** A line of another program, written on as it is but for what is not printable. */
export const printable: Escaping = escaping((byte) => `\\x${hex(byte)}`, '');

function escaping(form: (byte: number) => string, backslashed: string): Escaping {
  const lengths = new Uint8Array(256);
  const forms = new Uint8Array(256 * 8);
  for (let byte = 0; byte < 256; byte++) {
    const character = String.fromCharCode(byte);
    const isPrintable = byte >= 0x20 && byte < 0x7f;
    const text = !isPrintable ? form(byte) : backslashed.includes(character) ? `\\${character}` : character;
    lengths[byte] = text.length;
    for (let i = 0; i < text.length; i++) forms[byte * 8 + i] = text.charCodeAt(i);
  }
  return { lengths, forms };
}

function hex(byte: number): string {
  return `${HEX[byte >> 4]}${HEX[byte & 15]}`;
}

/** Writes `length` bytes of `from`, escaped, and returns where `out` goes on. The caller has seen to the room: 6 bytes each. */
export function writeEscaped(
  escaping: Escaping,
  from: Uint8Array,
  at: number,
  length: number,
  out: Uint8Array,
  to: number,
): number {
  const { lengths, forms } = escaping;
  let end = to;
  for (let i = at; i < at + length; i++) {
    const byte = from[i];
    const size = lengths[byte];
    for (let k = 0; k < size; k++) out[end++] = forms[byte * 8 + k];
  }
  return end;
}

/** The same for text of any length, as a string. */
export function escapeText(escaping: Escaping, bytes: Uint8Array): string {
  const out = Buffer.allocUnsafe(bytes.length * 6);
  return out.toString('latin1', 0, writeEscaped(escaping, bytes, 0, bytes.length, out, 0));
}
