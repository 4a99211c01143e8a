/**
 * What operators are shown: one kind of plain values behind `servers --json`, `clients`, `connections`, `status`, USR1,
 * the -w file, metrics and the dashboard. These shapes are the JSON that scripts read: fields may be added, not changed.
 */
import type { Cause, Ending, Refusal, Times } from '../core/meters.js';
import type { RealSnapshot, VipSnapshot } from '../proxy/data-plane.js';
import type { TransparencyCount } from '../proxy/transparency.js';
import type { TlsCounts } from '../tls/counts.js';

/**
 * `empty`: the row holds no server. `draining`: an operator lets it take no new connection. `blacklisted`: it failed, or
 * was told to be left alone. `full`: it has as many connections as `max` allows. `silent`: with direct server return, it does not
 * answer on its link.
 */
export type ServerCondition = 'up' | 'full' | 'blacklisted' | 'draining' | 'silent' | 'empty';

/** A server in direct server return. */
export type DirectStatistics = Pick<RealSnapshot, 'mac' | 'slots' | 'packets' | 'bytes' | 'flows'>;

/** A server in short: what is shown every second, and cheap to take. */
export interface ServerBrief {
  /** Its row, or which of the two servers outside the table it is. */
  readonly server: number | 'emergency' | 'abuse';
  readonly address: string;
  readonly port: number;
  readonly state: ServerCondition;
  /** Seconds for which it is left alone, 0 = it is not blacklisted. */
  readonly blacklistedSec: number;
  readonly connections: number;
  /** Connects in progress. */
  readonly pending: number;
  readonly max: number;
  readonly hard: number;
  readonly weight: number;
  readonly prio: number;
  readonly acl: number;
  /** Towards the server, and from it. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Connects that have succeeded. */
  readonly connects: number;
  /** Only with direct server return, where there are no connections. */
  readonly direct: DirectStatistics | undefined;
  /** Why and how long ago a connect last failed. */
  readonly lastFailure: { readonly error: string; readonly agoSec: number } | undefined;
}

export interface ServerStatistics extends ServerBrief {
  readonly failures: Readonly<Record<Cause, number>>;
  readonly endings: Readonly<Record<Ending, number>>;
  readonly connectTimes: Times;
  readonly sessionTimes: Times;
}

/** A server and its meters as bare numbers: cheap to take of thousands. */
export interface CountedServer {
  readonly brief: ServerBrief;
  /** By the places of COUNTS in core/meters.ts; the next server's are put into the same array. */
  readonly counts: Float64Array;
}

export interface ClientStatistics {
  readonly client: number;
  readonly address: string;
  readonly agoSec: number;
  /** The server it used last, -1 = none. */
  readonly server: number;
  readonly connects: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export interface ConnectionStatistics {
  readonly connection: number;
  readonly state: string;
  /** ADDRESS:PORT, `unix` for a client of a Unix socket, `''` where there is no client. */
  readonly peer: string;
  /** Seconds since it began to connect or to relay; undefined in other states. */
  readonly ageSec: number | undefined;
  readonly client: number;
  readonly server: number;
  readonly clientSocket: number;
  readonly serverSocket: number;
}

/** How often it happened to a connection that should have come from its client's address. */
export type TransparencyStatistics = Readonly<Record<TransparencyCount, number>>;

/** Handshakes so far, and the certificates in use. */
export interface TlsStatistics {
  readonly handshakes: TlsCounts;
  readonly certificates: readonly CertificateStatistics[];
}

export interface CertificateStatistics {
  /** The server name that it is for, `default` for all others. */
  readonly name: string;
  readonly subject: string;
  readonly keyType: string;
  readonly expiresMs: number;
}

/** The balancer as a whole. */
export interface Summary {
  readonly timeMs: number;
  readonly uptimeSec: number;
  readonly version: string;
  readonly listen: string;
  readonly protocol: 'tcp' | 'udp';
  readonly engine: string;
  readonly threads: number;
  /** `prio`, `weight`, `hash` or `roundrobin`: what chooses the server of a client that has none yet. */
  readonly algorithm: string;
  /** Clients go to the server they used last. */
  readonly tracking: boolean;
  readonly stubborn: boolean;
  readonly connections: number;
  readonly connectionsMax: number;
  readonly idlers: number;
  readonly clients: number;
  readonly clientsMax: number;
  readonly accepted: number;
  readonly acceptFailures: number;
  readonly refusals: Readonly<Record<Refusal, number>>;
  /** undefined where connections come from this host's own address. */
  readonly transparency: TransparencyStatistics | undefined;
  /** Datagrams, or frames, that were not passed on, by reason; empty for TCP. */
  readonly drops: Readonly<Record<string, number>>;
  /** The VIPs with direct server return; empty for the proxy. */
  readonly vips: readonly VipSnapshot[];
  /** undefined where neither clients nor servers have TLS. */
  readonly tls: TlsStatistics | undefined;
  /** Lines of the log that found no room, because disk or host took them too slowly. */
  readonly logLost: number;
}

export interface Statistics {
  readonly summary: Summary;
  readonly servers: readonly ServerStatistics[];
  /** Most recent first. */
  readonly clients: readonly ClientStatistics[];
  readonly connections: readonly ConnectionStatistics[];
}

/** Rows of clients or connections at once: enough for people, and a bound for tables of a million. */
export const MAX_ROWS = 1000;

/** `ADDRESS:PORT`, or the path of a Unix socket; '' for an empty row. */
export function endpointText({ address, port, state }: ServerBrief): string {
  if (state === 'empty') return '';
  if (address.includes('/')) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** For people: `up`, `blacklisted for 4 s`. */
export function stateText({ state, blacklistedSec }: ServerBrief): string {
  return state === 'blacklisted' ? `blacklisted for ${blacklistedSec} s` : state;
}
