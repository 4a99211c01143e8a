/** What the control plane and the thread of a ring say to each other. */
import type { OpenPacketRing } from '../../sys/open-packet-ring.js';
import type { Dimensions } from '../layout.js';
import type { PathMemory } from '../memory-tables.js';
import type { Write } from './ring-tables.js';

export interface RingStart {
  readonly ring: OpenPacketRing;
  readonly mtu: number;
  /** The thread is woken by writing to it. */
  readonly wake: number;
  readonly size: Dimensions;
  readonly memory: PathMemory;
  /** By RING_COUNTS. */
  readonly counts: SharedArrayBuffer;
}

export type ToRing = { readonly type: 'write'; readonly writes: readonly Write[] } | { readonly type: 'stop' };
