/**
 * SSL_CTX, owned: made whole or not at all, and freed by `close`. Sessions hold references of their own, so a context may
 * be closed while its sessions live. One thread makes, uses and closes it.
 */

import type { Credential, Identity, ServerPlan, TicketKey } from '../core/tls-plan.js';
import { openssl } from '../sys/openssl.js';
import * as api from '../sys/uapi/openssl.js';
import { TlsError, takeOpenSslError } from './errors.js';
import { freeCertificates, readCertificates, readKey } from './pem.js';

/** Contexts that live in this thread: for tests. */
export let liveContexts = 0;

const MODES =
  api.SSL_MODE_ENABLE_PARTIAL_WRITE | api.SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | api.SSL_MODE_RELEASE_BUFFERS;
/**
 * Without a choice of the operator's: OpenSSL's, but with AES-128-GCM before AES-256-GCM, which costs a third more and
 * protects from nothing that 128 bits do not; Go's and Google's servers do the same. A client that puts ChaCha20 first
 * has no AES in hardware and gets that.
 */
export const OUR_SUITES = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';
const OUR_CIPHERS = 'DEFAULT:+CHACHA20:+AES256:+SHA384:+SHA256:+SHA1:+kRSA';
const VERIFY = {
  off: api.SSL_VERIFY_NONE,
  optional: api.SSL_VERIFY_PEER,
  required: api.SSL_VERIFY_PEER | api.SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
} as const;

/** What a session asks of the thread's callbacks; the addresses are those of `callbacks.ts`, 0 = none. */
export interface Callbacks {
  readonly alpn: number;
  readonly status: number;
}

export class Context {
  readonly handle: number;
  /** Stapled responses by the certificate's handle. */
  readonly staples = new Map<number, Uint8Array>();
  /** Clients are asked for a certificate. */
  asksClients = false;
  #isOpen = true;

  constructor(handle: number) {
    this.handle = handle;
    liveContexts++;
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    liveContexts--;
    openssl().SSL_CTX_free(this.handle);
  }
}

/** For clients. `ticket` is the key of the tickets it takes and, unless it is an older one, issues. Throws TlsError. */
export function serverContext(
  plan: ServerPlan,
  identity: Identity,
  ticket: TicketKey | undefined,
  callbacks: Callbacks,
  isOlder: boolean,
): Context {
  return build(openssl().TLS_server_method(), (context) => {
    const ssl = openssl();
    const { handle } = context;
    ssl.SSL_CTX_set_options(
      handle,
      api.SSL_OP_NO_RENEGOTIATION |
        api.SSL_OP_NO_COMPRESSION |
        (plan.hasTls12 ? 0 : api.SSL_OP_NO_TLSv1_2) |
        (plan.hasTls13 ? 0 : api.SSL_OP_NO_TLSv1_3) |
        (plan.serverPreference ? api.SSL_OP_CIPHER_SERVER_PREFERENCE : 0) |
        (ticket === undefined ? api.SSL_OP_NO_TICKET : 0),
    );
    if (plan.compatible) ssl.SSL_CTX_set_options(handle, api.SSL_OP_ALL);
    control(handle, api.SSL_CTRL_SET_SESS_CACHE_MODE, api.SSL_SESS_CACHE_OFF);
    const isOurs = plan.ciphers === '' && plan.suites === '';
    if (isOurs) ssl.SSL_CTX_set_options(handle, api.SSL_OP_CIPHER_SERVER_PREFERENCE | api.SSL_OP_PRIORITIZE_CHACHA);
    const ciphers = isOurs ? OUR_CIPHERS : plan.ciphers;
    const suites = isOurs ? OUR_SUITES : plan.suites;
    if (ciphers !== '' && ssl.SSL_CTX_set_cipher_list(handle, ciphers) !== 1) fail('no such ciphers');
    if (suites !== '' && ssl.SSL_CTX_set_ciphersuites(handle, suites) !== 1) fail('no such TLS 1.3 suites');
    for (const credential of identity.credentials) useCredential(context, credential);
    // One, not OpenSSL's two: the second costs a fiftieth of a handshake, and every connection brings a new one.
    ssl.SSL_CTX_set_num_tickets(handle, ticket === undefined || isOlder ? 0 : 1);
    if (ticket !== undefined) setTicketKey(context, ticket);
    if (plan.clientCertificate !== 'off') trustClients(context, plan);
    if (plan.alpn.length > 0 && callbacks.alpn !== 0) ssl.SSL_CTX_set_alpn_select_cb(handle, callbacks.alpn, 0);
    if (context.staples.size > 0 && callbacks.status !== 0) {
      ssl.SSL_CTX_callback_ctrl(handle, api.SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB, callbacks.status);
    }
  });
}

