/**
 * TLS as a layer of the engine seam: an Engine that wraps another. Sockets that have been secured carry plaintext above
 * and ciphertext below; all others pass through. The proxy and the relay above and the engines below know nothing of it,
 * and every engine can be wrapped.
 *
 *    TcpProxy, Relay       receive  send        secured, received, sent
 *                             |       |  plaintext         ^
 *    TlsEngine   link: input --> SSL_read    SSL_write --> tail, output
 *                             |       |  ciphertext        ^
 *    uring, epoll ...      receive  send                received, sent
 *
 * The seam's rules hold on both sides: one receive and one send under way a socket, one buffer each way at most, nobody
 * called before an operation returns. So ciphertext is read from below only when plaintext has been asked for above and
 * none is left, and a send from above is done when its last record has been taken below. While an answer of the session
 * itself (`tail`) waits to be sent nothing more is read, so a peer cannot make it grow. docs/internals/tls.md draws it.
 *
 * Hot path: three calls into OpenSSL for a request or an answer; an object a connection, none an operation.
 */
import type { Engine, EngineHandler } from '../engine/engine.js';
import { ERRNO } from '../sys/errno.js';
import { type Mapping, mapAnonymous } from '../sys/memory.js';
import { alertRecord, INTERNAL_ERROR, UNRECOGNIZED_NAME } from './alert.js';
import { HELLO_CUT, HELLO_WHOLE, helloAlerts, helloReasons } from './client-hello.js';
import { FirstFlight, MAX_FLIGHT_BYTES } from './first-flight.js';
import { clientNamesOf, type TlsInfo, tlsInfo } from './info.js';
import { BROKEN, GOES_ON, HELLO, LINGER_MS, LINGERING, Link, OPEN, SHAKING } from './link.js';
import { Outlet } from './outlet.js';
import { type Layer, PassingLayer, wrapEngine } from './passing-layer.js';
import { DONE, ENDED, FAILED, type Session, WANTS_ROOM } from './session.js';
import type { Peer, TlsHandler, TlsLayer } from './tls-layer.js';
import type { Vault } from './vault.js';

export class TlsEngine extends PassingLayer implements TlsLayer, Layer {
  readonly #above: TlsHandler;
  readonly #vault: Vault;
  /** By socket. */
  readonly #links: (Link | undefined)[] = [];
  readonly #first = new FirstFlight();
  /** Made when first needed: without FFI an engine can still be wrapped. */
  #outlet!: Outlet;
  /** A ClientHello that came in pieces. */
  #flight!: Mapping;
  /** Links with something for their handler, who could not be called when they got it. */
  #ready: Link[] = [];
  #lingering: Link[] = [];
  /** Inside a call from below, which ends with looking at `#ready`. */
  #isInside = false;
  #wakeAbove = Infinity;

  /** `make` gets the handler to give to the engine below. */
  static create(
    above: TlsHandler,
    vault: Vault,
    make: (handler: EngineHandler) => Promise<Engine>,
  ): Promise<TlsEngine> {
    return wrapEngine(above, make, (below) => new TlsEngine(above, vault, below));
  }

  private constructor(above: TlsHandler, vault: Vault, below: Engine) {
    super(below);
    this.#above = above;
    this.#vault = vault;
  }

  acceptTls(socket: number, buffer = -1, at = 0, end = 0): void {
    const link = this.#newLink(socket, true);
    if (buffer < 0) {
      this.#receiveBelow(link);
      return;
    }
    link.input = buffer;
    link.inputAt = at;
    link.inputEnd = end;
    this.#getReady(link);
  }

  connectTls(socket: number, peer: Peer): void {
    const link = this.#newLink(socket, false);
    link.state = SHAKING;
    link.resumptionKey = this.#vault.keyOf(peer);
    link.session = this.#vault.connect(peer, this.#outlet.transport);
    this.#getReady(link);
  }

  serverName(socket: number): string {
    return this.#links[socket]?.serverName ?? '';
  }

  clientName(socket: number): string {
    const session = this.#links[socket]?.session;
    return session?.context.asksClients ? clientNamesOf(session).clientName : '';
  }

  tlsInfo(socket: number): TlsInfo | undefined {
    const link = this.#links[socket];
    return link?.session === undefined || link.state < OPEN ? undefined : tlsInfo(link.session, link.serverName);
  }

  tlsFailure(socket: number): string {
    return this.#links[socket]?.failure ?? '';
  }

  override receive(socket: number): void {
    const link = this.#links[socket];
    if (link === undefined) {
      super.receive(socket);
      return;
    }
    link.isAsked = true;
    if (link.input >= 0 || link.hasMore || link.end !== GOES_ON) this.#getReady(link);
    else this.#receiveBelow(link);
  }

  override send(socket: number, buffer: number, length: number): boolean {
    const link = this.#links[socket];
    if (link === undefined) return super.send(socket, buffer, length);
    link.output = buffer;
    link.outputAt = 0;
    link.outputEnd = length;
    if (link.sendError === 0) this.#outlet.pump(link);
    if (link.output < 0 && !link.isSending && link.sendError === 0) return true;
    link.isPromised = true;
    if (link.sendError !== 0) this.#getReady(link);
    return false;
  }

