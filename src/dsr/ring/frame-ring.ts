/**
 * Where frames come from and go to when this process decides on them: rings that are shared with a kernel. A frame is
 * taken, decided on where it lies, and then transmitted, passed or dropped; it is dropped if nothing is said.
 * Hot path: nothing is allocated, nothing throws.
 */
export interface FrameRing {
  /** The frame that was taken last, in a buffer with room for it to grow by ROOM_TO_GROW. */
  readonly frame: Uint8Array;
  readonly length: number;
  /** Blocks this thread until frames have come, or somebody has woken it. */
  wait(): void;
  /** Takes the next frame; false if there is none. */
  next(): boolean;
  /** The frame leaves by the interface, so long by now. */
  transmit(length: number): void;
  /** The frame is the host's. */
  pass(): void;
  /** Has the kernel look at what was done. */
  flush(): void;
  /** Adds to `counts` what has come up so far, by RING_COUNTS. */
  count(counts: Float64Array): void;
}

/** What else than the decision happens to frames; the number is the index in the shared counts. */
export const RING_COUNTS = {
  /** Came while there was no room. */
  lost: 0,
  /** Checksums that were computed here. */
  completed: 1,
  /** Frames too long for the wire that were cut up. */
  cut: 2,
  /** Frames too long for the wire that could not be. */
  tooLong: 3,
} as const;

export const RING_COUNT_NAMES = Object.keys(RING_COUNTS) as readonly (keyof typeof RING_COUNTS)[];
