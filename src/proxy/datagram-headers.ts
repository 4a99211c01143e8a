/**
 * PROXY headers of datagrams, in both directions. Every datagram has its own, as there is no first one that could not be
 * lost or overtaken: dnsdist, BIND, Knot and PowerDNS write and read them so. Only version 2 knows of datagrams.
 *
 * A datagram and its header are put together in a ring of our own: where it was received there is no room before it. The
 * ring holds more than all that is sent before memory is used again, so nothing is overwritten that is still to be sent.
 */
import { type IpEndpoint, type IpWords, isV4 } from '../core/address.js';
import { decodeProxyHeader } from '../wire/proxy-protocol/decode.js';
import { encodeV2 } from '../wire/proxy-protocol/encode.js';
import { type ProxyHeader, SIGNATURE, withoutAddresses } from '../wire/proxy-protocol/header.js';
import { tlvsToPassOn } from '../wire/proxy-protocol/tlv.js';

/**
 * A batch is at most 64 slots of 64 kB, 64 datagrams with a header of 52 bytes in each: 4.5 MB. It may have to be sent
 * twice, when sockets report errors of earlier ones, and beside it sessions of a dead server move with 1 MB of theirs.
 */
export const INTRODUCED_BYTES = 16 * 1024 * 1024;

/** TLVs that are passed on may be long; a datagram with more than that before it has no use. */
const MAX_HEADER_BYTES = 536;

export class DatagramHeaders {
  readonly #memory: Uint8Array;
  readonly #start: number;
  #next = 0;
  /** By session: what its datagrams begin with. */
  readonly #headers: (Uint8Array | undefined)[] = [];

  /** The ring is INTRODUCED_BYTES of `memory` from `start` on. */
  constructor(memory: Uint8Array, start: number) {
    this.#memory = memory;
    this.#start = start;
  }

  /** The header of the datagram at `at`, and how long it is; undefined if it has no sound one. */
  read(at: number, length: number): { readonly header: ProxyHeader; readonly length: number } | undefined {
    const bytes = this.#memory.subarray(at, at + length);
    const decoded = bytes[0] === SIGNATURE[0] ? decodeProxyHeader(bytes, length) : 'malformed';
    return typeof decoded === 'string' ? undefined : decoded;
  }

  /** Datagrams of `session` to servers that want it will say who their client is; `from` is what a proxy has said of it. */
  begin(session: number, source: IpWords, port: number, here: IpEndpoint, from: ProxyHeader | undefined): void {
    const known = from?.family === 'ip' ? from : { destination: here.address, destinationPort: here.port };
    // A wildcard where the system does not tell more.
    const isNowhere = isV4(source) !== isV4(known.destination) && known.destination.every((word) => word === 0);
    const header: ProxyHeader = {
      ...withoutAddresses('proxy', from && tlvsToPassOn(from.tlvs)),
      family: 'ip',
      source,
      sourcePort: port,
      destination: isNowhere ? [0, 0, 0xffff, 0] : known.destination,
      destinationPort: known.destinationPort,
      isDatagram: true,
    };
    const bytes = encodeV2(header);
    const noTlvs = new Uint8Array(0);
    this.#headers[session] = bytes.length <= MAX_HEADER_BYTES ? bytes : encodeV2({ ...header, tlvs: noTlvs });
  }

  end(session: number): void {
    if (session < this.#headers.length) this.#headers[session] = undefined;
  }

  lengthOf(session: number): number {
    return this.#headers[session]?.length ?? 0;
  }

  /** Puts the session's header and the datagram together; returns where they begin. */
  put(session: number, at: number, length: number): number {
    const header = this.#headers[session] as Uint8Array;
    const total = header.length + length;
    if (this.#next + total > INTRODUCED_BYTES) this.#next = 0;
    const to = this.#start + this.#next;
    this.#next += (total + 3) & ~3;
    this.#memory.set(header, to);
    this.#memory.copyWithin(to + header.length, at, at + length);
    return to;
  }

  /** True if what lies there has been put together with a header. */
  has(at: number): boolean {
    return at >= this.#start && at < this.#start + INTRODUCED_BYTES;
  }
}
