/** The type-length-value vectors of PROXY v2 (section 2.2), and those about TLS in particular. */
import { latin1, octetsOf } from '../text.js';

/** PP2_TYPE_* */
export const TLV = { alpn: 0x01, authority: 0x02, crc32c: 0x03, noop: 0x04, uniqueId: 0x05, ssl: 0x20 } as const;
/** PP2_SUBTYPE_SSL_* */
const SSL = { version: 0x21, commonName: 0x22, cipher: 0x23, signature: 0x24, key: 0x25 } as const;
/** PP2_CLIENT_* */
const CLIENT = { ssl: 1, certificateOnConnection: 2, certificateInSession: 4 } as const;

/** Of the client's TLS connection to the first proxy. */
export interface TlsFacts {
  /** `TLSv1.3` */
  readonly version: string;
  readonly cipher?: string | undefined;
  /** Of the server that the client asked for. */
  readonly serverName?: string | undefined;
  readonly alpn?: string | undefined;
  /** Of a certificate that the client has shown. */
  readonly commonName?: string | undefined;
  /** Whether that certificate was verified. */
  readonly isVerified?: boolean | undefined;
  /** The session was resumed: the certificate was shown on an earlier connection. */
  readonly isResumed?: boolean | undefined;
}

/** They fill the bytes exactly, and so do those within the one about TLS. */
export function tlvsAreSound(tlvs: Uint8Array): boolean {
  let isSound = true;
  const end = eachTlv(tlvs, (type, value) => {
    if (type === TLV.ssl) isSound &&= value.length >= 5 && eachTlv(value.subarray(5), () => {}) === value.length - 5;
  });
  return isSound && end === tlvs.length;
}

/** The value of the first of that type; undefined if there is none. */
export function findTlv(tlvs: Uint8Array, wanted: number): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  eachTlv(tlvs, (type, value) => {
    if (type === wanted) found ??= value;
  });
  return found;
}

/** The client came over TLS. */
export function cameOverTls(tlvs: Uint8Array): boolean {
  const ssl = findTlv(tlvs, TLV.ssl);
  return ssl !== undefined && (ssl[0] & CLIENT.ssl) !== 0;
}

/** The server name that the client asked for, lower case; undefined if the header does not say. */
export function authorityOf(tlvs: Uint8Array): string | undefined {
  const value = findTlv(tlvs, TLV.authority);
  return value === undefined ? undefined : latin1(value, 0, value.length).toLowerCase();
}

/**
 * What another proxy may be told of what a proxy has told us: no checksum, no padding, nothing that is only between two;
 * and nothing of TLS `withoutTls`, where we have terminated it and know better.
 */
export function tlvsToPassOn(tlvs: Uint8Array, withoutTls = false): Uint8Array {
  const kept: number[] = [];
  eachTlv(tlvs, (type, value) => {
    const isOfTls = type === TLV.alpn || type === TLV.authority || type === TLV.ssl;
    if (type === TLV.uniqueId || (isOfTls && !withoutTls)) put(kept, type, value);
  });
  return Uint8Array.from(kept);
}

/** The TLVs that say how the client came over TLS. */
export function tlsTlvs(facts: TlsFacts): Uint8Array {
  const { version, cipher, serverName, alpn, commonName, isVerified = false, isResumed = false } = facts;
  const ssl: number[] = [CLIENT.ssl];
  if (commonName !== undefined)
    ssl[0] |= CLIENT.certificateInSession | (isResumed ? 0 : CLIENT.certificateOnConnection);
  // Zero: the client showed a certificate and it was verified.
  ssl.push(0, 0, 0, commonName !== undefined && isVerified ? 0 : 1);
  put(ssl, SSL.version, octetsOf(version));
  if (commonName !== undefined) put(ssl, SSL.commonName, new TextEncoder().encode(commonName));
  if (cipher !== undefined) put(ssl, SSL.cipher, octetsOf(cipher));
  const tlvs: number[] = [];
  if (alpn !== undefined) put(tlvs, TLV.alpn, octetsOf(alpn));
  if (serverName !== undefined) put(tlvs, TLV.authority, octetsOf(serverName));
  put(tlvs, TLV.ssl, Uint8Array.from(ssl));
  return Uint8Array.from(tlvs);
}

/** Calls `visit` for each that is whole; returns where the last one ended. */
function eachTlv(tlvs: Uint8Array, visit: (type: number, value: Uint8Array) => void): number {
  let at = 0;
  while (at + 3 <= tlvs.length) {
    const end = at + 3 + tlvs[at + 1] * 256 + tlvs[at + 2];
    if (end > tlvs.length) break;
    visit(tlvs[at], tlvs.subarray(at + 3, end));
    at = end;
  }
  return at;
}

function put(target: number[], type: number, value: Uint8Array): void {
  target.push(type, value.length >> 8, value.length & 255, ...value);
}
