/** What an engine on non-blocking sockets needs of the kernel: to be told which of its sockets can get on. */

/** Bits of `events`: those of poll(2), which are epoll's too, and epoll's RDHUP. */
export const READABLE = 0x01;
export const URGENT = 0x02;
export const WRITABLE = 0x04;
export const FAILED = 0x08;
export const HUNG_UP = 0x10;
/** The peer has ended its sending direction. */
export const PEER_ENDED = 0x2000;

/**
 * Contract: after `want(fd, bits)` the socket is reported at least once when one of the bits becomes, or already is,
 * true. What was not wanted may be reported too. Failure and hang-up need not be asked for.
 */
export interface Poller {
  /** A descriptor that the poller holds, -1 if it needs none. */
  readonly descriptor: number;
  /**
   * True if a stream whose receive left room in the buffer is reported again when there is more: what is not
   * known to be readable then need not be tried.
   */
  readonly trustsShortReads: boolean;
  /** The sockets of the last `wait`, and what became true of each. */
  readonly sockets: Int32Array;
  readonly events: Int32Array;
  /** Takes up a socket for which `bits` are wanted; 0 or -errno. */
  add(fd: number, bits: number): number;
  want(fd: number, bits: number): void;
  /** To be called before the descriptor is closed. */
  remove(fd: number): void;
  /** Carries out removals that have only been noted, so that closing the descriptor ends the socket; absent: none ever are. */
  settle?(): void;
  /** Waits at most `timeoutMs` (Infinity: for ever, 0: not at all); returns how many sockets it has to report. */
  wait(timeoutMs: number): number;
  close(): void;
}

/** Milliseconds as epoll_wait(2) and poll(2) take them; rounded up, so that a wait never ends before its time. */
export function wholeMs(timeoutMs: number): number {
  return timeoutMs === Infinity ? -1 : Math.min(Math.ceil(timeoutMs), 0x7fffffff);
}
