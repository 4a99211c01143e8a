/**
 * A client's first flight, in whatever pieces it comes, up to a whole ClientHello. What waits between two pieces is the
 * caller's to keep, so that one reader serves all clients of a thread.
 */
import { ClientHello, HELLO_CUT, HELLO_TOO_LONG, MAX_HELLO_BYTES } from './client-hello.js';

/** The longest: a ClientHello with the headers of the records it may be cut into. */
export const MAX_FLIGHT_BYTES = MAX_HELLO_BYTES + 5 * 64;

export class FirstFlight {
  /** What the client has said, after HELLO_WHOLE. */
  readonly hello = new ClientHello();
  /** All that has come: the piece itself, where it lies, if nothing had come before. */
  bytes: Uint8Array = new Uint8Array(0);

  /** How much of a piece is read when `before` has come: no more than makes the longest flight. */
  room(before: Uint8Array | undefined): number {
    return MAX_FLIGHT_BYTES - (before?.length ?? 0);
  }

  /** A verdict on what had come before and a piece for which there is room; with HELLO_CUT there is room for more. */
  read(before: Uint8Array | undefined, piece: Uint8Array): number {
    this.bytes = before === undefined ? piece : Buffer.concat([before, piece]);
    const verdict = this.hello.parse(this.bytes);
    return verdict === HELLO_CUT && this.bytes.length >= MAX_FLIGHT_BYTES ? HELLO_TOO_LONG : verdict;
  }
}
