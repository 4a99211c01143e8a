/**
 * A DER OCSP response (RFC 6960, 4.2.1), looked at just far enough to know that it may be stapled: it says "successful", it
 * is about that certificate, and it is not out of date. Its signature is the client's business.
 */
import type { X509Certificate } from 'node:crypto';
import { TlsError } from './errors.js';

const SEQUENCE = 0x30;
const ENUMERATED = 0x0a;
const GENERALIZED_TIME = 0x18;
const TIME_BYTES = 15;

/** Throws TlsError if it is no response that could be stapled. */
export function checkOcspResponse(response: Uint8Array, file: string): void {
  const header = (response[1] ?? 0) < 0x80 ? 2 : 2 + ((response[1] as number) & 0x7f);
  const isResponse =
    response[0] === SEQUENCE && response[header] === ENUMERATED && response[header + 1] === 1 && response.length > 64;
  if (!isResponse) throw new TlsError(`cannot use '${file}': not an OCSP response (DER is expected)`);
  if (response[header + 2] !== 0)
    throw new TlsError(`cannot use '${file}': the OCSP response is an error of its sender`);
}

/** Whether the response names the certificate's serial number. */
export function isAbout(response: Uint8Array, certificate: X509Certificate): boolean {
  const serial = Buffer.from(certificate.serialNumber, 'hex');
  // As an INTEGER has it: with a zero before a leading one bit.
  const padded = (serial[0] as number) >= 0x80 ? Buffer.concat([Buffer.of(0), serial]) : serial;
  return Buffer.from(response).includes(Buffer.concat([Buffer.of(2, padded.length), padded]));
}

/** When it goes out of date, Infinity if it does not say. The latest time in it is `nextUpdate`. */
export function expiryOf(response: Uint8Array): number {
  let latest = Number.NEGATIVE_INFINITY;
  let times = 0;
  for (let at = 0; at + 2 + TIME_BYTES <= response.length; at++) {
    if (response[at] !== GENERALIZED_TIME || response[at + 1] !== TIME_BYTES) continue;
    const text = Buffer.from(response.subarray(at + 2, at + 2 + TIME_BYTES)).toString('latin1');
    const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)?.slice(1).map(Number);
    if (parts === undefined) continue;
    const [year, month, day, hour, minute, second] = parts as [number, number, number, number, number, number];
    latest = Math.max(latest, Date.UTC(year, month - 1, day, hour, minute, second));
    times++;
  }
  // producedAt and thisUpdate alone: no nextUpdate, so newer information is always to be had.
  return times <= 2 ? Number.POSITIVE_INFINITY : latest;
}
