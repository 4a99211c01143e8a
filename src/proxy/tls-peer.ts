/** TLS as the proxy sees it: whom a server is to prove to be, and what is said about handshakes that failed. */
import { formatEndpoint, formatIp } from '../core/address.js';
import type { ServerSpec } from '../core/configuration.js';
import type { TlsInfo } from '../tls/info.js';
import type { Peer } from '../tls/tls-layer.js';
import type { ConnectionTable } from './connection-table.js';
import type { Post } from './mail.js';

/** The same reason is told to everybody so often at most; `debug` tells each. */
const TELL_EVERY_MS = 10_000;
/** Reasons are few, but an attacker has a say in some. */
const MAX_REASONS = 256;

const peers = new WeakMap<ServerSpec, Peer>();

/** Requires a server with an endpoint and TLS. */
export function peerOf(spec: ServerSpec): Peer {
  const known = peers.get(spec);
  if (known !== undefined) return known;
  const { endpoint, sni, tls } = spec;
  const verifies = tls === 'verify';
  const isAddress = sni === '' && endpoint?.kind === 'ip';
  const peer: Peer = {
    endpoint: endpoint === undefined ? '' : formatEndpoint(endpoint),
    name: isAddress ? formatIp(endpoint.address) : sni,
    isAddress,
    verifies,
  };
  peers.set(spec, peer);
  return peer;
}

export class TlsLog {
  readonly #table: ConnectionTable;
  readonly #post: Post;
  /** When each reason was last told, and how often it has come since. */
  readonly #told = new Map<string, { atMs: number; since: number }>();

  constructor(table: ConnectionTable, post: Post) {
    this.#table = table;
    this.#post = post;
  }

  /** A handshake with the connection's client or server has come to nothing. */
  failed(connection: number, isClient: boolean, reason: string): void {
    const who = isClient ? `client ${this.#client(connection)}` : `server ${this.#table.server[connection]}`;
    const line = `no TLS with ${who}: ${reason}`;
    const now = performance.now();
    const key = isClient ? reason : line;
    const told = this.#told.get(key);
    if (told !== undefined && now - told.atMs < TELL_EVERY_MS) {
      told.since++;
      this.#post.send({ type: 'log', level: 1, line });
      return;
    }
    const others = told === undefined || told.since === 0 ? '' : ` (and ${told.since} more for that reason)`;
    this.#post.send({ type: 'log', level: 0, line: line + others });
    if (this.#told.size >= MAX_REASONS) this.#told.clear();
    this.#told.set(key, { atMs: now, since: 0 });
  }

  /** What has been agreed with a client: for `debug`. */
  secured(connection: number, info: TlsInfo | undefined): void {
    if (info === undefined) return;
    const { version, cipher, serverName, alpn, isResumed, clientName } = info;
    const words = [
      `TLS with client ${this.#client(connection)}: ${version} ${cipher}`,
      ...(serverName === '' ? [] : [`name ${serverName}`]),
      ...(alpn === '' ? [] : [`protocol ${alpn}`]),
      ...(isResumed ? ['resumed'] : []),
      ...(clientName === '' ? [] : [`certificate ${clientName}`]),
    ];
    this.#post.send({ type: 'log', level: 1, line: words.join(', ') });
  }

  #client(connection: number): string {
    return formatIp(this.#table.peer.subarray(connection * 4, connection * 4 + 4));
  }
}
