/** TLS as the operator asks for it: names of files and choices. `load.ts` makes a plan of it. */
import type { ClientCertificate } from '../core/tls-plan.js';

/** C Pen's words. The first four turn off what is never spoken here. */
export const SSL_OPTIONS = [
  'no_sslv2',
  'no_sslv3',
  'no_tlsv1',
  'no_tlsv1.1',
  'no_tlsv1.2',
  'no_tlsv1.3',
  'cipher_server_preference',
  'compatible',
] as const;
export type SslOption = (typeof SSL_OPTIONS)[number];

export interface TlsSettings {
  /** Files with a certificate, its chain, and perhaps its key; none = no TLS. */
  readonly certificates: readonly string[];
  /** Files with keys; which certificate each is for is found out. */
  readonly keys: readonly string[];
  readonly caFile: string | undefined;
  readonly caPath: string | undefined;
  readonly clientCertificate: ClientCertificate;
  /** OpenSSL's list for TLS 1.2, or names of TLS 1.3 suites; '' = the default. */
  readonly ciphers: string;
  readonly options: readonly SslOption[];
  readonly sniPath: string | undefined;
  readonly refusesUnknownNames: boolean;
  readonly ocspResponse: string | undefined;
  readonly alpn: readonly string[];
  /** Seconds after which tickets get another key, 0 = no tickets. */
  readonly ticketSec: number;
  readonly handshakeSec: number;
  /** What C Pen limited; here no client may renegotiate at all. */
  readonly renegotiationSec: number;
  /** Whom to trust about servers; undefined = the authorities that Node knows. */
  readonly serverCa: string | undefined;
}

export const defaultTlsSettings: TlsSettings = {
  certificates: [],
  keys: [],
  caFile: undefined,
  caPath: undefined,
  clientCertificate: 'off',
  ciphers: '',
  options: [],
  sniPath: undefined,
  refusesUnknownNames: false,
  ocspResponse: undefined,
  alpn: [],
  ticketSec: 3600,
  handshakeSec: 10,
  renegotiationSec: 3600,
  serverCa: undefined,
};
