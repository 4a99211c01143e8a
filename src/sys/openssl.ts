/**
 * Node's own OpenSSL, which its binary exports: the functions that Pen calls, typed. Handles and addresses are numbers.
 * Nothing here owns anything; `src/tls` does.
 */
import { bindFunctions, koffi } from './ffi.js';

export interface OpenSsl {
  OpenSSL_version_num(): number;
  ERR_get_error(): number;
  ERR_clear_error(): void;
  ERR_error_string_n(code: number, text: number, length: number): void;
  CRYPTO_memdup(data: Uint8Array, bytes: number, file: number, line: number): number;
  CRYPTO_free(address: number, file: number, line: number): void;

  BIO_s_mem(): number;
  BIO_new(method: number): number;
  BIO_new_mem_buf(data: Uint8Array | number, length: number): number;
  BIO_new_bio_pair(first: number, firstBytes: number, second: number, secondBytes: number): number;
  BIO_ctrl(bio: number, command: number, number: number, pointer: number): number;
  BIO_read(bio: number, data: number, length: number): number;
  BIO_up_ref(bio: number): number;
  BIO_free(bio: number): number;

  PEM_read_bio_X509(bio: number, out: number, callback: number, passphrase: string): number;
  PEM_read_bio_PrivateKey(bio: number, out: number, callback: number, passphrase: string): number;
  X509_free(certificate: number): void;
  EVP_PKEY_free(key: number): void;
  X509_check_private_key(certificate: number, key: number): number;
  X509_get_subject_name(certificate: number): number;
  X509_NAME_print_ex(bio: number, name: number, indent: number, flags: number): number;
  X509_NAME_get_text_by_NID(name: number, field: number, text: number, length: number): number;
  X509_STORE_add_cert(store: number, certificate: number): number;
  X509_VERIFY_PARAM_set1_ip_asc(parameters: number, ip: string): number;
  OPENSSL_sk_new_null(): number;
  OPENSSL_sk_push(stack: number, item: number): number;
  OPENSSL_sk_free(stack: number): void;

  TLS_server_method(): number;
  TLS_client_method(): number;
  SSL_CTX_new(method: number): number;
  SSL_CTX_up_ref(context: number): number;
  SSL_CTX_free(context: number): void;
  SSL_CTX_ctrl(context: number, command: number, number: number, pointer: number | Uint8Array): number;
  SSL_CTX_callback_ctrl(context: number, command: number, callback: number): number;
  SSL_CTX_set_options(context: number, options: number): number;
  SSL_CTX_set_cipher_list(context: number, ciphers: string): number;
  SSL_CTX_set_ciphersuites(context: number, suites: string): number;
  SSL_CTX_use_cert_and_key(context: number, certificate: number, key: number, chain: number, override: number): number;
  SSL_CTX_set_verify(context: number, mode: number, callback: number): void;
  SSL_CTX_set_session_id_context(context: number, bytes: Uint8Array, length: number): number;
  SSL_CTX_add_client_CA(context: number, certificate: number): number;
  SSL_CTX_get_cert_store(context: number): number;
  SSL_CTX_set_num_tickets(context: number, tickets: number): number;
  SSL_CTX_set_alpn_protos(context: number, list: Uint8Array, length: number): number;
  SSL_CTX_set_alpn_select_cb(context: number, callback: number, argument: number): void;

  SSL_new(context: number): number;
  SSL_free(session: number): void;
  SSL_set_bio(session: number, reads: number, writes: number): void;
  SSL_set_accept_state(session: number): void;
  SSL_set_connect_state(session: number): void;
  SSL_do_handshake(session: number): number;
  SSL_read(session: number, data: number, length: number): number;
  SSL_write(session: number, data: number, length: number): number;
  SSL_shutdown(session: number): number;
  SSL_get_error(session: number, result: number): number;
  SSL_ctrl(session: number, command: number, number: number, pointer: number | string): number;
  SSL_set1_host(session: number, name: string): number;
  SSL_get0_param(session: number): number;
  SSL_get_version(session: number): string;
  SSL_get_certificate(session: number): number;
  SSL_get_current_cipher(session: number): number;
  SSL_CIPHER_get_name(cipher: number): string;
  SSL_session_reused(session: number): number;
  SSL_get0_alpn_selected(session: number, data: number, length: number): void;
  SSL_get_verify_result(session: number): number;
  SSL_get1_peer_certificate(session: number): number;
  X509_verify_cert_error_string(code: number): string;
  SSL_get1_session(session: number): number;
  SSL_set_session(session: number, ticket: number): number;
  SSL_SESSION_free(ticket: number): void;
  SSL_SESSION_is_resumable(ticket: number): number;
}

