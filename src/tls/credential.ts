/** Certificates and keys as files have them: found, matched and judged, on the main thread. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Credential } from '../core/tls-plan.js';
import { causeOf, TlsError } from './errors.js';

/** A file of certificates or keys; the largest bundles of authorities have half of that. */
const MAX_FILE_BYTES = 1024 * 1024;
const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]+?-----END \1-----/g;

/** What `penctl ssl` tells of a certificate. */
export interface CertificateReport {
  readonly file: string;
  /** The SNI directory's name for it, '' = the default. */
  readonly name: string;
  readonly subject: string;
  readonly keyType: string;
  readonly expiresMs: number;
  readonly startsMs: number;
  readonly hasStaple: boolean;
}

export interface FoundKey {
  readonly file: string;
  readonly pem: string;
  readonly key: KeyObject;
}

export interface FoundCertificate {
  readonly file: string;
  readonly chain: readonly string[];
  readonly leaf: X509Certificate;
  /** Keys in the same file. */
  readonly keys: readonly FoundKey[];
}

/** The PEM blocks of a file, by kind. Throws TlsError if it cannot be read. */
export function readPemFile(file: string): { certificates: string[]; keys: FoundKey[] } {
  const text = readBounded(file).toString('latin1');
  const certificates: string[] = [];
  const keys: FoundKey[] = [];
  for (const [block, kind] of text.matchAll(PEM_BLOCK)) {
    if (kind === 'CERTIFICATE' || kind === 'TRUSTED CERTIFICATE' || kind === 'X509 CERTIFICATE')
      certificates.push(block);
    else if (kind?.endsWith('PRIVATE KEY')) keys.push(keyOf(file, block));
  }
  return { certificates, keys };
}

/** A regular file's bytes. Throws TlsError. */
export function readBounded(file: string): Buffer {
  try {
    const stats = statSync(file);
    if (!stats.isFile()) throw new TlsError(`cannot read '${file}': not a regular file`);
    if (stats.size > MAX_FILE_BYTES) throw new TlsError(`cannot read '${file}': longer than ${MAX_FILE_BYTES} bytes`);
    return readFileSync(file);
  } catch (error) {
    if (error instanceof TlsError) throw error;
    throw new TlsError(`cannot read '${file}': ${causeOf(error)}`, { cause: error });
  }
}

/** A certificate with what leads to its root. Throws TlsError. */
export function readCertificate(file: string): FoundCertificate {
  const { certificates, keys } = readPemFile(file);
  const [first] = certificates;
  if (first === undefined) throw new TlsError(`cannot use '${file}': no certificate in it (PEM is expected)`);
  return { file, chain: certificates, leaf: parse(file, first), keys };
}

/** Throws TlsError unless one of the keys belongs to it. `more` are certificates for the chain from elsewhere. */
export function credentialOf(
  found: FoundCertificate,
  keys: readonly FoundKey[],
  more: readonly string[] = [],
): Credential {
  const key = [...found.keys, ...keys].find((candidate) => found.leaf.checkPrivateKey(candidate.key));
  if (key === undefined) {
    const others = [...found.keys, ...keys].map(({ file }) => `'${file}'`);
    const why =
      others.length === 0 ? 'no key was given' : `the key in ${others.join(', ')} belongs to another certificate`;
    throw new TlsError(`cannot use certificate '${found.file}': ${why}`);
  }
  const chain = found.chain.length > 1 ? found.chain : [...found.chain, ...more];
  return { chain: shared(`${chain.join('\n')}\n`), key: shared(key.pem), ocsp: undefined };
}

/** Without a staple so far. */
export function reportOf(found: FoundCertificate, name: string): CertificateReport {
  const { leaf, file } = found;
  return {
    file,
    name,
    hasStaple: false,
    subject: leaf.subject?.replaceAll('\n', ', ') ?? '',
    keyType: leaf.publicKey.asymmetricKeyType ?? 'unknown',
    startsMs: Date.parse(leaf.validFrom),
    expiresMs: Date.parse(leaf.validTo),
  };
}

/** Bytes that all threads see. */
export function shared(content: string | Uint8Array): Uint8Array {
  const from = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
  const bytes = new Uint8Array(new SharedArrayBuffer(from.length));
  bytes.set(from);
  return bytes;
}

function parse(file: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    throw new TlsError(`cannot use certificate '${file}': ${causeOf(error)}`, { cause: error });
  }
}

function keyOf(file: string, pem: string): FoundKey {
  try {
    return { file, pem, key: createPrivateKey(pem) };
  } catch (error) {
    const isEncrypted = pem.includes('ENCRYPTED');
    const why = isEncrypted ? 'it is encrypted (store it without a passphrase)' : causeOf(error);
    // Not the cause: nothing of a key goes into a log.
    throw new TlsError(`cannot use the key in '${file}': ${why}`);
  }
}