/** For servers; with `verifies` only those that an authority of `ca` (PEM) vouches for. Throws TlsError. */
export function clientContext(verifies: boolean, ca?: Uint8Array): Context {
  return build(openssl().TLS_client_method(), ({ handle }) => {
    const ssl = openssl();
    ssl.SSL_CTX_set_options(handle, api.SSL_OP_NO_RENEGOTIATION | api.SSL_OP_NO_COMPRESSION);
    control(handle, api.SSL_CTRL_SET_SESS_CACHE_MODE, api.SSL_SESS_CACHE_CLIENT | api.SSL_SESS_CACHE_NO_INTERNAL);
    if (!verifies) return;
    // Without authorities nobody is trusted, rather than everybody.
    ssl.SSL_CTX_set_verify(handle, api.SSL_VERIFY_PEER, 0);
    if (ca !== undefined) trust(handle, ca, false);
  });
}

/** Tickets are sealed and opened with that key from now on. */
export function setTicketKey(context: Context, key: TicketKey): void {
  const done = openssl().SSL_CTX_ctrl(
    context.handle,
    api.SSL_CTRL_SET_TLSEXT_TICKET_KEYS,
    api.TLSEXT_TICKET_KEYS_BYTES,
    key,
  );
  if (done !== 1) fail('cannot set the ticket key');
}

function build(method: number, furnish: (context: Context) => void): Context {
  const handle = openssl().SSL_CTX_new(method);
  if (handle === 0) fail('no memory for a context');
  const context = new Context(handle);
  try {
    control(handle, api.SSL_CTRL_MODE, MODES);
    control(handle, api.SSL_CTRL_SET_MIN_PROTO_VERSION, api.TLS1_2_VERSION);
    furnish(context);
    return context;
  } catch (error) {
    context.close();
    throw error;
  }
}

function useCredential(context: Context, { chain, key, ocsp }: Credential): void {
  const ssl = openssl();
  const certificates = readCertificates(chain);
  let privateKey = 0;
  const stack = ssl.OPENSSL_sk_new_null();
  try {
    const leaf = certificates[0] as number;
    privateKey = readKey(key);
    if (ssl.X509_check_private_key(leaf, privateKey) !== 1) fail('the key belongs to another certificate');
    for (const issuer of certificates.slice(1)) ssl.OPENSSL_sk_push(stack, issuer);
    if (ssl.SSL_CTX_use_cert_and_key(context.handle, leaf, privateKey, stack, 0) !== 1)
      fail('cannot use the certificate');
    // The context holds a reference, so the handle stays good as long as the context.
    if (ocsp !== undefined) context.staples.set(leaf, ocsp);
  } finally {
    ssl.OPENSSL_sk_free(stack);
    if (privateKey !== 0) ssl.EVP_PKEY_free(privateKey);
    freeCertificates(certificates);
  }
}

function trustClients(context: Context, plan: ServerPlan): void {
  const ssl = openssl();
  const { handle } = context;
  context.asksClients = true;
  ssl.SSL_CTX_set_verify(handle, VERIFY[plan.clientCertificate], 0);
  // Sessions may be resumed only where they were made (a must with client certificates).
  const name = Buffer.from('pen');
  ssl.SSL_CTX_set_session_id_context(handle, name, name.length);
  if (plan.clientCa !== undefined) trust(handle, plan.clientCa, true);
}

function trust(handle: number, ca: Uint8Array, announces: boolean): void {
  const ssl = openssl();
  const store = ssl.SSL_CTX_get_cert_store(handle);
  const certificates = readCertificates(ca);
  try {
    for (const certificate of certificates) {
      if (ssl.X509_STORE_add_cert(store, certificate) !== 1) fail('cannot trust the authority');
      if (announces) ssl.SSL_CTX_add_client_CA(handle, certificate);
    }
  } finally {
    freeCertificates(certificates);
  }
}

function control(handle: number, command: number, value: number): void {
  openssl().SSL_CTX_ctrl(handle, command, value, 0);
}

function fail(what: string): never {
  const reason = takeOpenSslError();
  throw new TlsError(reason === '' ? what : `${what}: ${reason}`);
}
