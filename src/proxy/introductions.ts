/** How a server is told who the client is: PROXY headers before the first byte, fields in each request. */
import { Acl } from '../core/acl.js';
import { type Endpoint, type IpWords, isV4 } from '../core/address.js';
import { type Configuration, defaultSettings, NONE, type ProxyVersion, type Settings } from '../core/configuration.js';
import type { TlsLayer } from '../tls/tls-layer.js';
import { Forwarding } from '../wire/http/forwarding.js';
import { encodeV1, encodeV2 } from '../wire/proxy-protocol/encode.js';
import { type ProxyHeader, withoutAddresses } from '../wire/proxy-protocol/header.js';
import { cameOverTls, tlsTlvs, tlvsToPassOn } from '../wire/proxy-protocol/tlv.js';

/** What is known of a client. */
export interface Learnt {
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
  #settings: Settings = defaultSettings;
  #trusted: Acl | undefined;

  constructor(engine: TlsLayer) {
    this.#engine = engine;
  }

  configure({ settings, acls }: Configuration): void {
    this.#settings = settings;
    this.#trusted = settings.httpTrust === NONE ? undefined : new Acl(acls[settings.httpTrust]);
  }

  forwarding({ address, socket, header, isSecured }: Learnt): Forwarding {
    const trusted = this.#trusted;
    return new Forwarding({
      address,
      isSecure: isSecured || (header !== undefined && cameOverTls(header.tlvs)),
      certificate: isSecured ? this.#engine.clientName(socket) : '',
      isTrusted: trusted !== undefined && (address === undefined || trusted.permits(address)),
      withForwarded: this.#settings.httpForwarded,
    });
  }

  /** Writes the header into `target` and returns its length. */
  writeHeader(target: Uint8Array, version: ProxyVersion, learnt: Learnt): number {
    const header = this.#headerFor(learnt);
    const bytes = version === 'v1' ? encodeV1(header) : encodeV2(header);
    target.set(bytes);
    return bytes.length;
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
    const { version, cipher, serverName, alpn, clientName, clientCommonName } = info;
    return tlsTlvs({
      version,
      cipher,
      serverName: serverName || undefined,
      alpn: alpn || undefined,
      commonName: clientName === '' ? undefined : clientCommonName,
      isVerified: clientName !== '',
    });
  }
}

/** This host's end, as a header says it; no address of the client's family if the socket has gone meanwhile. */
function here(bound: Endpoint, source: IpWords): Pick<ProxyHeader, 'destination' | 'destinationPort'> {
  if (bound.kind === 'ip') return { destination: bound.address, destinationPort: bound.port };
  return { destination: isV4(source) ? [0, 0, 0xffff, 0] : [0, 0, 0, 0], destinationPort: 0 };
}
