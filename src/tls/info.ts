/** What was agreed in a handshake, for logs, HTTP headers and PROXY headers. */
import { copyMemory, type Mapping, mapAnonymous } from '../sys/memory.js';
import { openssl } from '../sys/openssl.js';
import { NID_commonName, XN_FLAG_RFC2253_UTF8 } from '../sys/uapi/openssl.js';
import type { Session } from './session.js';

export interface TlsInfo {
  /** `TLSv1.3`. */
  readonly version: string;
  readonly cipher: string;
  /** The name the client asked for, '' = none. */
  readonly serverName: string;
  /** The protocol chosen by ALPN, '' = none. */
  readonly alpn: string;
  readonly isResumed: boolean;
  /** The subject of the client's verified certificate in RFC 2253's form (`CN=alice,O=Example`), '' = it has shown none. */
  readonly clientName: string;
  /** Its common name alone. */
  readonly clientCommonName: string;
}

/** A name is cut there; what is longer is somebody's mistake. */
const NAME_BYTES = 1024;
let cell: Mapping | undefined;

/** Requires a session whose handshake is over. */
export function tlsInfo(session: Session, serverName: string): TlsInfo {
  const { version, cipher, isResumed } = session;
  return { version, cipher, serverName, isResumed, alpn: alpnOf(session), ...clientNamesOf(session) };
}

function alpnOf({ handle }: Session): string {
  const { address, buffer } = memory();
  const words = new Uint32Array(buffer, 0, 4);
  words.fill(0);
  openssl().SSL_get0_alpn_selected(handle, address, address + 8);
  const length = words[2] as number;
  if (length === 0 || length > 255) return '';
  const at = (words[0] as number) + (words[1] as number) * 4294967296;
  // Behind the words.
  copyMemory(address + 16, at, length);
  return Buffer.from(buffer, 16, length).toString('latin1');
}

/** '' where the client has shown no certificate, or one that was not verified. */
export function clientNamesOf(session: Session): Pick<TlsInfo, 'clientName' | 'clientCommonName'> {
  const ssl = openssl();
  const certificate = session.verifyFailure === '' ? ssl.SSL_get1_peer_certificate(session.handle) : 0;
  if (certificate === 0) return { clientName: '', clientCommonName: '' };
  const bio = ssl.BIO_new(ssl.BIO_s_mem());
  try {
    const { address } = memory();
    const subject = ssl.X509_get_subject_name(certificate);
    ssl.X509_NAME_print_ex(bio, subject, 0, XN_FLAG_RFC2253_UTF8);
    const clientName = textOf(ssl.BIO_read(bio, address, NAME_BYTES));
    const clientCommonName = textOf(ssl.X509_NAME_get_text_by_NID(subject, NID_commonName, address, NAME_BYTES));
    return { clientName, clientCommonName };
  } finally {
    ssl.BIO_free(bio);
    ssl.X509_free(certificate);
  }
}

/** What lies in the cell; control characters would break a log line or a header. */
function textOf(length: number): string {
  return Buffer.from(memory().buffer, 0, Math.max(length, 0))
    .toString('utf8')
    .replace(/\p{Cc}/gu, '?');
}

function memory(): Mapping {
  cell ??= mapAnonymous(NAME_BYTES);
  return cell;
}
