/**
 * The name that a TLS client asks for (SNI, RFC 6066 3) and the protocols it offers (ALPN, RFC 7301), read from its
 * first bytes without answering them. A ClientHello may be spread over several records, and comes in any pieces.
 *
 *   record     type 22 | version 2 | length 2 | fragment of the handshake message
 *   message    type 1 | length 3 | version 2 | random 32 | session 1+ | ciphers 2+ | compression 1+ | extensions 2+
 */
import { latin1 } from './text.js';

export interface ClientHello {
  /** Lower case, without a last dot, as it came otherwise; undefined if the client names none. */
  readonly serverName: string | undefined;
  readonly alpn: readonly string[];
}

/** `more`: it may become one; `none`: it is no ClientHello, or a malformed one. */
export type HelloReading = ClientHello | 'more' | 'none';

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
/** RFC 8446 5.1: more is no record. */
const MAX_FRAGMENT = 16_384;
/** A longer message is not looked into: what clients send has hundreds of bytes, two thousand with a post-quantum key. */
export const MAX_HELLO_BYTES = 16_000;
/** Nor is one in more pieces than that: each piece that arrives has us begin anew. */
const MAX_RECORDS = 256;

/** Whether a connection that begins with this byte can be TLS. */
export function beginsTls(octet: number): boolean {
  return octet === HANDSHAKE;
}

export function readClientHello(bytes: Uint8Array, end: number): HelloReading {
  const message = gather(bytes, end);
  if (message === 'none') return 'none';
  if (message.length < 4) return 'more';
  const length = message[1] * 65_536 + message[2] * 256 + message[3];
  if (message[0] !== CLIENT_HELLO || length > MAX_HELLO_BYTES) return 'none';
  if (message.length < 4 + length) return 'more';
  try {
    return readBody(new Reader(message, 4, 4 + length));
  } catch (error) {
    if (error instanceof RangeError) return 'none';
    throw error;
  }
}

/** The fragments of the handshake records, one after the other, as far as they have come. */
function gather(bytes: Uint8Array, end: number): Uint8Array | 'none' {
  const parts: Uint8Array[] = [];
  const head: number[] = [];
  let total = 0;
  for (let at = 0; at < end; ) {
    // What follows a whole message (early data) is of no interest.
    if (head.length === 4 && total >= 4 + head[1] * 65_536 + head[2] * 256 + head[3]) break;
    if (bytes[at] !== HANDSHAKE || (at + 1 < end && bytes[at + 1] !== 3) || parts.length === MAX_RECORDS) return 'none';
    if (at + 5 > end) break;
    const length = bytes[at + 3] * 256 + bytes[at + 4];
    if (length === 0 || length > MAX_FRAGMENT) return 'none';
    const part = bytes.subarray(at + 5, Math.min(at + 5 + length, end));
    for (let i = 0; i < part.length && head.length < 4; i++) head.push(part[i]);
    parts.push(part);
    total += part.length;
    at += 5 + length;
  }
  if (parts.length === 1) return parts[0];
  const message = new Uint8Array(total);
  let to = 0;
  for (const part of parts) {
    message.set(part, to);
    to += part.length;
  }
  return message;
}

function readBody(hello: Reader): ClientHello {
  hello.skip(2 + 32);
  hello.skip(hello.number(1));
  hello.skip(hello.number(2));
  hello.skip(hello.number(1));
  let serverName: string | undefined;
  let alpn: readonly string[] = [];
  if (hello.isAtEnd) return { serverName, alpn };
  const extensions = hello.part(hello.number(2));
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const extension = extensions.part(extensions.number(2));
    if (type === SERVER_NAME) serverName ??= readServerName(extension);
    else if (type === ALPN) alpn = readAlpn(extension);
  }
  return { serverName, alpn };
}

function readServerName(extension: Reader): string | undefined {
  const list = extension.part(extension.number(2));
  while (!list.isAtEnd) {
    const type = list.number(1);
    const name = list.text(list.number(2));
    // Names are host names in ASCII, without a last dot (RFC 6066 3); clients that copy one from a URL are forgiven it, as
    // in a Host field and where we end the TLS. Others match no server.
    if (type === 0) return name.toLowerCase().replace(/\.$/, '');
  }
  return undefined;
}

function readAlpn(extension: Reader): string[] {
  const list = extension.part(extension.number(2));
  const protocols: string[] = [];
  while (!list.isAtEnd) protocols.push(list.text(list.number(1)));
  return protocols;
}

/** Reads on from a place; a RangeError if there is less than is asked for. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end;
  }

  skip(length: number): void {
    if (length > this.#end - this.#at) throw new RangeError('a ClientHello shorter than it says');
    this.#at += length;
  }

  number(width: 1 | 2): number {
    this.skip(width);
    const last = this.#bytes[this.#at - 1];
    return width === 1 ? last : this.#bytes[this.#at - 2] * 256 + last;
  }

  part(length: number): Reader {
    this.skip(length);
    return new Reader(this.#bytes, this.#at - length, this.#at);
  }

  text(length: number): string {
    this.skip(length);
    return latin1(this.#bytes, this.#at - length, this.#at);
  }
}