const P = 'uintptr_t';

const prototypes: Record<keyof OpenSsl, string> = {
  OpenSSL_version_num: 'unsigned long OpenSSL_version_num()',
  ERR_get_error: 'unsigned long ERR_get_error()',
  ERR_clear_error: 'void ERR_clear_error()',
  ERR_error_string_n: `void ERR_error_string_n(unsigned long, ${P}, size_t)`,
  CRYPTO_memdup: `${P} CRYPTO_memdup(void *, size_t, ${P}, int)`,
  CRYPTO_free: `void CRYPTO_free(${P}, ${P}, int)`,

  BIO_s_mem: `${P} BIO_s_mem()`,
  BIO_new: `${P} BIO_new(${P})`,
  BIO_new_mem_buf: `${P} BIO_new_mem_buf(void *, int)`,
  BIO_new_bio_pair: `int BIO_new_bio_pair(${P}, size_t, ${P}, size_t)`,
  BIO_ctrl: `long BIO_ctrl(${P}, int, long, ${P})`,
  BIO_read: `int BIO_read(${P}, ${P}, int)`,
  BIO_up_ref: `int BIO_up_ref(${P})`,
  BIO_free: `int BIO_free(${P})`,

  PEM_read_bio_X509: `${P} PEM_read_bio_X509(${P}, ${P}, ${P}, const char *)`,
  PEM_read_bio_PrivateKey: `${P} PEM_read_bio_PrivateKey(${P}, ${P}, ${P}, const char *)`,
  X509_free: `void X509_free(${P})`,
  EVP_PKEY_free: `void EVP_PKEY_free(${P})`,
  X509_check_private_key: `int X509_check_private_key(${P}, ${P})`,
  X509_get_subject_name: `${P} X509_get_subject_name(${P})`,
  X509_NAME_print_ex: `int X509_NAME_print_ex(${P}, ${P}, int, unsigned long)`,
  X509_NAME_get_text_by_NID: `int X509_NAME_get_text_by_NID(${P}, int, ${P}, int)`,
  X509_STORE_add_cert: `int X509_STORE_add_cert(${P}, ${P})`,
  X509_VERIFY_PARAM_set1_ip_asc: `int X509_VERIFY_PARAM_set1_ip_asc(${P}, const char *)`,
  OPENSSL_sk_new_null: `${P} OPENSSL_sk_new_null()`,
  OPENSSL_sk_push: `int OPENSSL_sk_push(${P}, ${P})`,
  OPENSSL_sk_free: `void OPENSSL_sk_free(${P})`,

  TLS_server_method: `${P} TLS_server_method()`,
  TLS_client_method: `${P} TLS_client_method()`,
  SSL_CTX_new: `${P} SSL_CTX_new(${P})`,
  SSL_CTX_up_ref: `int SSL_CTX_up_ref(${P})`,
  SSL_CTX_free: `void SSL_CTX_free(${P})`,
  SSL_CTX_ctrl: `long SSL_CTX_ctrl(${P}, int, long, void *)`,
  SSL_CTX_callback_ctrl: `long SSL_CTX_callback_ctrl(${P}, int, ${P})`,
  SSL_CTX_set_options: `uint64_t SSL_CTX_set_options(${P}, uint64_t)`,
  SSL_CTX_set_cipher_list: `int SSL_CTX_set_cipher_list(${P}, const char *)`,
  SSL_CTX_set_ciphersuites: `int SSL_CTX_set_ciphersuites(${P}, const char *)`,
  SSL_CTX_use_cert_and_key: `int SSL_CTX_use_cert_and_key(${P}, ${P}, ${P}, ${P}, int)`,
  SSL_CTX_set_verify: `void SSL_CTX_set_verify(${P}, int, ${P})`,
  SSL_CTX_set_session_id_context: `int SSL_CTX_set_session_id_context(${P}, void *, unsigned int)`,
  SSL_CTX_add_client_CA: `int SSL_CTX_add_client_CA(${P}, ${P})`,
  SSL_CTX_get_cert_store: `${P} SSL_CTX_get_cert_store(${P})`,
  SSL_CTX_set_num_tickets: `int SSL_CTX_set_num_tickets(${P}, size_t)`,
  SSL_CTX_set_alpn_protos: `int SSL_CTX_set_alpn_protos(${P}, void *, unsigned int)`,
  SSL_CTX_set_alpn_select_cb: `void SSL_CTX_set_alpn_select_cb(${P}, ${P}, ${P})`,

  SSL_new: `${P} SSL_new(${P})`,
  SSL_free: `void SSL_free(${P})`,
  SSL_set_bio: `void SSL_set_bio(${P}, ${P}, ${P})`,
  SSL_set_accept_state: `void SSL_set_accept_state(${P})`,
  SSL_set_connect_state: `void SSL_set_connect_state(${P})`,
  SSL_do_handshake: `int SSL_do_handshake(${P})`,
  SSL_read: `int SSL_read(${P}, ${P}, int)`,
  SSL_write: `int SSL_write(${P}, ${P}, int)`,
  SSL_shutdown: `int SSL_shutdown(${P})`,
  SSL_get_error: `int SSL_get_error(${P}, int)`,
  SSL_ctrl: `long SSL_ctrl(${P}, int, long, void *)`,
  SSL_set1_host: `int SSL_set1_host(${P}, const char *)`,
  SSL_get0_param: `${P} SSL_get0_param(${P})`,
  SSL_get_certificate: `${P} SSL_get_certificate(${P})`,
  SSL_get_version: `const char *SSL_get_version(${P})`,
  SSL_get_current_cipher: `${P} SSL_get_current_cipher(${P})`,
  SSL_CIPHER_get_name: `const char *SSL_CIPHER_get_name(${P})`,
  SSL_session_reused: `int SSL_session_reused(${P})`,
  SSL_get0_alpn_selected: `void SSL_get0_alpn_selected(${P}, ${P}, ${P})`,
  SSL_get_verify_result: `long SSL_get_verify_result(${P})`,
  SSL_get1_peer_certificate: `${P} SSL_get1_peer_certificate(${P})`,
  X509_verify_cert_error_string: 'const char *X509_verify_cert_error_string(long)',
  SSL_get1_session: `${P} SSL_get1_session(${P})`,
  SSL_set_session: `int SSL_set_session(${P}, ${P})`,
  SSL_SESSION_free: `void SSL_SESSION_free(${P})`,
  SSL_SESSION_is_resumable: `int SSL_SESSION_is_resumable(${P})`,
};

