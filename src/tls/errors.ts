/** What goes wrong with TLS, in words. */
import { type Mapping, mapAnonymous } from '../sys/memory.js';
import { openssl } from '../sys/openssl.js';

const TEXT_BYTES = 256;
let text: Mapping | undefined;

/** A certificate, key or setting that cannot be used; the message says which and why. */
export class TlsError extends Error {
  readonly code = 'ERR_PEN_TLS';
  override readonly name = 'TlsError';
}

/** Empties this thread's error queue; the reason of the first entry ("wrong version number"), '' if there was none. */
export function takeOpenSslError(): string {
  const ssl = openssl();
  const code = ssl.ERR_get_error();
  if (code === 0) return '';
  ssl.ERR_clear_error();
  text ??= mapAnonymous(TEXT_BYTES);
  ssl.ERR_error_string_n(code, text.address, TEXT_BYTES);
  const bytes = new Uint8Array(text.buffer);
  const line = Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString('latin1');
  // error:0A00010B:SSL routines::wrong version number
  return line.split(':').slice(4).join(':') || line;
}

/** The reason in an error of Node's: `ENOENT`, or the text of what went wrong. */
export function causeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code?.startsWith('E') && !code.startsWith('ERR_') ? code : (message.split(':').slice(-1)[0] ?? message).trim();
}
