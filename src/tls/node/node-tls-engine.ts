/**
 * The TLS layer where Node's OpenSSL cannot be driven directly: `node:tls` over a stream for each socket, on the `node`
 * engine, whose event loop streams live on. Same rules and refusals as `tls-engine.ts`, at two to three times the cost.
 *
 *    receive   <-- held, a chunk at most --  TLSSocket  <-- Wire <-- received
 *    send      ------------ write -------->  TLSSocket  --> Wire --> send
 */
import { connect, TLSSocket, type TLSSocketOptions } from 'node:tls';
import type { Engine, EngineHandler } from '../../engine/engine.js';
import { ERRNO } from '../../sys/errno.js';
import { alertRecord, UNRECOGNIZED_NAME } from '../alert.js';
import { HELLO_CUT, HELLO_WHOLE, helloAlerts, helloReasons } from '../client-hello.js';
import { FirstFlight } from '../first-flight.js';
import type { TlsInfo } from '../info.js';
import { GOES_ON, LINGER_MS } from '../link.js';
import { type Layer, PassingLayer, wrapEngine } from '../passing-layer.js';
import type { Peer, TlsHandler, TlsLayer } from '../tls-layer.js';
import { NodeLink } from './node-link.js';
import type { NodeVault, ServerSide } from './node-vault.js';
import { Wire } from './wire.js';

/** What TLSSocket has and @types/node does not tell. */
interface Native {
  readonly ssl: { verifyError(): (Error & { code?: string }) | null };
}

export class NodeTlsEngine extends PassingLayer implements TlsLayer, Layer {
  readonly #above: TlsHandler;
  readonly #vault: NodeVault;
  readonly #links: (NodeLink | undefined)[] = [];
  readonly #first = new FirstFlight();
  #wakeAbove = Infinity;

  static create(
    above: TlsHandler,
    vault: NodeVault,
    make: (handler: EngineHandler) => Promise<Engine>,
  ): Promise<NodeTlsEngine> {
    return wrapEngine(above, make, (below) => new NodeTlsEngine(above, vault, below));
  }

  private constructor(above: TlsHandler, vault: NodeVault, below: Engine) {
    super(below);
    this.#above = above;
    this.#vault = vault;
  }

