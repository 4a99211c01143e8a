/** Why datagrams were not passed on, counted by reason over all workers. */
import { Counters, GUARD_BYTES } from '../core/counters.js';

/** The words that `drops` shows, in its order, and what each means. */
export const DROP_REASONS = {
  denied: 'the client is denied and there is no abuse server',
  loop: 'it claims to come from where we listen',
  bad_proxy_header: 'a proxy (proxy_acl) sent it without a PROXY header of version 2',
  no_server: 'no server takes the client',
  no_place: 'all sessions (-x) belonged to other workers',
  evicted: 'sessions that ended early to make room for newer ones',
  no_socket: 'no descriptor or port was left for a session',
  unreachable: 'the server refused it, or did not answer, and there was no other',
  unsent: 'the system did not send it (buffer full, no route, forbidden)',
  truncated: 'it was longer than a datagram can be',
  overflow: 'it came faster than it could be read (dropped by the kernel)',
} as const;

export type DropReason = keyof typeof DROP_REASONS;

export const DROP_NAMES = Object.keys(DROP_REASONS) as readonly DropReason[];

/** Positions for the hot path. */
export const DROP = Object.fromEntries(DROP_NAMES.map((name, i) => [name, i])) as Readonly<Record<DropReason, number>>;

export class Drops {
  readonly #counters: Counters;

  constructor(memory: SharedArrayBuffer) {
    this.#counters = new Counters(
      memory,
      0,
      DROP_NAMES.length,
      new Int32Array(memory, Counters.bytes(DROP_NAMES.length)),
    );
  }

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(Counters.bytes(DROP_NAMES.length) + GUARD_BYTES);
  }

  add(reason: number): void {
    this.#counters.add(reason, 1);
  }

  read(reason: DropReason): number {
    return this.#counters.read(DROP[reason]);
  }
}
