/**
 * One TLS session, the owner of one SSL handle: ciphertext comes from and goes to the thread's Transport, plaintext from
 * and to addresses. It knows neither sockets nor buffers. Every method may be called at any time before `free`; a session
 * that has failed stays failed.
 *
 * Hot path: numbers, one call into OpenSSL a record.
 */
import { openssl } from '../sys/openssl.js';
import {
  SSL_CTRL_SET_TLSEXT_HOSTNAME,
  SSL_ERROR_WANT_READ,
  SSL_ERROR_WANT_WRITE,
  SSL_ERROR_ZERO_RETURN,
  TLSEXT_NAMETYPE_HOST_NAME,
  X509_V_OK,
} from '../sys/uapi/openssl.js';
import type { Context } from './context.js';
import { takeOpenSslError } from './errors.js';
import type { Peer } from './tls-layer.js';
import type { Transport } from './transport.js';

/** What a call has come to. */
export const DONE = 1;
/** More bytes of the peer are needed. */
export const WANTS_INPUT = 0;
/** The ring is full: `take` what is there and call again. */
export const WANTS_ROOM = -1;
/** The peer has said that it will send no more. */
export const ENDED = -2;
export const FAILED = -3;

/** Sessions that live in this thread: for tests. */
export let liveSessions = 0;

export class Session {
  readonly handle: number;
  readonly context: Context;
  /** Why it has failed, '' if it has not. */
  failure = '';
  #isFree = false;
  readonly #ssl = openssl();

  /** Ready to shake hands, as a server unless there is a peer. Throws TlsError when memory is short. */
  constructor(context: Context, transport: Transport, peer?: Peer) {
    const ssl = this.#ssl;
    this.context = context;
    this.handle = ssl.SSL_new(context.handle);
    if (this.handle === 0) throw new Error(`cannot make a TLS session: ${takeOpenSslError()}`);
    liveSessions++;
    ssl.BIO_up_ref(transport.reads);
    ssl.BIO_up_ref(transport.writes);
    ssl.SSL_set_bio(this.handle, transport.reads, transport.writes);
    if (peer === undefined) ssl.SSL_set_accept_state(this.handle);
    else this.#prepareToConnect(peer);
  }

  /** DONE once both sides have agreed; WANTS_INPUT, WANTS_ROOM or FAILED. */
  handshake(): number {
    const result = this.#ssl.SSL_do_handshake(this.handle);
    return result === 1 ? DONE : this.#outcome(result);
  }

  /** Plaintext to that place: how many bytes (of one record at most), or an outcome. */
  read(address: number, capacity: number): number {
    const result = this.#ssl.SSL_read(this.handle, address, capacity);
    return result > 0 ? result : this.#outcome(result);
  }

  /** Seals bytes into the ring: how many were taken, or WANTS_ROOM (then the same bytes again) or FAILED. */
  write(address: number, length: number): number {
    const result = this.#ssl.SSL_write(this.handle, address, length);
    return result > 0 ? result : this.#outcome(result);
  }

  /** Puts the notice that we send no more into the ring. */
  end(): void {
    if (this.failure === '' && this.#ssl.SSL_shutdown(this.handle) < 0) takeOpenSslError();
  }

  get version(): string {
    return this.#ssl.SSL_get_version(this.handle);
  }

  get cipher(): string {
    return this.#ssl.SSL_CIPHER_get_name(this.#ssl.SSL_get_current_cipher(this.handle)) ?? '';
  }

  get isResumed(): boolean {
    return this.#ssl.SSL_session_reused(this.handle) === 1;
  }

  /** Why the peer's certificate was refused, '' if it was not. */
  get verifyFailure(): string {
    const result = this.#ssl.SSL_get_verify_result(this.handle);
    return result === X509_V_OK ? '' : this.#ssl.X509_verify_cert_error_string(result);
  }

  free(): void {
    if (this.#isFree) return;
    this.#isFree = true;
    liveSessions--;
    this.#ssl.SSL_free(this.handle);
  }

  #prepareToConnect({ name, isAddress, verifies }: Peer): void {
    const ssl = this.#ssl;
    ssl.SSL_set_connect_state(this.handle);
    if (name === '') return;
    if (!isAddress) ssl.SSL_ctrl(this.handle, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_HOST_NAME, name);
    if (!verifies) return;
    if (isAddress) ssl.X509_VERIFY_PARAM_set1_ip_asc(ssl.SSL_get0_param(this.handle), name);
    else ssl.SSL_set1_host(this.handle, name);
  }

  #outcome(result: number): number {
    const error = this.#ssl.SSL_get_error(this.handle, result);
    if (error === SSL_ERROR_WANT_READ) return WANTS_INPUT;
    if (error === SSL_ERROR_WANT_WRITE) return WANTS_ROOM;
    if (error === SSL_ERROR_ZERO_RETURN) return ENDED;
    this.failure = takeOpenSslError() || 'unknown failure';
    return FAILED;
  }
}
