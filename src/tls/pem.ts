/** PEM to native handles and back to nothing: whoever gets one frees it. */
import { openssl } from '../sys/openssl.js';
import { TlsError, takeOpenSslError } from './errors.js';

/** X509 handles in the order of the text; throws TlsError if there is none, leaving nothing behind. */
export function readCertificates(pem: Uint8Array): number[] {
  const ssl = openssl();
  const found: number[] = [];
  const bio = openBio(pem);
  try {
    for (;;) {
      const certificate = ssl.PEM_read_bio_X509(bio, 0, 0, '');
      if (certificate === 0) break;
      found.push(certificate);
    }
  } finally {
    ssl.BIO_free(bio);
  }
  // The end of the text is reported as an error too: "no start line".
  const reason = takeOpenSslError();
  if (reason === 'no start line' && found.length > 0) return found;
  freeCertificates(found);
  throw new TlsError(reason === 'no start line' ? 'no certificate in it' : reason);
}

export function freeCertificates(certificates: readonly number[]): void {
  for (const certificate of certificates) openssl().X509_free(certificate);
}

/** An EVP_PKEY handle; throws TlsError. */
export function readKey(pem: Uint8Array): number {
  const ssl = openssl();
  const bio = openBio(pem);
  try {
    // An empty passphrase keeps OpenSSL from asking the terminal.
    const key = ssl.PEM_read_bio_PrivateKey(bio, 0, 0, '');
    const reason = takeOpenSslError();
    if (key !== 0) return key;
    throw new TlsError(reason === 'no start line' ? 'no private key in it' : `cannot read the key: ${reason}`);
  } finally {
    ssl.BIO_free(bio);
  }
}

function openBio(pem: Uint8Array): number {
  const bio = openssl().BIO_new_mem_buf(pem, pem.length);
  if (bio === 0) throw new TlsError(`cannot read PEM: ${takeOpenSslError()}`);
  return bio;
}
