/**
 * What the operator has asked for, as plain immutable values. The control plane makes a new Configuration
 * for each change and hands it whole to the data plane; nobody edits one that has been published.
 * What the balancer has learnt (counters, blacklists, tracked clients) is state and lives in shared tables.
 */
import type { AclEntry } from './acl.js';
import type { Endpoint, IpEndpoint } from './address.js';
import type { TicketKeys, TlsPlan } from './tls-plan.js';
import type { VipSpec } from './vip.js';

/** Upper bounds. Tables reserve address space for them (memory is committed by the kernel when touched). */
export const MAX_SERVERS = 65_536;
export const MAX_CLIENTS = 1_048_576;
export const MAX_CONNECTIONS = 1_048_576;
export const MAX_ACLS = 10;
export const MAX_THREADS = 256;

/** Slots of the two servers that stand outside the table; they index the shared state like any other slot. */
export const EMERGENCY_SLOT = MAX_SERVERS;
export const ABUSE_SLOT = MAX_SERVERS + 1;

/** "No slot": no server, no client. */
export const NONE = -1;

/** "No slot yet": only connects in progress (`pending_max`) are in the way, so it is worth waiting. */
export const LATER = -2;

/** How packets go with direct server return. */
export const DSR_MODES = ['auto', 'xdp', 'generic', 'packet', 'netmap'] as const;
export type DsrMode = (typeof DSR_MODES)[number];

/** What a server is shown of the client: nothing, its address, or its address and port. */
export type Transparent = 'off' | 'address' | 'port';
export type ProxyVersion = 'off' | 'v1' | 'v2';

/**
 * Who answers for the VIPs of direct server return, asked by ARP and neighbour discovery: this balancer, nobody here
 * (another balancer does), or this host's kernel, for those that it has been given (keepalived).
 */
export type DsrRole = 'master' | 'standby' | 'auto';

export type FastClose = 'off' | 'up' | 'down' | 'both';