  acceptTls(socket: number, buffer = -1, at = 0, end = 0): void {
    const link = new NodeLink(socket, true);
    this.#links[socket] = link;
    if (buffer < 0) {
      this.below.receive(socket);
      return;
    }
    const flight = Buffer.from(this.below.bytes(buffer).subarray(at, end));
    this.below.release(buffer);
    setImmediate(() => this.#tell(link, () => this.#readHello(link, flight)));
  }

  connectTls(socket: number, peer: Peer): void {
    const link = new NodeLink(socket, false);
    this.#links[socket] = link;
    const { secureContext, session } = this.#vault.connect(peer);
    const wire = new Wire(this.below, socket);
    const { name, isAddress, verifies } = peer;
    const tls = connect({
      socket: wire,
      secureContext,
      rejectUnauthorized: verifies,
      ...(session && { session }),
      ...(name !== '' && !isAddress && { servername: name }),
      ...(isAddress && { host: name }),
      ...(name === '' && { checkServerIdentity: () => undefined }),
    });
    tls.on('session', (ticket: Buffer) => this.#vault.remember(peer, ticket));
    tls.once('secureConnect', () => this.#tell(link, () => this.#opened(link)));
    this.#follow(link, wire, tls);
  }

  serverName(socket: number): string {
    return this.#links[socket]?.serverName ?? '';
  }

  clientName(socket: number): string {
    const link = this.#links[socket];
    return link?.asksClients && link.tls !== undefined ? clientNamesOf(link.tls).clientName : '';
  }

  tlsInfo(socket: number): TlsInfo | undefined {
    const link = this.#links[socket];
    if (link?.tls === undefined || link.state !== 'open') return undefined;
    const { tls, serverName, asksClients } = link;
    return {
      version: tls.getProtocol() ?? '',
      cipher: tls.getCipher().standardName,
      serverName,
      alpn: tls.alpnProtocol || '',
      isResumed: tls.isSessionReused(),
      ...(asksClients ? clientNamesOf(tls) : { clientName: '', clientCommonName: '' }),
    };
  }

  tlsFailure(socket: number): string {
    return this.#links[socket]?.failure ?? '';
  }

  /** A stream of Node's does not tell. */
  isCut(): boolean {
    return false;
  }

  endWithoutNotice(): void {}

  override receive(socket: number): void {
    const link = this.#links[socket];
    if (link === undefined) {
      super.receive(socket);
      return;
    }
    link.isAsked = true;
    if (link.held !== undefined || link.end !== GOES_ON)
      setImmediate(() => this.#tell(link, () => this.#deliver(link)));
    else link.tls?.resume();
  }

  override send(socket: number, buffer: number, length: number): boolean {
    const link = this.#links[socket];
    if (link === undefined) return super.send(socket, buffer, length);
    link.isPromised = true;
    // A copy: what is written to a stream is not ours to call back.
    const bytes = Buffer.from(this.below.bytes(buffer).subarray(0, length));
    this.below.release(buffer);
    const done = (error?: Error | null): void => {
      this.#tell(link, () => {
        link.isPromised = false;
        this.#above.sent(socket, error ? -ERRNO.EPIPE : 0);
      });
    };
    if (link.tls === undefined || link.state !== 'open') setImmediate(() => done(new Error('no session')));
    else link.tls.write(bytes, done);
    return false;
  }

  override shutdown(socket: number): void {
    const link = this.#links[socket];
    if (link === undefined) super.shutdown(socket);
    else link.tls?.end();
  }

  override close(socket: number, reset: boolean): void {
    const link = this.#links[socket];
    if (link === undefined) {
      super.close(socket, reset);
      return;
    }
    if (link.state === 'lingering') return;
    const isOrderly = !reset && (link.state === 'open' || link.wire !== undefined || link.isAlerting);
    const wasOpen = link.state === 'open';
    link.state = 'lingering';
    if (!isOrderly) {
      this.#closeBelow(link, reset);
      return;
    }
    const timer = setTimeout(() => this.#closeBelow(link, true), LINGER_MS);
    const over = (): void => {
      clearTimeout(timer);
      this.#closeBelow(link, false);
    };
    if (link.wire === undefined || link.tls === undefined) {
      setImmediate(over);
      return;
    }
    const { wire, tls } = link;
    if (!wasOpen) {
      // The alert of a failed handshake has been written or never will be.
      setImmediate(() => wire.whenIdle(over));
      return;
    }
    wire.once('finish', over).once('close', over);
    // Not from within the last step of the handshake: OpenSSL says nothing then.
    if (wire.writableFinished) over();
    else setImmediate(() => tls.end());
    tls.resume();
  }

  override wakeAt(timeMs: number): void {
    this.#wakeAbove = timeMs;
    super.wakeAt(timeMs);
  }

  override stop(): void {
    for (const link of this.#links) link?.tls?.destroy();
    super.stop();
  }

  receivedBelow(socket: number, buffer: number, length: number): void {
    const link = this.#links[socket];
    if (link === undefined) {
      this.#above.received(socket, buffer, length);
      return;
    }
    if (link.wire !== undefined) {
      link.wire.received(buffer, length);
    } else if (link.state !== 'hello') {
      if (buffer >= 0) this.below.release(buffer);
    } else if (length > 0) {
      const flight = Buffer.from(this.below.bytes(buffer).subarray(0, length));
      this.below.release(buffer);
      this.#readHello(link, flight);
    } else {
      this.#breakOff(link, 'closed before a ClientHello', -ERRNO.ECONNRESET);
    }
  }

  sentBelow(socket: number, result: number): void {
    const link = this.#links[socket];
    if (link === undefined) this.#above.sent(socket, result);
    else link.wire?.sent(result);
  }

  timeBelow(nowMs: number): void {
    if (nowMs >= this.#wakeAbove) {
      this.#wakeAbove = Infinity;
      this.#above.timer(nowMs);
      return;
    }
    super.wakeAt(this.#wakeAbove);
  }

  turnBelow(nowMs: number): void {
    this.#above.turn(nowMs);
  }

  /** Streams call when they like: the handler's turn is to follow, as after a report of the engine's. */
  #tell(link: NodeLink, what: () => void): void {
    if (this.#links[link.socket] !== link || link.state === 'lingering') return;
    what();
    super.wakeAt(this.below.now());
  }

  #readHello(link: NodeLink, flight: Uint8Array): void {
    const first = this.#first;
    const room = first.room(link.hello);
    const verdict = first.read(link.hello, flight.subarray(0, room));
    if (verdict === HELLO_CUT) {
      link.hello = first.bytes;
      this.below.receive(link.socket);
      return;
    }
    if (verdict !== HELLO_WHOLE) {
      this.#alert(link, helloAlerts[verdict]);
      this.#breakOff(link, helloReasons[verdict] as string, -ERRNO.EPROTO);
      return;
    }
    link.serverName = first.hello.serverName;
    const side = this.#vault.accept(first.hello);
    if (side === undefined) {
      this.#alert(link, UNRECOGNIZED_NAME);
      this.#breakOff(link, `no certificate for '${link.serverName}'`, -ERRNO.EPROTO);
      return;
    }
    const wire = new Wire(this.below, link.socket);
    const tls = new TLSSocket(wire as never, serverOptions(side));
    link.asksClients = side.plan.clientCertificate !== 'off';
    tls.once('secure', () => this.#tell(link, () => this.#verify(link, tls, side)));
    this.#follow(link, wire, tls);
    wire.push(Buffer.from(first.bytes));
    if (flight.length > room) wire.push(Buffer.from(flight.subarray(room)));
  }

  /** TLSSocket leaves it to its server to look at the client's certificate. */
  #verify(link: NodeLink, tls: TLSSocket, { plan }: ServerSide): void {
    const error = plan.clientCertificate === 'off' ? null : (tls as unknown as Native).ssl.verifyError();
    const hasShown = Object.keys(tls.getPeerCertificate()).length > 0;
    if (error !== null && (plan.clientCertificate === 'required' || hasShown)) {
      this.#breakOff(link, hasShown ? error.message : 'peer did not return a certificate', -ERRNO.EPROTO);
    } else {
      this.#opened(link);
    }
  }

  #follow(link: NodeLink, wire: Wire, tls: TLSSocket): void {
    link.wire = wire;
    link.tls = tls;
    link.state = 'shaking';
    tls.pause();
    tls.on('data', (chunk: Buffer) => {
      tls.pause();
      link.held = link.held === undefined ? chunk : Buffer.concat([link.held, chunk]);
      this.#tell(link, () => this.#deliver(link));
    });
    tls.on('error', (error: Error & { reason?: string }) => this.#tell(link, () => this.#failed(link, error)));
    const ended = (): void => this.#tell(link, () => this.#ended(link));
    tls.on('end', ended).on('close', ended);
  }

  #opened(link: NodeLink): void {
    link.state = 'open';
    this.#vault.secured(link.isServer, link.tls?.isSessionReused() === true);
    this.#above.secured(link.socket, 0);
  }

  #failed(link: NodeLink, error: Error & { reason?: string }): void {
    const reason = error.reason ?? error.message;
    if (link.state === 'shaking') {
      this.#breakOff(link, reason, -ERRNO.EPROTO);
      return;
    }
    link.failure = reason;
    link.end = -ERRNO.EPROTO;
    this.#deliver(link);
  }

  #ended(link: NodeLink): void {
    if (link.state === 'shaking') this.#breakOff(link, 'closed during the handshake', -ERRNO.ECONNRESET);
    else if (link.end === GOES_ON) {
      link.end = 0;
      this.#deliver(link);
    }
  }

  #deliver(link: NodeLink): void {
    if (!link.isAsked || link.state !== 'open') return;
    if (link.held === undefined) {
      if (link.end === GOES_ON) return;
      link.isAsked = false;
      this.#above.received(link.socket, -1, link.end);
      return;
    }
    const buffer = this.below.acquire(link.held.length);
    if (buffer < 0) return;
    const bytes = this.below.bytes(buffer);
    const length = Math.min(bytes.length, link.held.length);
    bytes.set(link.held.subarray(0, length));
    link.held = length === link.held.length ? undefined : link.held.subarray(length);
    link.isAsked = false;
    this.#above.received(link.socket, buffer, length);
  }

