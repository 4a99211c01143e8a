/** How a server is told who the client is: PROXY headers before the first byte, fields in each request. */
import { Acl } from '../core/acl.js';
import { type Endpoint, type IpWords, isV4 } from '../core/address.js';
import { type Configuration, defaultSettings, NONE, type ProxyVersion, type Settings } from '../core/configuration.js';
import { ERRNO } from '../sys/errno.js';
import type { TlsLayer } from '../tls/tls-layer.js';
import { Forwarding } from '../wire/http/forwarding.js';
import { encodeV1, encodeV2 } from '../wire/proxy-protocol/encode.js';
import { type ProxyHeader, withoutAddresses } from '../wire/proxy-protocol/header.js';
import { cameOverTls, tlsTlvs, tlvsToPassOn } from '../wire/proxy-protocol/tlv.js';
import { SECURED } from './connection-flag.js';
import type { ConnectionTable } from './connection-table.js';
import type { FirstBytes } from './first-bytes.js';

/** What is known of a client. */
interface Learnt {
  /** undefined: it came over a Unix socket. */
  readonly address: ArrayLike<number> | undefined;
  readonly port: number;
  /** Of the connection that it, or a proxy on its behalf, has made to us. */
  readonly socket: number;
  /** What that proxy says. */
  readonly header: ProxyHeader | undefined;
  /** We have terminated its TLS. */
  readonly isSecured: boolean;
}

export class Introductions {
  readonly #engine: TlsLayer;
  readonly #table: ConnectionTable;
  readonly #firstBytes: FirstBytes;
  #settings: Settings = defaultSettings;
  #trusted: Acl | undefined;

  constructor(engine: TlsLayer, table: ConnectionTable, firstBytes: FirstBytes) {
    this.#engine = engine;
    this.#table = table;
    this.#firstBytes = firstBytes;
  }

  configure({ settings, acls }: Configuration): void {
    this.#settings = settings;
    this.#trusted = settings.httpTrust === NONE ? undefined : new Acl(acls[settings.httpTrust]);
  }

  /** What is to be said of the connection's client in each of its requests. */
  forwarding(connection: number): Forwarding {
    const { address, socket, header, isSecured } = this.#learnt(connection);
    const trusted = this.#trusted;
    return new Forwarding({
      address,
      isSecure: isSecured || (header !== undefined && cameOverTls(header.tlvs)),
      certificate: isSecured ? this.#engine.clientName(socket) : '',
      isTrusted: trusted !== undefined && (address === undefined || trusted.permits(address)),
      withForwarded: this.#settings.httpForwarded,
    });
  }

  /** Sends the connection's server a PROXY header: 1 = done, 0 = `sent` will tell, else -errno. */
  sendHeader(connection: number, version: ProxyVersion): number {
    const buffer = this.#engine.acquire();
    if (buffer < 0) return -ERRNO.ENOBUFS;
    const header = this.#headerFor(this.#learnt(connection));
    const bytes = version === 'v1' ? encodeV1(header) : encodeV2(header);
    this.#engine.bytes(buffer).set(bytes);
    return this.#engine.send(this.#table.serverSocket[connection], buffer, bytes.length) ? 1 : 0;
  }

  #learnt(connection: number): Learnt {
    const table = this.#table;
    return {
      address: table.isUnix(connection) ? undefined : table.address(connection),
      port: table.peerPort[connection],
      socket: table.clientSocket[connection],
      header: this.#firstBytes.get(connection)?.header,
      isSecured: (table.flags[connection] & SECURED) !== 0,
    };
  }

  #headerFor({ address, port, socket, header, isSecured }: Learnt): ProxyHeader {
    const passedOn = header === undefined ? new Uint8Array(0) : tlvsToPassOn(header.tlvs, isSecured);
    const tlvs = isSecured ? Uint8Array.of(...this.#factsOf(socket), ...passedOn) : passedOn;
    if (address === undefined) return withoutAddresses('proxy', tlvs);
    const source = [address[0], address[1], address[2], address[3]] as const;
    const destination = header?.family === 'ip' ? header : here(this.#engine.boundTo(socket), source);
    return {
      ...withoutAddresses('proxy', tlvs),
      family: 'ip',
      source,
      sourcePort: port,
      destination: destination.destination,
      destinationPort: destination.destinationPort,
    };
  }

  /** What the TLS that we have terminated says of the client. */
  #factsOf(socket: number): Uint8Array {
    const info = this.#engine.tlsInfo(socket);
    if (info === undefined) return new Uint8Array(0);
    const { version, cipher, serverName, alpn, isResumed, clientName, clientCommonName } = info;
    return tlsTlvs({
      version,
      cipher,
      serverName: serverName || undefined,
      alpn: alpn || undefined,
      commonName: clientName === '' ? undefined : clientCommonName,
      isVerified: clientName !== '',
      isResumed,
    });
  }
}

/** This host's end, as a header says it; no address of the client's family if the socket has gone meanwhile. */
function here(bound: Endpoint, source: IpWords): Pick<ProxyHeader, 'destination' | 'destinationPort'> {
  if (bound.kind === 'ip') return { destination: bound.address, destinationPort: bound.port };
  return { destination: isV4(source) ? [0, 0, 0xffff, 0] : [0, 0, 0, 0], destinationPort: 0 };
}
