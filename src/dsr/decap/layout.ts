/** What the decapsulating program and its owner share: maps, their keys, and the outcomes that are counted. */
import { bytes, struct, u32 } from '../../bpf/struct.js';
import type { MapLayout } from '../layout.js';

/** An address in a set: 16 bytes, IPv4 in its mapped form, and 4 or 6. */
export const addressKey = struct('address', { address: bytes(16), family: u32 });

/** Packets out of a tunnel, by kind; then those that look like it and pass as they came. */
export const DECAP_OUTCOME = {
  ipip: 0,
  gue: 1,
  /** The packet inside is for nobody that was named. */
  notVip: 2,
  /** From nobody that packets are taken from. */
  foreign: 3,
  /** A fragment, options, or no packet inside. */
  malformed: 4,
  /** Marked for congestion on its way, where the sender takes no such mark: dropped (RFC 6040 4.2). */
  congested: 5,
} as const;
export type DecapOutcome = keyof typeof DECAP_OUTCOME;
export const DECAP_OUTCOME_NAMES = Object.keys(DECAP_OUTCOME) as readonly DecapOutcome[];

export type DecapMapName = 'own' | 'vips' | 'sources' | 'counts';

const MOST_ADDRESSES = 4096;

const set: MapLayout = { type: 'hash', keyBytes: addressKey.bytes, valueBytes: 4, maxEntries: MOST_ADDRESSES };

export const decapMaps: Record<DecapMapName, MapLayout> = {
  own: set,
  vips: set,
  sources: set,
  counts: { type: 'perCpuArray', keyBytes: 4, valueBytes: 8, maxEntries: DECAP_OUTCOME_NAMES.length },
};
