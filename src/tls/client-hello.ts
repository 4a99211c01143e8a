/**
 * The ClientHello read without OpenSSL, so that the certificate is chosen before a session exists: whoever connects and
 * says nothing, or says something else, costs no native memory, and no callback leads from C into JavaScript.
 *
 *   record     type:8 version:16 length:16                                              RFC 8446, 5.1
 *   handshake  type:8 length:24                                                         RFC 8446, 4
 *   hello      version:16 random:32B session<8> suites<16> compression<8> extensions<16>     4.1.2
 *   extension  type:16 length:16                                                             4.2
 *
 * A handshake message may be cut over records at any byte. Nothing is believed: every length is checked against what
 * holds it, and the whole is bounded.
 */
import { DECODE_ERROR, PROTOCOL_VERSION } from './alert.js';

/** The most that a ClientHello may need; post-quantum key shares take 1.2 KB, 300 names of protocols 4 KB. */
export const MAX_HELLO_BYTES = 16_384;

export const HELLO_WHOLE = 0;
/** More bytes are needed. */
export const HELLO_CUT = 1;
export const HELLO_NOT_TLS = 2;
export const HELLO_HTTP = 3;
export const HELLO_OLD = 4;
export const HELLO_BROKEN = 5;
export const HELLO_TOO_LONG = 6;

/** Why a first flight is no ClientHello that can be served, by its verdict. */
export const helloReasons: Readonly<Record<number, string>> = {
  [HELLO_NOT_TLS]: 'not TLS',
  [HELLO_HTTP]: 'plain HTTP on a TLS port',
  [HELLO_OLD]: 'older than TLS 1.2',
  [HELLO_BROKEN]: 'malformed ClientHello',
  [HELLO_TOO_LONG]: `ClientHello longer than ${MAX_HELLO_BYTES} bytes`,
};

/** The alert that tells the client, where it may understand one. */
export const helloAlerts: Readonly<Record<number, number>> = {
  [HELLO_OLD]: PROTOCOL_VERSION,
  [HELLO_BROKEN]: DECODE_ERROR,
  [HELLO_TOO_LONG]: DECODE_ERROR,
};

const RECORD_HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const HEADER_BYTES = 5;
const EXTENSION = { serverName: 0, statusRequest: 5, alpn: 16, sessionTicket: 35, preSharedKey: 41, versions: 43 };
/** A host name, RFC 1035: at most 255 bytes on the wire. */
const MAX_NAME_BYTES = 255;
const TICKET_NAME_BYTES = 16;

/** The fields of one ClientHello; an instance is used again for the next. */
export class ClientHello {
  /** Lower case; '' if none was sent. */
  serverName = '';
  hasTls13 = false;
  asksStatus = false;
  /** Protocol names offered, each preceded by its length, as they came. */
  alpn: Uint8Array | undefined;
  /** The first bytes of the ticket offered, which name its key. */
  ticketName: Uint8Array | undefined;
  readonly #message = new Uint8Array(MAX_HELLO_BYTES);

  /** Reads `bytes`, everything that has come so far; gives a verdict. The fields hold after HELLO_WHOLE. */
  parse(bytes: Uint8Array): number {
    this.serverName = '';
    this.hasTls13 = false;
    this.asksStatus = false;
    this.alpn = undefined;
    this.ticketName = undefined;
    const length = bytes.length;
    if (length === 0) return HELLO_CUT;
    if (bytes[0] !== RECORD_HANDSHAKE) return notTls(bytes);
    if (length > 1 && bytes[1] !== 3) return HELLO_NOT_TLS;
    return this.#gather(bytes);
  }

