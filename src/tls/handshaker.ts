/**
 * Handshakes, from the first bytes until `secured` tells how they ended: the ClientHello chooses the context that the
 * session is made from, then the session talks until both sides have agreed or one has given up.
 */
import type { Engine } from '../engine/engine.js';
import { ERRNO } from '../sys/errno.js';
import { type Mapping, mapAnonymous } from '../sys/memory.js';
import { alertRecord, INTERNAL_ERROR, UNRECOGNIZED_NAME } from './alert.js';
import { HELLO_CUT, HELLO_WHOLE, helloAlerts, helloReasons } from './client-hello.js';
import { FirstFlight, MAX_FLIGHT_BYTES } from './first-flight.js';
import type { Inlet } from './inlet.js';
import { BROKEN, GOES_ON, type Link, OPEN, SHAKING } from './link.js';
import type { Outlet } from './outlet.js';
import { DONE, FAILED, type Session, WANTS_ROOM } from './session.js';
import type { Peer, TlsHandler } from './tls-layer.js';
import type { Vault } from './vault.js';

export class Handshaker {
  readonly #above: TlsHandler;
  readonly #below: Engine;
  readonly #vault: Vault;
  readonly #inlet: Inlet;
  readonly #outlet: Outlet;
  /** The link has something for its handler. */
  readonly #getReady: (link: Link) => void;
  readonly #first = new FirstFlight();
  /** A first flight that came in pieces, where OpenSSL can read it. */
  readonly #flight: Mapping = mapAnonymous(MAX_FLIGHT_BYTES);
  readonly #flightBytes = new Uint8Array(this.#flight.buffer);

  constructor(
    above: TlsHandler,
    below: Engine,
    vault: Vault,
    inlet: Inlet,
    outlet: Outlet,
    getReady: (link: Link) => void,
  ) {
    this.#above = above;
    this.#below = below;
    this.#vault = vault;
    this.#inlet = inlet;
    this.#outlet = outlet;
    this.#getReady = getReady;
  }

  /** Has us begin as the client. */
  begin(link: Link, peer: Peer): void {
    link.state = SHAKING;
    link.resumptionKey = this.#vault.keyOf(peer);
    link.session = this.#vault.connect(peer, this.#outlet.transport);
  }

  /** The first flight of a client: the context is chosen by what it says. */
  readHello(link: Link): void {
    if (link.input < 0) {
      if (link.end !== GOES_ON) this.#breakOff(link, 'closed before a ClientHello', -ERRNO.ECONNRESET);
      return;
    }
    const first = this.#first;
    const end = Math.min(link.inputEnd, link.inputAt + first.room(link.hello));
    const verdict = first.read(link.hello, this.#below.bytes(link.input).subarray(link.inputAt, end));
    if (verdict === HELLO_CUT) {
      link.hello = new Uint8Array(first.bytes);
      this.#inlet.drop(link);
      this.#inlet.receive(link);
      return;
    }
    if (verdict !== HELLO_WHOLE) {
      this.#breakOff(link, helloReasons[verdict] as string, -ERRNO.EPROTO, helloAlerts[verdict]);
      return;
    }
    const { hello } = first;
    link.serverName = hello.serverName;
    try {
      link.session = this.#vault.accept(hello, this.#outlet.transport);
    } catch (error) {
      this.#breakOff(link, (error as Error).message, -ERRNO.ENOMEM, INTERNAL_ERROR);
      return;
    }
    if (link.session === undefined) {
      this.#breakOff(link, `no certificate for '${link.serverName}'`, -ERRNO.EPROTO, UNRECOGNIZED_NAME);
      return;
    }
    link.state = SHAKING;
    link.hasTls13 = this.#vault.hasTls13 && hello.hasTls13;
    if (link.hello === undefined) this.shake(link);
    else this.#shakeOverPieces(link, first.bytes, link.inputEnd - end);
  }

  /** A step of the handshake, as far as there is something to do it with. */
  shake(link: Link): void {
    if (link.input < 0 && link.end !== GOES_ON) {
      this.#breakOff(link, 'closed during the handshake', -ERRNO.ECONNRESET);
      return;
    }
    if (link.sendError !== 0) {
      this.#breakOff(link, 'closed during the handshake', link.sendError);
      return;
    }
    // A client begins without input; everybody else waits for some, and for room for the answer.
    if (link.tail !== undefined || (link.input < 0 && (link.isServer || link.isReceiving))) {
      if (link.tail === undefined) this.#inlet.receive(link);
      return;
    }
    if (link.input >= 0) this.#inlet.offer(link);
    const result = this.#step(link);
    if (link.input >= 0) this.#inlet.takeBack(link);
    this.#shaken(link, result);
  }

  /** The first step where the flight came in pieces; `behind`: what the last of them holds beyond it. */
  #shakeOverPieces(link: Link, flight: Uint8Array, behind: number): void {
    link.hello = undefined;
    this.#flightBytes.set(flight);
    const { transport } = this.#outlet;
    transport.offer(this.#flight.address, flight.length);
    const result = this.#step(link);
    // What is left of it are the last bytes that have come.
    const left = transport.left + behind;
    transport.withdraw();
    this.#inlet.leave(link, left);
    this.#shaken(link, result);
  }

  #step(link: Link): number {
    const session = link.session as Session;
    this.#vault.current = session;
    for (;;) {
      const result = session.handshake();
      if (result !== WANTS_ROOM) return result;
      this.#outlet.keepTail(link);
    }
  }

  /** What a step of the handshake has brought. */
  #shaken(link: Link, result: number): void {
    // What goes out at once goes without a stop in the tail.
    if (result === DONE || link.tail !== undefined || link.isSending || !this.#outlet.sendFlight(link))
      this.#outlet.keepTail(link);
    if (result === DONE) {
      link.state = OPEN;
      // All that a server has left to say in TLS 1.3 is tickets. They wait for the answer if its request is here; else a
      // client with Nagle's algorithm would hold the request back until our delayed acknowledgement, 40 ms later.
      link.isTailLazy = link.isServer && link.hasTls13 && link.tail !== undefined && link.input >= 0;
      this.#outlet.pump(link);
      this.#vault.secured(link.session as Session, link.isServer);
      this.#above.secured(link.socket, 0);
      return;
    }
    this.#outlet.pump(link);
    if (result === FAILED) {
      const session = link.session as Session;
      this.#breakOff(link, session.verifyFailure || session.failure, -ERRNO.EPROTO);
    } else if (link.input < 0) {
      this.#inlet.receive(link);
    } else {
      this.#getReady(link);
    }
  }

  /** The handshake has come to nothing; where no session can say so, the alert goes out by hand. */
  #breakOff(link: Link, reason: string, result: number, alert = 0): void {
    this.#inlet.drop(link);
    link.state = BROKEN;
    link.end = result;
    link.failure = reason;
    this.#vault.failed(link.isServer);
    if (link.session === undefined && alert !== 0) {
      link.tail = alertRecord(alert);
      this.#outlet.pump(link);
    }
    this.#above.secured(link.socket, result);
  }
}
