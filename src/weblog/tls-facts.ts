/** What a record has of a client's TLS: made once a connection, so it may be text, taken apart only where it is written. */

export interface TlsFacts {
  /** `TLSv1.3`. */
  readonly version: string;
  readonly cipher: string;
  /** The name that the client asked for, '' = none. */
  readonly serverName: string;
  /** What ALPN has chosen, '' = nothing. */
  readonly alpn: string;
  /** The subject of the client's verified certificate, '' = none. */
  readonly clientName: string;
  /** Its common name, '' = none. */
  readonly clientCommonName: string;
}

/** Characters that are kept of each field, in this order: in all less than 2 kB of UTF-8, so that a record stays small. */
const LIMITS = [16, 64, 255, 64, 200, 64] as const;

export function encodeTlsFacts(facts: TlsFacts): Uint8Array {
  const { version, cipher, serverName, alpn, clientName, clientCommonName } = facts;
  const fields = [version, cipher, serverName, alpn, clientName, clientCommonName];
  return Buffer.from(fields.map((field, i) => field.slice(0, LIMITS[i]).replaceAll('\n', '?')).join('\n'));
}

export function decodeTlsFacts(bytes: Uint8Array): TlsFacts {
  const fields = Buffer.from(bytes).toString().split('\n');
  const [version = '', cipher = '', serverName = '', alpn = '', clientName = '', clientCommonName = ''] = fields;
  return { version, cipher, serverName, alpn, clientName, clientCommonName };
}

/** As an object of JSON, printable ASCII only; what does not apply is left out. */
export function tlsJson(facts: TlsFacts): string {
  const { version, cipher, serverName, alpn, clientName } = facts;
  const shown = {
    version,
    cipher,
    server_name: serverName || undefined,
    alpn: alpn || undefined,
    client: clientName || undefined,
  };
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(shown).replace(/[^ -~]/g, escaped);
}

/** As the name of a user in one field of the common log format: a blank, a quote and what is not ASCII as `_`. */
export function tlsUser({ clientName, clientCommonName }: TlsFacts): string {
  return (clientCommonName || clientName).replace(/[^!-~]|["\\[\]]/g, '_') || '-';
}
