/**
 * The data plane as the control plane sees it: configurations go in, snapshots come out. Implemented by
 * `workers.ts` (worker threads); everything here is called on the main thread.
 */
import type { Endpoint, IpEndpoint, IpWords } from '../core/address.js';
import type { ClientTable } from '../core/client-table.js';
import type { Configuration, DsrRole } from '../core/configuration.js';
import type { Counters } from '../core/counters.js';
import type { ServerState } from '../core/server-state.js';
import type { EngineName } from '../engine/engine.js';
import type { TlsCounts } from '../tls/counts.js';
import type { LogRingMemory } from '../weblog/log-ring.js';

/** What `connection N` and `connections` show. Sockets are -1 and the state 0 where there is none. */
export interface ConnectionSnapshot {
  readonly index: number;
  readonly state: number;
  readonly clientSocket: number;
  readonly serverSocket: number;
  /** Slot in the client table, -1 if untracked. */
  readonly client: number;
  /** Slot in the server table, -1 if none. */
  readonly server: number;
  /** 1 while the connection to the server is being made. */
  readonly pending: number;
  /** Where the client was going (`transparent listen`); undefined where that is no question. */
  readonly destination?: Endpoint | undefined;
  /** The client's address; undefined for one that came over a Unix socket, and where there is no client. */
  readonly peer: IpWords | undefined;
  readonly peerPort: number;
  /** When it began to connect or to relay (monotonic clock); 0 in other states. */
  readonly sinceMs: number;
}

/** A server as frames meet it. */
export interface RealSnapshot {
  /** Its row, or which of the two servers outside the table it is. */
  readonly server: number | 'emergency' | 'abuse';
  readonly address: IpWords;
  /** '' while it has not answered. */
  readonly mac: string;
  /** How it is reached if it is not on the link, `encap ipip by 192.0.2.1 mtu 1480`; '' if it is. */
  readonly tunnel: string;
  /** `in-service`, `draining`, `blacklisted`, `silent`. */
  readonly state: string;
  /** Its part of the Maglev table. */
  readonly slots: number;
  readonly packets: number;
  readonly bytes: number;
  /** Flows that began at it or moved to it. */
  readonly flows: number;
}

/** A service as frames meet it. */
export interface VipSnapshot {
  /** `192.0.2.80:80 tcp` */
  readonly vip: string;
  readonly servers: number;
  /** Of them, those that take new flows. */
  readonly inService: number;
  /** Of its Maglev table. */
  readonly slots: number;
  readonly packets: number;
  readonly bytes: number;
  /** Flows that began or moved. */
  readonly flows: number;
}

/** A service with its servers. */
export interface ServiceSnapshot extends VipSnapshot {
  /** Those of `dsr_vip` have no row. */
  readonly reals: readonly (Omit<RealSnapshot, 'server'> & { readonly server: number | undefined })[];
}

/** All that `penctl dsr` shows. */
export interface FrameSnapshot {
  readonly interfaceName: string;
  readonly mode: string;
  readonly mac: string;
  readonly role: DsrRole;
  /** Remembered right now, of those that there is room for. */
  readonly flows: number;
  readonly flowsMax: number;
  readonly services: readonly ServiceSnapshot[];
  /** The two servers outside the tables, those that there are. */
  readonly spares: readonly RealSnapshot[];
  /** Frames by what became of them, a number for each reason. */
  readonly outcomes: Readonly<Record<'pass' | 'tx' | 'drop', Readonly<Record<string, number>>>>;
  /** Lines about the way that frames take through this host. */
  readonly path: readonly string[];
}

/** A data plane of frames, looked into. */
export interface FrameView {
  /** Tables and counters as they are now; takes a while where there are very many, and gives way to others meanwhile. */
  look(): Promise<FrameSnapshot>;
  /** The same for people, a line each. */
  describe(): Promise<string>;
  /** The servers of the table, and the two outside it. */
  reals(): RealSnapshot[];
  /** LISTEN, and each `dsr_vip`. */
  vips(): VipSnapshot[];
  /** Makes this balancer the one that answers for the VIPs, which it tells the link, or one that does not. Throws a Refusal. */
  take(role: 'master' | 'standby'): void;
  /** Ends what outlives the process. A line about what could not be removed, undefined if nothing is left. */
  detach(): string | undefined;
  /** Which server such a packet would reach, and why: a line. */
  explain(source: IpEndpoint, destination: IpEndpoint, protocol: 'tcp' | 'udp'): string;
}

/** One worker thread, for metrics. */
export interface WorkerSnapshot {
  readonly place: number;
  /** The kernel's number of the thread, 0 where it has none that we know. */
  readonly thread: number;
}

export interface DataPlane {
  /** `xdp`: frames are sent on by the kernel (direct server return), there are no connections. */
  readonly engine: EngineName | 'xdp';
  /** Why that engine, for the log. */
  readonly engineReason: string;
  /** Worker threads. */
  readonly threads: number;
  readonly servers: ServerState;
  readonly clients: ClientTable;
  /** By the numbers of TRANSPARENCY. */
  readonly transparency: Counters;
  /** What the workers want logged, a ring each. */
  readonly logRings: readonly LogRingMemory[];
  /** Publishes a configuration: connections accepted after this call obey it. Throws a Refusal, changing nothing. */
  configure(configuration: Configuration): void;
  /**
   * Listens there and, once that works, no longer where it did. Rejects with a SystemError, changing nothing. `next` is
   * the configuration that will be given to `configure` right after.
   */
  listen(endpoint: Endpoint, next: Configuration): Promise<void>;
  readonly listening: Endpoint | undefined;
  /** Leaves the workers these Linux capabilities and no others; to be called after the process became another user. */
  reduceCapabilities(keep: readonly number[]): Promise<void>;
  /** Idle connections to servers that are held right now. */
  idlers(): number;
  connectionsInUse(): number;
  /** Datagrams (frames, for direct server return) that were not passed on, by reason; empty for TCP. */
  drops(): ReadonlyArray<readonly [string, number]>;
  workers(): readonly WorkerSnapshot[];
  /** Those in use, in the order of their numbers, `limit` at most, of those whose row `wants` to be seen. */
  activeConnections(limit: number, wants?: (connection: ConnectionSnapshot) => boolean): ConnectionSnapshot[];
  /** Handshakes since the start. */
  tlsCounts(): TlsCounts;
  /** undefined if N is out of range. */
  connection(index: number): ConnectionSnapshot | undefined;
  /** The connection that a socket belongs to, -1 if none. */
  connectionOfSocket(socket: number): number;
  /** False if N is out of range. */
  closeConnection(index: number): boolean;
  /** Only where frames are sent on (direct server return). */
  readonly frames?: FrameView;
  /** Where tables are not shared memory: brings them up to date, both ways. Called before and after each command. */
  refresh?(): void;
  /** Stops accepting, closes every connection, ends the workers. */
  stop(): Promise<void>;
}