  override shutdown(socket: number): void {
    const link = this.#links[socket];
    if (link === undefined) {
      super.shutdown(socket);
      return;
    }
    link.isEnding = true;
    this.#outlet.pump(link);
  }

  override close(socket: number, reset: boolean): void {
    const link = this.#links[socket];
    if (link === undefined) {
      super.close(socket, reset);
      return;
    }
    if (link.state === LINGERING) return;
    const isOrderly = !reset && link.state === OPEN && !link.hasEnded;
    if (isOrderly && !link.isSending && link.output < 0 && link.sendError === 0) {
      this.#outlet.sayEnd(link);
      this.#outlet.pump(link);
    }
    this.#letGo(link);
    link.state = LINGERING;
    if (link.isSending && !reset) {
      link.lingersUntilMs = this.below.now() + LINGER_MS;
      this.#lingering.push(link);
      this.#setWake();
    } else {
      this.#closeBelow(link, reset);
    }
  }

  receivedBelow(socket: number, buffer: number, length: number): void {
    const link = this.#links[socket];
    if (link === undefined) {
      this.#above.received(socket, buffer, length);
      return;
    }
    link.isReceiving = false;
    if (link.state >= BROKEN) {
      if (buffer >= 0) this.below.release(buffer);
      return;
    }
    this.#isInside = true;
    if (length > 0) {
      link.input = buffer;
      link.inputAt = 0;
      link.inputEnd = length;
    } else {
      link.end = length;
    }
    this.#getOn(link);
    this.#leave();
  }

  sentBelow(socket: number, result: number): void {
    const link = this.#links[socket];
    if (link === undefined) {
      this.#above.sent(socket, result);
      return;
    }
    link.isSending = false;
    if (link.state === LINGERING) {
      if (link.tail !== undefined && result === 0) this.#outlet.pump(link);
      if (!link.isSending) this.#closeBelow(link, false);
      return;
    }
    this.#isInside = true;
    if (result < 0) this.#outlet.fail(link, result);
    else this.#outlet.pump(link);
    this.#getOn(link);
    this.#leave();
  }

  timeBelow(nowMs: number): void {
    this.#isInside = true;
    for (const link of this.#lingering) {
      if (link.lingersUntilMs <= nowMs && this.#links[link.socket] === link) this.#closeBelow(link, true);
    }
    this.#lingering = this.#lingering.filter((link) => this.#links[link.socket] === link);
    if (nowMs >= this.#wakeAbove) {
      this.#wakeAbove = Infinity;
      this.#above.timer(nowMs);
    }
    this.#leave();
    if (this.#wakeAbove !== Infinity || this.#lingering.length > 0) this.#setWake();
  }

  turnBelow(nowMs: number): void {
    this.#isInside = true;
    this.#above.turn(nowMs);
    this.#leave();
  }

  #newLink(socket: number, isServer: boolean): Link {
    if (this.#outlet === undefined) {
      this.#outlet = new Outlet(this.below, (link) => this.#getReady(link));
      this.#flight = mapAnonymous(MAX_FLIGHT_BYTES);
    }
    const link = new Link(socket, isServer);
    this.#links[socket] = link;
    return link;
  }

  /** Whatever can be done for a link whose handler may be called now. */
  #getOn(link: Link): void {
    if (link.state === HELLO) this.#readHello(link);
    else if (link.state === SHAKING) this.#shake(link);
    if (link.state === OPEN || link.state === BROKEN) {
      if (link.isPromised && (link.sendError !== 0 || (link.output < 0 && !link.isSending))) this.#keepPromise(link);
      if (link.isAsked) this.#deliver(link);
    }
  }

