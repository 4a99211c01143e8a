/**
 * What the workers need for TLS, as plain values: it travels in a Configuration. Certificates and keys go as PEM in
 * shared memory and become native handles in the worker that uses them, so that every handle has one thread that owns it.
 */

/** One certificate with its chain and its key. */
export interface Credential {
  /** PEM: the certificate itself, then those that lead to a root. */
  readonly chain: Uint8Array;
  /** PEM, not encrypted. */
  readonly key: Uint8Array;
  /** A DER OCSP response about this certificate, to be stapled. */
  readonly ocsp: Uint8Array | undefined;
}

/** What stands for a server name: one credential a kind of key (RSA, ECDSA). */
export interface Identity {
  readonly credentials: readonly Credential[];
}

export type ClientCertificate = 'off' | 'optional' | 'required';

/** Name 16, HMAC secret 32, AES key 32 bytes. */
export type TicketKey = Uint8Array;

/** Current and previous; empty = no tickets. */
export type TicketKeys = readonly TicketKey[];

export interface ServerPlan {
  /** For clients that name nothing, or a name that nobody knows. */
  readonly identity: Identity;
  /** By lower-case name; `*.example.com` stands for one label in place of the star. */
  readonly names: ReadonlyMap<string, Identity>;
  /** Whether a name that is not in `names` is refused. */
  readonly refusesUnknownNames: boolean;
  /** OpenSSL's lists, '' = its default; `suites` are TLS 1.3's. */
  readonly ciphers: string;
  readonly suites: string;
  readonly hasTls12: boolean;
  readonly hasTls13: boolean;
  readonly serverPreference: boolean;
  readonly compatible: boolean;
  readonly clientCertificate: ClientCertificate;
  /** PEM. */
  readonly clientCa: Uint8Array | undefined;
  /** In order of preference. */
  readonly alpn: readonly string[];
}

export interface TlsPlan {
  /** undefined: the listener speaks plainly. */
  readonly server: ServerPlan | undefined;
  /** PEM of the authorities that servers of `tls verify` are checked by. */
  readonly serverCa: Uint8Array | undefined;
  /** Seconds that a client may take for its handshake. */
  readonly handshakeSec: number;
}