let bound: OpenSsl | undefined;

/** The bound functions; throws an Error that says why where there is no FFI, or Node's binary does not export OpenSSL 3. */
export function openssl(): OpenSsl {
  if (bound === undefined) {
    const fresh = bindFunctions(prototypes, (name, cause) => {
      throw new Error(`this build of Node does not export OpenSSL (${name} is missing)`, { cause });
    }) as unknown as OpenSsl;
    if (fresh.OpenSSL_version_num() < 0x30000000) throw new Error('this build of Node has an OpenSSL older than 3.0');
    bound = fresh;
  }
  return bound;
}

/** What a function that OpenSSL calls back is given and gives: handles, addresses and a code. */
export type Callback = (...values: number[]) => number;

const callbackTypes = new Map<string, unknown>();

/**
 * The address of `body` as a C function of that kind, good for this thread's sessions for as long as the thread lives.
 * `body` must not throw. `alpn`: SSL_CTX_alpn_select_cb_func; `status`: the one of SSL_CTX_set_tlsext_status_cb.
 */
export function callbackAddress(kind: 'alpn' | 'status', body: Callback): number {
  let type = callbackTypes.get(kind);
  if (type === undefined) {
    const parameters = kind === 'alpn' ? `${P}, ${P}, ${P}, ${P}, unsigned int, ${P}` : `${P}, ${P}`;
    type = koffi().pointer(koffi().proto(`int pen_${kind}(${parameters})`));
    callbackTypes.set(kind, type);
  }
  return Number(koffi().address(koffi().register(body, type as never)));
}
