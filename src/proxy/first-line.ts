/** Whether bytes are the first line of an HTTP request (RFC 9112 section 3), for the log. Hot path. */

const SPACE = 32;
const SLASH = 47;
const STAR = 42;
/** The longest registered method has 17 letters (UPDATEREDIRECTREF). */
const LONGEST_METHOD = 20;

/** They may be the beginning of one: METHOD SP TARGET, as far as there are bytes. */
export function mayBeginRequest(bytes: Uint8Array, at: number, end: number): boolean {
  let i = at;
  while (i < end && isMethodByte(bytes[i])) i++;
  const letters = i - at;
  if (letters === 0 || letters > LONGEST_METHOD) return false;
  if (i === end) return true;
  if (bytes[i] !== SPACE) return false;
  if (i + 1 === end) return true;
  const first = bytes[i + 1];
  return first === SLASH || first === STAR || isLetterOrDigit(first) || first === 0x5b;
}

/** A line without its end: `METHOD TARGET HTTP/x.y`, or so long that its end has been cut off. */
export function isRequestLine(bytes: Uint8Array, at: number, length: number, isCut: boolean): boolean {
  if (!mayBeginRequest(bytes, at, at + length)) return false;
  if (isCut) return true;
  const version = at + length - 9;
  return (
    version > at &&
    bytes[version] === SPACE &&
    bytes[version + 1] === 0x48 && // HTTP/
    bytes[version + 2] === 0x54 &&
    bytes[version + 3] === 0x54 &&
    bytes[version + 4] === 0x50 &&
    bytes[version + 5] === SLASH
  );
}

/** The status of an answer that begins `HTTP/x.y NNN`, 0 if it doesn't. Interim ones (1xx but 101) count as none. */
export function statusOf(bytes: Uint8Array, length: number): number {
  if (length < 12 || bytes[0] !== 0x48 || bytes[1] !== 0x54 || bytes[4] !== SLASH || bytes[8] !== SPACE) return 0;
  const status = (bytes[9] - 48) * 100 + (bytes[10] - 48) * 10 + (bytes[11] - 48);
  return status >= 200 && status <= 999 ? status : status === 101 ? status : 0;
}

function isMethodByte(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || byte === 0x2d;
}

function isLetterOrDigit(byte: number): boolean {
  return (byte >= 0x61 && byte <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a);
}
