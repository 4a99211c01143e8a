/**
 * The first bytes of a client, where something hangs on them before a server is chosen: a PROXY header (`proxy_acl`)
 * says who the client is, a TLS ClientHello or an HTTP head which name it asks for (`peek`). They are kept in one buffer
 * and passed on, without the header, once there is a server.
 */
import type { Acl } from '../core/acl.js';
import { NONE } from '../core/configuration.js';
import { type Meters, REFUSAL, type Refusal } from '../core/meters.js';
import type { Engine } from '../engine/engine.js';
import { beginsTls, readClientHello } from '../wire/client-hello.js';
import { HeadScanner, KIND } from '../wire/http/head-scanner.js';
import { hostName } from '../wire/http/target.js';
import { decodeProxyHeader } from '../wire/proxy-protocol/decode.js';
import type { ProxyHeader } from '../wire/proxy-protocol/header.js';
import { authorityOf } from '../wire/proxy-protocol/tlv.js';
import { latin1 } from '../wire/text.js';

/** What tells nothing by then is not looked at any longer. */
export const MAX_FIRST_BYTES = 16_384;

/** What becomes of the connection after some bytes. */
export const HEARD = 0;
export const HEAR_ON = 1;
export const NOT_TO_BE_HEARD = 2;

/** What a connection has said, until it is relayed. */
export interface Opening {
  buffer: number;
  length: number;
  /** It must begin with a PROXY header and has not yet. */
  awaitsHeader: boolean;
  header: ProxyHeader | undefined;
  /** Its name is to be found in its bytes. */
  awaitsName: boolean;
  /** The name that it asks for. */
  name: string | undefined;
  /** Of what may be HTTP, as far as it has been read. */
  head: HeadScanner | undefined;
}

export class FirstBytes {
  /** `peek` */
  peeks = false;
  /** Who begins with a PROXY header; undefined: nobody does. */
  proxies: Acl | undefined;
  readonly #engine: Engine;
  readonly #meters: Meters;
  readonly #openings = new Map<number, Opening>();

  constructor(engine: Engine, meters: Meters) {
    this.#engine = engine;
    this.#meters = meters;
  }

  /** True if a client of that address is to be heard now; `isCovered`: behind the TLS that we are to terminate. */
  wants(address: ArrayLike<number>, isUnix: boolean, isCovered: boolean): boolean {
    return (this.peeks && !isCovered) || this.#isProxy(address, isUnix);
  }

  begin(connection: number, address: ArrayLike<number>, isUnix: boolean, isCovered: boolean): void {
    this.#openings.set(connection, {
      buffer: NONE,
      length: 0,
      awaitsHeader: this.#isProxy(address, isUnix),
      header: undefined,
      awaitsName: this.peeks && !isCovered,
      name: undefined,
      head: undefined,
    });
  }

  /**
   * Its TLS has been terminated: the name of the handshake ('' = none) counts where no proxy has told one. True if it is
   * still to be found, in what comes next.
   */
  uncover(connection: number, address: ArrayLike<number>, isUnix: boolean, serverName: string): boolean {
    if (!this.peeks) return false;
    let opening = this.#openings.get(connection);
    if (opening === undefined) {
      this.begin(connection, address, isUnix, true);
      opening = this.#openings.get(connection) as Opening;
      opening.awaitsHeader = false;
    }
    opening.name ??= serverName === '' ? undefined : serverName;
    opening.awaitsName = opening.name === undefined;
    return opening.awaitsName;
  }

  get(connection: number): Opening | undefined {
    return this.#openings.get(connection);
  }

  /** Its bytes are the caller's from now on. */
  take(connection: number): Opening | undefined {
    const opening = this.#openings.get(connection);
    this.#openings.delete(connection);
    return opening;
  }

  end(connection: number): void {
    const opening = this.take(connection);
    if (opening !== undefined && opening.buffer !== NONE) this.#engine.release(opening.buffer);
  }

  /** `buffer` is this object's from now on. */
  received(connection: number, buffer: number, length: number): number {
    const opening = this.#openings.get(connection) as Opening;
    if (length < 0) return NOT_TO_BE_HEARD;
    // Whoever says no more may still want an answer to what it has said; the engine will tell of the end again.
    if (length === 0) return opening.awaitsHeader || opening.length === 0 ? this.late(connection) : HEARD;
    if (!this.#append(opening, buffer, length)) return this.#refused('peek_too_long');
    if (opening.awaitsHeader) {
      const verdict = this.#readHeader(opening);
      if (verdict !== HEARD || !opening.awaitsName) return verdict;
    }
    if (this.#readName(opening)) return HEARD;
    return opening.length < MAX_FIRST_BYTES ? HEAR_ON : this.#refused('peek_too_long');
  }

  /** No more bytes are to be waited for, and those that have come are not enough. */
  late(connection: number): number {
    return this.#refused(this.#openings.get(connection)?.awaitsHeader ? 'no_proxy_header' : 'peek_too_slow');
  }

  #isProxy(address: ArrayLike<number>, isUnix: boolean): boolean {
    return this.proxies !== undefined && (isUnix || this.proxies.permits(address));
  }

  #append(opening: Opening, buffer: number, length: number): boolean {
    if (opening.buffer === NONE) {
      opening.buffer = buffer;
      opening.length = length;
      return true;
    }
    const fits = opening.length + length <= MAX_FIRST_BYTES && this.#makeRoom(opening, opening.length + length);
    if (fits) this.#engine.bytes(opening.buffer).set(this.#engine.bytes(buffer).subarray(0, length), opening.length);
    if (fits) opening.length += length;
    this.#engine.release(buffer);
    return fits;
  }

  /** Buffers that were received into may be small. */
  #makeRoom(opening: Opening, wanted: number): boolean {
    const small = this.#engine.bytes(opening.buffer);
    if (small.length >= wanted) return true;
    const buffer = this.#engine.acquire();
    if (buffer < 0) return false;
    this.#engine.bytes(buffer).set(small.subarray(0, opening.length));
    this.#engine.release(opening.buffer);
    opening.buffer = buffer;
    return true;
  }

  #readHeader(opening: Opening): number {
    const bytes = this.#engine.bytes(opening.buffer);
    const decoded = decodeProxyHeader(bytes, opening.length);
    if (decoded === 'more') return HEAR_ON;
    if (decoded === 'malformed') return this.#refused('bad_proxy_header');
    bytes.copyWithin(0, decoded.length, opening.length);
    opening.length -= decoded.length;
    opening.header = decoded.header;
    opening.awaitsHeader = false;
    opening.name = authorityOf(decoded.header.tlvs);
    return HEARD;
  }

  /** True if it is known, or known that there is none. */
  #readName(opening: Opening): boolean {
    if (opening.name !== undefined) return true;
    if (opening.length === 0) return false;
    const bytes = this.#engine.bytes(opening.buffer);
    if (beginsTls(bytes[0])) {
      const hello = readClientHello(bytes, opening.length);
      if (typeof hello !== 'string') opening.name = hello.serverName;
      return hello !== 'more';
    }
    opening.head ??= new HeadScanner(KIND.request);
    const { head } = opening;
    head.scan(bytes, head.length, opening.length);
    if (head.isDone && head.hostEnd > head.hostStart) {
      opening.name = hostName(latin1(bytes, head.hostStart, head.hostEnd));
    }
    return head.isDone || head.isWrong;
  }

  #refused(reason: Refusal): number {
    this.#meters.refused(REFUSAL[reason]);
    return NOT_TO_BE_HEARD;
  }
}
