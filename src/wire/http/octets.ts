/** Which bytes may stand where in an HTTP/1 head (RFC 9110 5.5 and 5.6.2, RFC 9112 3.2). */

/** Of a token: methods, field names. */
export const TOKEN = 1;
/** Of a request target. Bytes above 0x7e are no part of a URI, and servers differ on what they mean. */
export const TARGET = 2;
/** Of a field value, blanks included: HTAB, SP, VCHAR, obs-text. */
export const VALUE = 4;
/** Of a number in base 16. */
export const HEX = 8;

export const HTAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SP = 0x20;
export const COLON = 0x3a;

/** The bits above that each byte has. */
export const OCTETS: Uint8Array = Uint8Array.from({ length: 256 }, (_, octet) => {
  const letter = String.fromCharCode(octet);
  return (
    (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(letter) ? TOKEN : 0) |
    (octet > 0x20 && octet < 0x7f ? TARGET : 0) |
    (octet === HTAB || (octet >= 0x20 && octet !== 0x7f) ? VALUE : 0) |
    (/[0-9A-Fa-f]/.test(letter) ? HEX : 0)
  );
});

/** The value of a HEX byte. */
export function hexValue(octet: number): number {
  return octet <= 0x39 ? octet - 0x30 : (octet | 0x20) - 0x57;
}