  /** Finds the message in its records; one that lies in a single record is read where it is. */
  #gather(bytes: Uint8Array): number {
    let gathered = 0;
    let at = 0;
    for (;;) {
      if (bytes.length < at + HEADER_BYTES) return HELLO_CUT;
      const recordBytes = (bytes[at + 3] << 8) | bytes[at + 4];
      if (bytes[at] !== RECORD_HANDSHAKE || recordBytes === 0) return HELLO_BROKEN;
      const start = at + HEADER_BYTES;
      const end = Math.min(start + recordBytes, bytes.length);
      if (gathered === 0 && end - start >= 4) {
        if (bytes[start] !== CLIENT_HELLO) return HELLO_BROKEN;
        const want = 4 + ((bytes[start + 1] << 16) | (bytes[start + 2] << 8) | bytes[start + 3]);
        if (want > MAX_HELLO_BYTES) return HELLO_TOO_LONG;
        if (end - start >= want) return this.#read(bytes.subarray(start + 4, start + want));
      }
      if (gathered + end - start > MAX_HELLO_BYTES) return HELLO_TOO_LONG;
      this.#message.set(bytes.subarray(start, end), gathered);
      gathered += end - start;
      if (gathered >= 4) {
        const message = this.#message;
        if (message[0] !== CLIENT_HELLO) return HELLO_BROKEN;
        const want = 4 + ((message[1] << 16) | (message[2] << 8) | message[3]);
        if (want > MAX_HELLO_BYTES) return HELLO_TOO_LONG;
        if (gathered >= want) return this.#read(message.subarray(4, want));
      }
      at = start + recordBytes;
    }
  }

  #read(hello: Uint8Array): number {
    const legacyVersion = (hello[0] << 8) | hello[1];
    let at = 2 + 32;
    at += 1 + (hello[at] ?? hello.length);
    if (at + 2 > hello.length) return HELLO_BROKEN;
    at += 2 + ((hello[at] << 8) | hello[at + 1]);
    if (at >= hello.length) return HELLO_BROKEN;
    at += 1 + hello[at];
    if (at > hello.length) return HELLO_BROKEN;
    if (at < hello.length) {
      if (at + 2 > hello.length) return HELLO_BROKEN;
      const extensionsBytes = (hello[at] << 8) | hello[at + 1];
      at += 2;
      if (at + extensionsBytes !== hello.length) return HELLO_BROKEN;
    }
    while (at < hello.length) {
      if (at + 4 > hello.length) return HELLO_BROKEN;
      const type = (hello[at] << 8) | hello[at + 1];
      const end = at + 4 + ((hello[at + 2] << 8) | hello[at + 3]);
      if (end > hello.length) return HELLO_BROKEN;
      if (!this.#readExtension(type, hello, at + 4, end)) return HELLO_BROKEN;
      at = end;
    }
    return legacyVersion < 0x0303 && !this.hasTls13 ? HELLO_OLD : HELLO_WHOLE;
  }

  #readExtension(type: number, hello: Uint8Array, at: number, end: number): boolean {
    switch (type) {
      case EXTENSION.serverName:
        return this.#readServerName(hello, at, end);
      case EXTENSION.versions: {
        if (at >= end || at + 1 + hello[at] !== end) return false;
        for (let i = at + 1; i + 1 < end; i += 2) if (hello[i] === 3 && hello[i + 1] === 4) this.hasTls13 = true;
        return true;
      }
      case EXTENSION.statusRequest:
        this.asksStatus = end > at && hello[at] === 1;
        return true;
      case EXTENSION.alpn:
        if (at + 2 > end || at + 2 + ((hello[at] << 8) | hello[at + 1]) !== end) return false;
        this.alpn = hello.subarray(at + 2, end);
        return true;
      case EXTENSION.sessionTicket:
        if (end - at >= TICKET_NAME_BYTES) this.ticketName = hello.subarray(at, at + TICKET_NAME_BYTES);
        return true;
      case EXTENSION.preSharedKey: {
        // identities<16> of identity<16> age:32; the first is the one that clients mean.
        if (at + 4 > end) return false;
        const identityBytes = (hello[at + 2] << 8) | hello[at + 3];
        if (at + 4 + identityBytes > end) return false;
        if (identityBytes >= TICKET_NAME_BYTES) this.ticketName = hello.subarray(at + 4, at + 4 + TICKET_NAME_BYTES);
        return true;
      }
    }
    return true;
  }

  /** RFC 6066, 3: a list, of which only the first host name has ever meant anything. */
  #readServerName(hello: Uint8Array, at: number, end: number): boolean {
    // A server's empty one is a client's mistake, but harmless.
    if (at === end) return true;
    if (at + 5 > end || at + 2 + ((hello[at] << 8) | hello[at + 1]) !== end) return false;
    const nameBytes = (hello[at + 3] << 8) | hello[at + 4];
    if (hello[at + 2] !== 0) return true;
    if (nameBytes === 0 || nameBytes > MAX_NAME_BYTES || at + 5 + nameBytes > end) return false;
    let name = '';
    for (let i = at + 5; i < at + 5 + nameBytes; i++) {
      const byte = hello[i];
      // Letters, digits, dot, hyphen, underscore; anything else is no host name and would spoil a log line.
      const isPlain = (byte | 32) >= 97 && (byte | 32) <= 122;
      if (!isPlain && !(byte >= 48 && byte <= 57) && byte !== 46 && byte !== 45 && byte !== 95) return false;
      name += String.fromCharCode(byte >= 65 && byte <= 90 ? byte + 32 : byte);
    }
    this.serverName = name.endsWith('.') ? name.slice(0, -1) : name;
    return true;
  }
}

function notTls(bytes: Uint8Array): number {
  // The first letters of a method: GET, POST, HEAD, OPTIONS, CONNECT, TRACE, DELETE.
  const isLetter = (byte: number | undefined) => byte !== undefined && byte >= 65 && byte <= 90;
  if (!isLetter(bytes[0])) return HELLO_NOT_TLS;
  for (let i = 1; i < Math.min(bytes.length, 8); i++) {
    if (bytes[i] === 32) return HELLO_HTTP;
    if (!isLetter(bytes[i])) return HELLO_NOT_TLS;
  }
  return bytes.length < 8 ? HELLO_CUT : HELLO_NOT_TLS;
}
