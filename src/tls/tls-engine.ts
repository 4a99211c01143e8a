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
 * The rooms: `handshaker.ts` (until a session is agreed), `inlet.ts` and `outlet.ts` (its bytes). Here: who is asked for
 * what, and who may be called when.
 *
 * Hot path: three calls into OpenSSL for a request or an answer; an object a connection, none an operation.
 */
import type { Engine, EngineHandler } from '../engine/engine.js';
import { Handshaker } from './handshaker.js';
import { clientNamesOf, type TlsInfo, tlsInfo } from './info.js';
import { Inlet } from './inlet.js';
import { BROKEN, GOES_ON, HELLO, LINGER_MS, LINGERING, Link, OPEN, SHAKING } from './link.js';
import { Outlet } from './outlet.js';
import { type Layer, PassingLayer, wrapEngine } from './passing-layer.js';
import type { Peer, TlsHandler, TlsLayer } from './tls-layer.js';
import type { Vault } from './vault.js';

export class TlsEngine extends PassingLayer implements TlsLayer, Layer {
  readonly #above: TlsHandler;
  readonly #vault: Vault;
  /** By socket. */
  readonly #links: (Link | undefined)[] = [];
  // Made when first needed: without FFI an engine can still be wrapped.
  #outlet!: Outlet;
  #inlet!: Inlet;
  #handshaker!: Handshaker;
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
      this.#inlet.receive(link);
      return;
    }
    link.input = buffer;
    link.inputAt = at;
    link.inputEnd = end;
    this.#getReady(link);
  }

  connectTls(socket: number, peer: Peer): void {
    const link = this.#newLink(socket, false);
    this.#handshaker.begin(link, peer);
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

  isCut(socket: number): boolean {
    return this.#links[socket]?.isCut === true;
  }

  endWithoutNotice(socket: number): void {
    const link = this.#links[socket];
    if (link === undefined) return;
    link.hasEnded = true;
    link.isTailLazy = false;
  }

  override receive(socket: number): void {
    const link = this.#links[socket];
    if (link === undefined) {
      super.receive(socket);
      return;
    }
    link.isAsked = true;
    if (link.input >= 0 || link.hasMore || link.end !== GOES_ON) this.#getReady(link);
    else this.#inlet.receive(link);
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
    // What is under way and was not promised is the session's own (tickets): the notice goes after it. Plaintext that is
    // given up half sent gets none.
    if (isOrderly && !link.isPromised && link.output < 0 && link.sendError === 0) {
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
      if (length === 0 && link.state === OPEN) this.#cut(link);
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
      const getReady = (link: Link): void => this.#getReady(link);
      this.#outlet = new Outlet(this.below, getReady);
      this.#inlet = new Inlet(this.#above, this.below, this.#vault, this.#outlet, getReady);
      this.#handshaker = new Handshaker(this.#above, this.below, this.#vault, this.#inlet, this.#outlet, getReady);
    }
    const link = new Link(socket, isServer);
    this.#links[socket] = link;
    return link;
  }

  /** Whatever can be done for a link whose handler may be called now. */
  #getOn(link: Link): void {
    if (link.state === HELLO) this.#handshaker.readHello(link);
    else if (link.state === SHAKING) this.#handshaker.shake(link);
    if (link.state === OPEN || link.state === BROKEN) {
      if (link.isPromised && (link.sendError !== 0 || (link.output < 0 && !link.isSending))) this.#keepPromise(link);
      // Unless its handler, told of a failure, has closed it.
      if (link.isAsked && link.state < LINGERING) this.#inlet.deliver(link);
    }
  }

  #cut(link: Link): void {
    link.isCut = true;
    this.#vault.cut(link.isServer);
  }

  #keepPromise(link: Link): void {
    link.isPromised = false;
    if (link.output >= 0) this.below.release(link.output);
    link.output = -1;
    this.#above.sent(link.socket, link.sendError);
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
    this.#inlet.drop(link);
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
