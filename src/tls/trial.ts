/**
 * Whether any client could use a context: whoever offers everything must get an answer. OpenSSL takes lists of ciphers that
 * go with no certificate (ECDHE-RSA-... beside an ECDSA key), and says so to nobody but the clients that it turns away. What
 * goes with what is a long story of keys, curves, security levels and missing parameters, so it is tried, not reckoned: half
 * a handshake, one signature.
 */
import { type Mapping, mapAnonymous } from '../sys/memory.js';
import { openssl } from '../sys/openssl.js';
import { SSL_CTRL_SET_MAX_PROTO_VERSION, SSL_CTRL_SET_MIN_PROTO_VERSION } from '../sys/uapi/openssl.js';
import { type Context, clientContext } from './context.js';
import { FAILED, Session } from './session.js';
import { RING_BYTES, Transport } from './transport.js';

/** All but what protects nobody: without a certificate, without encryption. */
const EVERY_CIPHER = 'ALL:!aNULL:!eNULL:@SECLEVEL=0';
const EVERY_SUITE =
  'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256';
const ANYBODY = { endpoint: '', name: '', isAddress: false, verifies: false };

/** Kept for the next time: a view of C's memory is, too. */
let room: { readonly transport: Transport; readonly area: Mapping } | undefined;

/** Why a server of this context would turn away every client of that version (TLS1_2_VERSION ...), '' if it would not. */
export function refusalOfAll(server: Context, version: number): string {
  room ??= { transport: new Transport(), area: mapAnonymous(RING_BYTES) };
  const { transport, area } = room;
  const everybody = clientOf(version);
  let asking: Session | undefined;
  let answering: Session | undefined;
  try {
    asking = new Session(everybody, transport, ANYBODY);
    asking.handshake();
    const length = transport.take(area.address, RING_BYTES);
    answering = new Session(server, transport);
    transport.offer(area.address, length);
    const result = answering.handshake();
    transport.withdraw();
    while (transport.take(area.address, RING_BYTES) > 0);
    return result === FAILED ? answering.failure : '';
  } finally {
    answering?.free();
    asking?.free();
    everybody.close();
  }
}

function clientOf(version: number): Context {
  const context = clientContext(false);
  const ssl = openssl();
  ssl.SSL_CTX_ctrl(context.handle, SSL_CTRL_SET_MIN_PROTO_VERSION, version, 0);
  ssl.SSL_CTX_ctrl(context.handle, SSL_CTRL_SET_MAX_PROTO_VERSION, version, 0);
  ssl.SSL_CTX_set_cipher_list(context.handle, EVERY_CIPHER);
  ssl.SSL_CTX_set_ciphersuites(context.handle, EVERY_SUITE);
  return context;
}
