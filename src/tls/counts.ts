/** Handshakes, and streams that ended without the notice of TLS, counted by all workers, in memory that they share. */
import { Counters, GUARD_BYTES } from '../core/counters.js';

const COUNTS = [
  'full',
  'resumed',
  'failed',
  'toServers',
  'toServersResumed',
  'failedToServers',
  'cut',
  'cutByServers',
] as const;

export type TlsCounts = Readonly<Record<(typeof COUNTS)[number], number>>;

export const NO_TLS_COUNTS: TlsCounts = {
  full: 0,
  resumed: 0,
  failed: 0,
  toServers: 0,
  toServersResumed: 0,
  failedToServers: 0,
  cut: 0,
  cutByServers: 0,
};

/** Places of the counters. */
export const FULL = 0;
export const RESUMED = 1;
export const FAILED = 2;
export const TO_SERVERS = 3;
export const TO_SERVERS_RESUMED = 4;
export const FAILED_TO_SERVERS = 5;
export const CUT = 6;
export const CUT_BY_SERVERS = 7;

export function allocateTlsCounts(): SharedArrayBuffer {
  return new SharedArrayBuffer(GUARD_BYTES + Counters.bytes(COUNTS.length));
}

export function openTlsCounts(memory: SharedArrayBuffer): Counters {
  return new Counters(memory, GUARD_BYTES, COUNTS.length, new Int32Array(memory, 0, GUARD_BYTES / 4));
}

export function readTlsCounts(memory: SharedArrayBuffer): TlsCounts {
  const counters = openTlsCounts(memory);
  return Object.fromEntries(COUNTS.map((name, place) => [name, counters.read(place)])) as TlsCounts;
}
