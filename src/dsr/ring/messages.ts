/** What the control plane and the thread of a ring say to each other. */
import type { OpenNetmap } from '../../sys/open-netmap.js';
import type { OpenPacketRing } from '../../sys/open-packet-ring.js';
import type { Dimensions } from '../layout.js';
import type { PathMemory } from '../path-state.js';
import type { Write } from './ring-tables.js';

/** The memory that the kernel shares. */
export type OpenRing =
  | { readonly kind: 'packet'; readonly ring: OpenPacketRing; readonly mtu: number }
  | { readonly kind: 'netmap'; readonly port: OpenNetmap };

export interface RingStart {
  readonly open: OpenRing;
  /** Readable when the thread has mail. */
  readonly wake: number;
  readonly size: Dimensions;
  readonly memory: PathMemory;
  /** Of the other threads, where flows may be that this one is asked about. */
  readonly others: readonly PathMemory[];
  /** By RING_COUNTS. */
  readonly counts: SharedArrayBuffer;
}

export type ToRing =
  | { readonly type: 'write'; readonly writes: readonly Write[] }
  /** netmap: a frame of the controller's leaves. */
  | { readonly type: 'send'; readonly frame: Uint8Array }
  | { readonly type: 'stop' };

/** netmap: a frame that may be an answer to the controller. */
export interface FromRing {
  readonly type: 'answer';
  readonly frame: Uint8Array;
}