  /** The first flight of a client: the context is chosen by what it says. */
  #readHello(link: Link): void {
    if (link.input < 0) {
      if (link.end !== GOES_ON) this.#breakOff(link, 'closed before a ClientHello', -ERRNO.ECONNRESET);
      return;
    }
    const first = this.#first;
    const end = Math.min(link.inputEnd, link.inputAt + first.room(link.hello));
    const verdict = first.read(link.hello, this.below.bytes(link.input).subarray(link.inputAt, end));
    if (verdict === HELLO_CUT) {
      link.hello = new Uint8Array(first.bytes);
      this.#dropInput(link);
      this.#receiveBelow(link);
      return;
    }
    if (verdict !== HELLO_WHOLE) {
      this.#breakOff(link, helloReasons[verdict] as string, -ERRNO.EPROTO, helloAlerts[verdict]);
      return;
    }
    const { hello, bytes: flight } = first;
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
    if (link.hello !== undefined) {
      link.hello = undefined;
      new Uint8Array(this.#flight.buffer).set(flight);
      const { transport } = this.#outlet;
      transport.offer(this.#flight.address, flight.length);
      const result = this.#handshake(link);
      // What is left of it are the last bytes that have come.
      const left = transport.left + link.inputEnd - end;
      transport.withdraw();
      link.inputAt = link.inputEnd - left;
      if (left === 0) this.#dropInput(link);
      this.#shaken(link, result);
    } else {
      this.#shake(link);
    }
  }

  #shake(link: Link): void {
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
      if (link.tail === undefined) this.#receiveBelow(link);
      return;
    }
    if (link.input >= 0) this.#offerInput(link);
    const result = this.#handshake(link);
    if (link.input >= 0) this.#takeBackInput(link);
    this.#shaken(link, result);
  }

  #handshake(link: Link): number {
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
      // All that a server has left to say in TLS 1.3 is tickets.
      link.isTailLazy = link.isServer && link.hasTls13 && link.tail !== undefined;
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
      this.#receiveBelow(link);
    } else {
      this.#getReady(link);
    }
  }

  /** Gives the handler who has asked what there is, or asks below. */
  #deliver(link: Link): void {
    if (link.state === OPEN && (link.input >= 0 || link.hasMore)) {
      // The session's own answers first: their room is bounded.
      if (link.tail !== undefined && !link.isTailLazy) return;
      if (this.#read(link)) return;
    }
    if (link.end !== GOES_ON) {
      link.isAsked = false;
      this.#above.received(link.socket, -1, link.end);
    } else if (link.input < 0 && !link.hasMore) {
      this.#receiveBelow(link);
    } else {
      this.#getReady(link);
    }
  }

  /** Opens what has come into a buffer; true if the handler has got it. */
  #read(link: Link): boolean {
    const below = this.below;
    const session = link.session as Session;
    const target = below.acquire(link.inputEnd - link.inputAt);
    if (target < 0) {
      link.end = -ERRNO.ENOBUFS;
      return false;
    }
    const capacity = below.bytes(target).length;
    const address = below.address(target);
    const transport = this.#outlet.transport;
    if (link.input >= 0) this.#offerInput(link);
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
    if (link.input >= 0) this.#takeBackInput(link);
    // An answer to the peer does not wait for company: it would be joined by more of them.
    if (this.#outlet.keepTail(link)) link.isTailLazy = false;
    if (result === WANTS_ROOM) link.hasMore = true;
    else if (result === ENDED) this.#endReading(link, 0);
    else if (result === FAILED) {
      link.failure = session.failure;
      this.#vault.failed(link.isServer);
      this.#endReading(link, -ERRNO.EPROTO);
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

  #endReading(link: Link, result: number): void {
    link.end = result;
    link.hasMore = false;
    this.#dropInput(link);
  }

  #keepPromise(link: Link): void {
    link.isPromised = false;
    if (link.output >= 0) this.below.release(link.output);
    link.output = -1;
    this.#above.sent(link.socket, link.sendError);
  }

  /** The handshake has come to nothing; where no session can say so, the alert goes out by hand */
  #breakOff(link: Link, reason: string, result: number, alert = 0): void {
    this.#dropInput(link);
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

  #receiveBelow(link: Link): void {
    if (link.isReceiving) return;
    link.isReceiving = true;
    this.below.receive(link.socket);
  }

  #offerInput(link: Link): void {
    this.#outlet.transport.offer(this.below.address(link.input) + link.inputAt, link.inputEnd - link.inputAt);
  }

  #takeBackInput(link: Link): void {
    const { left } = this.#outlet.transport;
    this.#outlet.transport.withdraw();
    link.inputAt = link.inputEnd - left;
    if (left === 0) this.#dropInput(link);
  }

  #dropInput(link: Link): void {
    if (link.input >= 0) this.below.release(link.input);
    link.input = -1;
  }

  #getReady(link: Link): void {
    if (link.isReady) return;
    link.isReady = true;
    this.#ready.push(link);
    if (!this.#isInside) this.#setWake();
  }

  /** The end of every call from below: those that have become ready get on, now that nobody waits for us to return. */
  #leave(): void {
    while (this.#ready.length > 0) {
      const list = this.#ready;
      this.#ready = [];
      for (const link of list) {
        link.isReady = false;
        if (this.#links[link.socket] === link && link.state !== LINGERING) this.#getOn(link);
      }
    }
    this.#isInside = false;
  }

  /** Gives back all that the link holds, except the socket. */
  #letGo(link: Link): void {
    this.#dropInput(link);
    if (link.output >= 0) this.below.release(link.output);
    link.output = -1;
    if (link.session === undefined) return;
    if (!link.isServer && link.state === OPEN) this.#vault.remember(link.resumptionKey, link.session);
    link.session.free();
    link.session = undefined;
  }

  #closeBelow(link: Link, reset: boolean): void {
    this.#links[link.socket] = undefined;
    this.below.close(link.socket, reset);
  }

  #setWake(): void {
    const wake = this.#ready.length > 0 ? 0 : (this.#lingering[0]?.lingersUntilMs ?? Infinity);
    this.below.wakeAt(Math.min(this.#wakeAbove, wake));
  }

  override wakeAt(timeMs: number): void {
    this.#wakeAbove = timeMs;
    this.#setWake();
  }

  override stop(): void {
    for (const link of this.#links) if (link !== undefined && link.state !== LINGERING) this.#letGo(link);
    this.below.stop();
  }
}
