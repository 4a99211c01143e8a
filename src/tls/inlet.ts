/**
 * What comes to a link: ciphertext in buffers of the engine below (`input`), and the plaintext that the session makes of
 * it, in other buffers, for a handler who has asked. More is received only when none is left to be read.
 */
import type { Engine } from '../engine/engine.js';
import { ERRNO } from '../sys/errno.js';
import { GOES_ON, type Link, OPEN } from './link.js';
import type { Outlet } from './outlet.js';
import { ENDED, FAILED, type Session, WANTS_ROOM } from './session.js';
import type { TlsHandler } from './tls-layer.js';
import type { Vault } from './vault.js';

export class Inlet {
  readonly #above: TlsHandler;
  readonly #below: Engine;
  readonly #vault: Vault;
  readonly #outlet: Outlet;
  /** The link has something for its handler. */
  readonly #getReady: (link: Link) => void;

  constructor(above: TlsHandler, below: Engine, vault: Vault, outlet: Outlet, getReady: (link: Link) => void) {
    this.#above = above;
    this.#below = below;
    this.#vault = vault;
    this.#outlet = outlet;
    this.#getReady = getReady;
  }

  /** Asks below for more. */
  receive(link: Link): void {
    if (link.isReceiving) return;
    link.isReceiving = true;
    this.#below.receive(link.socket);
  }

  /** Lets the session read the input, until `takeBack`. */
  offer(link: Link): void {
    this.#outlet.transport.offer(this.#below.address(link.input) + link.inputAt, link.inputEnd - link.inputAt);
  }

  /** Keeps what the session has left of the input. */
  takeBack(link: Link): void {
    const { left } = this.#outlet.transport;
    this.#outlet.transport.withdraw();
    this.leave(link, left);
  }

  /** The last `left` bytes of the input are still to be read. */
  leave(link: Link, left: number): void {
    link.inputAt = link.inputEnd - left;
    if (left === 0) this.drop(link);
  }

  drop(link: Link): void {
    if (link.input >= 0) this.#below.release(link.input);
    link.input = -1;
  }

  /** Gives the handler who has asked what there is, or asks below. */
  deliver(link: Link): void {
    if (link.state === OPEN && (link.input >= 0 || link.hasMore)) {
      // The session's own answers first: their room is bounded.
      if (link.tail !== undefined && !link.isTailLazy) return;
      if (this.#read(link)) return;
    }
    if (link.end !== GOES_ON) {
      link.isAsked = false;
      this.#above.received(link.socket, -1, link.end);
    } else if (link.input < 0 && !link.hasMore) {
      this.receive(link);
    } else {
      this.#getReady(link);
    }
  }

  /** Opens what has come into a buffer; true if the handler has got it. */
  #read(link: Link): boolean {
    const below = this.#below;
    const session = link.session as Session;
    const target = below.acquire(link.inputEnd - link.inputAt);
    if (target < 0) {
      link.end = -ERRNO.ENOBUFS;
      return false;
    }
    const capacity = below.bytes(target).length;
    const address = below.address(target);
    const transport = this.#outlet.transport;
    if (link.input >= 0) this.offer(link);
    let length = 0;
    let result = 0;
    link.hasMore = false;
    do {
      const room = capacity - length;
      result = session.read(address + length, room);
      if (result <= 0) break;
      length += result;
      // A record that was read to its end, and no byte of the next.
      if (result < room && transport.left === 0) break;
    } while (length < capacity);
    if (length === capacity) link.hasMore = true;
    if (link.input >= 0) this.takeBack(link);
    // An answer to the peer does not wait for company: it would be joined by more of them.
    if (this.#outlet.keepTail(link)) link.isTailLazy = false;
    if (result === WANTS_ROOM) link.hasMore = true;
    else if (result === ENDED) this.#end(link, 0);
    else if (result === FAILED) {
      link.failure = session.failure;
      this.#vault.failed(link.isServer);
      this.#end(link, -ERRNO.EPROTO);
    }
    if (link.tail !== undefined && !link.isTailLazy) this.#outlet.pump(link);
    if (length === 0) {
      below.release(target);
      return false;
    }
    link.isAsked = false;
    this.#above.received(link.socket, target, length);
    return true;
  }

  #end(link: Link, result: number): void {
    link.end = result;
    link.hasMore = false;
    this.drop(link);
  }
}