  #alert(link: NodeLink, alert = 0): void {
    const buffer = alert === 0 ? -1 : this.below.acquire();
    if (buffer < 0) return;
    const record = alertRecord(alert);
    this.below.bytes(buffer).set(record);
    link.isAlerting = true;
    this.below.send(link.socket, buffer, record.length);
  }

  #breakOff(link: NodeLink, reason: string, result: number): void {
    link.state = 'broken';
    link.failure = reason;
    this.#vault.failed(link.isServer);
    this.#above.secured(link.socket, result);
  }

  #closeBelow(link: NodeLink, reset: boolean): void {
    if (this.#links[link.socket] !== link) return;
    this.#links[link.socket] = undefined;
    link.tls?.destroy();
    link.wire?.destroy();
    this.below.close(link.socket, reset);
  }
}

function serverOptions({ secureContext, server, plan, protocol }: ServerSide): TLSSocketOptions {
  return {
    isServer: true,
    secureContext,
    requestCert: plan.clientCertificate !== 'off',
    rejectUnauthorized: false,
    ...(server && { server }),
    ...(protocol !== undefined && { ALPNProtocols: [protocol] }),
  };
}

/** The subject in RFC 2253's order. */
function clientNamesOf(tls: TLSSocket): Pick<TlsInfo, 'clientName' | 'clientCommonName'> {
  const lines = tls.getPeerX509Certificate()?.subject.split('\n') ?? [];
  const clean = (text: string): string => text.replace(/\p{Cc}/gu, '?');
  const commonName = lines.findLast((line) => line.startsWith('CN='))?.slice(3) ?? '';
  return { clientName: clean(lines.reverse().join(',')), clientCommonName: clean(commonName) };
}
