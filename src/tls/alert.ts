/** Alerts that are said without a session to say them (RFC 8446, 6). */

export const DECODE_ERROR = 50;
export const PROTOCOL_VERSION = 70;
export const INTERNAL_ERROR = 80;
export const UNRECOGNIZED_NAME = 112;

const RECORD_ALERT = 21;
const FATAL = 2;

/** The record, in the version that every client takes before one has been agreed. */
export function alertRecord(alert: number): Uint8Array {
  return Uint8Array.of(RECORD_ALERT, 3, 1, 0, 2, FATAL, alert);
}