/** How a line of the log looks. */
export const LOG_FORMATS = ['pen', 'json', 'clf'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Where lines go, as written and as understood. */
export interface LogTarget {
  readonly text: string;
  /** Datagrams to this address; undefined: the text names a file. */
  readonly endpoint: IpEndpoint | undefined;
}

/** How packets get to a server of direct return: as frames on its link, or in a tunnel (IPIP, or GUE over UDP). */
export type Encap = 'none' | 'ipip' | 'gue';

/** One row of the server table as configured. `port` 0 or no endpoint: the slot is empty and takes nothing. */
export interface ServerSpec {
  readonly endpoint: Endpoint | undefined;
  /** Soft limit on simultaneous connections, 0 = none. */
  readonly max: number;
  /** Limit for returning clients, 0 = none beyond `max`. */
  readonly hard: number;
  readonly weight: number;
  readonly prio: number;
  /** Index of the ACL that says which clients it serves; an empty list admits all. */
  readonly acl: number;
  /** Connections to it begin with a PROXY header. */
  readonly proxy: ProxyVersion;
  /** With `peek`, clients that ask for one of these names are its: lower case, `*.domain` covers what ends so; none = all others. */
  readonly names: readonly string[];
  /** `verify`: its certificate must be one that we trust, and its own. */
  readonly tls: ServerTls;
  /** The name it is asked for and its certificate must be for; '' = its address. */
  readonly sni: string;
  readonly encap: Encap;
}

export type ServerTls = 'off' | 'on' | 'verify';

export interface Settings {
  readonly abortOnError: boolean;
  readonly acceptBatch: number;
  readonly blacklistSec: number;
  readonly clientAcl: number;
  readonly clientsMax: number;
  readonly connectTimeoutSec: number;
  readonly connectionsMax: number;
  readonly controlAcl: number;
  readonly debug: number;
  readonly dsrRole: DsrRole;
  readonly dummy: boolean;
  readonly fastClose: FastClose;
  readonly hash: boolean;
  /** Seconds that the head of a request, a PROXY header or the bytes of `peek` may take, 0 = any time. */
  readonly headTimeoutSec: number;
  /** Requests say who their client is. */
  readonly http: boolean;
  /** ... in a Forwarded field too. */
  readonly httpForwarded: boolean;
  /** ACL of the clients that are believed what they say of theirs, NONE = nobody. */
  readonly httpTrust: number;
  /** Seconds without a byte in either direction after which a connection is closed, 0 = never. */
  readonly idleTimeoutSec: number;
  /** Connections to servers that are kept open ahead of demand. */
  readonly idlers: number;
  readonly keepalive: boolean;
  readonly listenBacklog: number;
  /** Where requests and connections are logged, undefined = nowhere. */
  readonly log: LogTarget | undefined;
  readonly logFormat: LogFormat;
  /** Connects in progress to one server beyond which it takes no new client. */
  readonly pendingMax: number;
  /** The first bytes of a client choose among the names of the servers. */
  readonly peek: boolean;
  readonly prio: boolean;
  /** ACL of the clients that begin with a PROXY header, NONE = nobody. */
  readonly proxyAcl: number;
  readonly roundRobin: boolean;
  /** Local address for connections to servers, undefined = the kernel's choice. */
  readonly source: Endpoint | undefined;
  readonly stubborn: boolean;
  readonly tarpitAcl: number;
  readonly tcpNodelay: boolean;
  /** Worker threads, 0 = one for each core. Chosen at the start. */
  readonly threads: number;
  /** Seconds a client is remembered, 0 = until its slot is needed. */
  readonly trackingSec: number;
  /** Connections to servers come from the address of the client. */
  readonly transparent: Transparent;
  /** The listener takes clients that are on their way to other hosts. */
  readonly transparentListen: boolean;
  /** A client whose address cannot be shown to the server is refused. */
  readonly transparentStrict: boolean;
  /** Balance UDP instead of TCP. Chosen at the start. */
  readonly udp: boolean;
  /** Seconds within which some answer of a server is expected, else it has failed; 0 = none is. */
  readonly udpExpectSec: number;
  /** Answers to a datagram after which its session is over, 0 = any number. */
  readonly udpResponses: number;
  /** Seconds without a datagram after which a session is over. */
  readonly udpTimeoutSec: number;
  readonly weight: boolean;
}

export interface Configuration {
  readonly settings: Settings;
  /** Index = slot. */
  readonly servers: readonly ServerSpec[];
  readonly emergency: ServerSpec | undefined;
  readonly abuse: ServerSpec | undefined;
  /** Of direct server return, besides the listening address. No two have the same name. */
  readonly vips: readonly VipSpec[];
  /** Index = ACL number; always MAX_ACLS long. */
  readonly acls: readonly (readonly AclEntry[])[];
  /** undefined: no TLS, neither for clients nor for servers. */
  readonly tls: TlsPlan | undefined;
  readonly tickets: TicketKeys;
}

export const defaultSettings: Settings = {
  abortOnError: false,
  acceptBatch: 100,
  blacklistSec: 30,
  clientAcl: 0,
  clientsMax: 2048,
  connectTimeoutSec: 3,
  connectionsMax: 500,
  controlAcl: 0,
  debug: 0,
  dsrRole: 'master',
  dummy: false,
  fastClose: 'off',
  hash: false,
  headTimeoutSec: 10,
  http: false,
  httpForwarded: false,
  httpTrust: NONE,
  idleTimeoutSec: 0,
  idlers: 0,
  keepalive: false,
  listenBacklog: 511,
  log: undefined,
  logFormat: 'pen',
  pendingMax: 100,
  peek: false,
  prio: false,
  proxyAcl: NONE,
  roundRobin: false,
  source: undefined,
  stubborn: false,
  tarpitAcl: NONE,
  tcpNodelay: false,
  threads: 0,
  trackingSec: 0,
  transparent: 'off',
  transparentListen: false,
  transparentStrict: false,
  udp: false,
  udpExpectSec: 0,
  udpResponses: 0,
  udpTimeoutSec: 30,
  weight: false,
};

export const emptySlot: ServerSpec = {
  endpoint: undefined,
  max: 0,
  hard: 0,
  weight: 0,
  prio: 0,
  acl: 0,
  proxy: 'off',
  names: [],
  tls: 'off',
  sni: '',
  encap: 'none',
};

export const emptyConfiguration: Configuration = {
  settings: defaultSettings,
  servers: [],
  emergency: undefined,
  abuse: undefined,
  vips: [],
  acls: Array.from({ length: MAX_ACLS }, () => []),
  tls: undefined,
  tickets: [],
};

/** Whether connections or the listener may have addresses that are not this host's, which takes a privilege. */
export function isTransparent({ transparent, transparentListen }: Settings): boolean {
  return transparent !== 'off' || transparentListen;
}

/** The first setting that concerns the bytes of a TCP connection, as its command says it; undefined if there is none. */
export function byteSetting({ settings, servers }: Configuration): string | undefined {
  if (settings.http) return 'http';
  if (settings.peek) return 'peek';
  if (settings.proxyAcl !== NONE) return 'proxy_acl';
  return servers.some(({ proxy }) => proxy !== 'off') ? 'server N proxy' : undefined;
}
