/** Takes statistics from a running data plane: the one place that turns its tables into what is shown. */
import { formatEndpoint, formatIp } from '../core/address.js';
import type { ClientRecord, ClientTable } from '../core/client-table.js';
import { ABUSE_SLOT, EMERGENCY_SLOT, type ServerSpec, type Settings } from '../core/configuration.js';
import { COUNTS_EACH, type Meters } from '../core/meters.js';
import { STATE } from '../proxy/connection-table.js';
import type { ConnectionSnapshot, DataPlane, RealSnapshot } from '../proxy/data-plane.js';
import { TRANSPARENCY } from '../proxy/transparency.js';
import { errnoName } from '../sys/errno.js';
import type { TlsCounts } from '../tls/counts.js';
import type { CertificateReport } from '../tls/credential.js';
import { hostOf } from './commands/servers.js';
import { type Setup, takesTraffic } from './draft.js';
import { collected } from './piecemeal.js';
import {
  type ClientStatistics,
  type ConnectionStatistics,
  type CountedServer,
  type DirectStatistics,
  MAX_ROWS,
  type ServerBrief,
  type ServerCondition,
  type ServerStatistics,
  type Statistics,
  type Summary,
  type TlsStatistics,
  type TransparencyStatistics,
} from './statistics.js';

export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
  /** When the balancer started, monotonic. */
  readonly startedMs: number;
  readonly version: string;
  readonly certificates: readonly CertificateReport[];
  readonly logLost: number;
}

type Reals = ReadonlyMap<ServerBrief['server'], RealSnapshot>;

const stateNames = new Map<number, string>(Object.entries(STATE).map(([name, value]) => [value, name]));

export async function takeStatistics(setup: Setup, plane: DataPlane, moment: Moment): Promise<Statistics> {
  return {
    servers: await collected(takeServers(setup, plane, moment.monotonicMs)),
    summary: takeSummary(setup, plane, moment),
    clients: takeClients(plane.clients, moment.monotonicMs),
    connections: takeConnections(plane, moment.monotonicMs),
  };
}

export function takeSummary(setup: Setup, plane: DataPlane, moment: Moment): Summary {
  const { settings } = setup.configuration;
  const { meters } = plane.servers;
  return {
    timeMs: moment.wallMs,
    uptimeSec: Math.max(0, Math.floor((moment.monotonicMs - moment.startedMs) / 1000)),
    version: moment.version,
    listen: plane.listening ? formatEndpoint(plane.listening) : 'nothing',
    protocol: settings.udp ? 'udp' : 'tcp',
    engine: plane.engine,
    threads: plane.threads,
    algorithm: algorithmOf(settings),
    tracking: !settings.roundRobin,
    stubborn: settings.stubborn,
    connections: plane.connectionsInUse(),
    connectionsMax: settings.connectionsMax,
    idlers: plane.idlers(),
    clients: plane.clients.size(),
    clientsMax: settings.clientsMax,
    accepted: meters.acceptedCount(),
    acceptFailures: meters.acceptFailures(),
    refusals: meters.refusals(),
    transparency: settings.transparent === 'off' ? undefined : transparencyOf(plane),
    drops: Object.fromEntries(plane.drops()),
    vips: plane.frames?.vips() ?? [],
    tls: tlsOf(plane.tlsCounts(), moment.certificates),
    logLost: moment.logLost,
  };
}

function tlsOf(handshakes: TlsCounts, reports: readonly CertificateReport[]): TlsStatistics | undefined {
  if (reports.length === 0 && Object.values(handshakes).every((count) => count === 0)) return undefined;
  const certificates = reports.map(({ name, subject, keyType, expiresMs }) => {
    return { name: name || 'default', subject, keyType, expiresMs };
  });
  return { handshakes, certificates };
}

function transparencyOf({ transparency }: DataPlane): TransparencyStatistics {
  const counts = Object.entries(TRANSPARENCY).map(([name, index]) => [name, transparency.read(index)]);
  return Object.fromEntries(counts) as TransparencyStatistics;
}

/** In the order in which the balancer asks. */
export function algorithmOf({ prio, weight, hash }: Settings): string {
  return prio ? 'prio' : weight ? 'weight' : hash ? 'hash' : 'roundrobin';
}

/** A row at a time: the table, then the emergency and the abuse server where there are any. */
export function* takeServers(setup: Setup, plane: DataPlane, monotonicMs: number): Generator<ServerStatistics> {
  for (const [slot, brief] of briefs(setup, plane, monotonicMs)) yield withMeters(brief, plane.servers.meters, slot);
}

/** One row of the table; undefined if there is none. */
export function takeServer(setup: Setup, plane: DataPlane, slot: number, nowMs: number): ServerStatistics | undefined {
  const spec = setup.configuration.servers[slot];
  return spec && withMeters(takeBrief(slot, spec, slot, plane, realsOf(plane), nowMs), plane.servers.meters, slot);
}

function withMeters(brief: ServerBrief, meters: Meters, slot: number): ServerStatistics {
  return {
    ...brief,
    failures: meters.failures(slot),
    endings: meters.endings(slot),
    connectTimes: meters.connectTimes(slot),
    sessionTimes: meters.sessionTimes(slot),
  };
}

/** The same rows in short. */
export function* takeBriefs(setup: Setup, plane: DataPlane, monotonicMs: number): Generator<ServerBrief> {
  for (const [, brief] of briefs(setup, plane, monotonicMs)) yield brief;
}

/** The same rows with their meters as numbers; what a row holds is to be used before the next is asked for. */
export function* takeCounted(setup: Setup, plane: DataPlane, monotonicMs: number): Generator<CountedServer> {
  const counts = new Float64Array(COUNTS_EACH);
  for (const [slot, brief] of briefs(setup, plane, monotonicMs)) {
    plane.servers.meters.readCounts(slot, counts);
    yield { brief, counts };
  }
}

function* briefs(setup: Setup, plane: DataPlane, monotonicMs: number): Generator<readonly [number, ServerBrief]> {
  const { servers, emergency, abuse } = setup.configuration;
  const reals = realsOf(plane);
  for (let slot = 0; slot < servers.length; slot++) {
    yield [slot, takeBrief(slot, servers[slot] as ServerSpec, slot, plane, reals, monotonicMs)];
  }
  const spares = [
    ['emergency', emergency, EMERGENCY_SLOT],
    ['abuse', abuse, ABUSE_SLOT],
  ] as const;
  for (const [name, spec, slot] of spares) {
    if (spec) yield [slot, takeBrief(name, spec, slot, plane, reals, monotonicMs)];
  }
}

function realsOf({ frames }: DataPlane): Reals | undefined {
  return frames && new Map(frames.reals().map((real) => [real.server, real] as const));
}

function takeBrief(
  server: ServerBrief['server'],
  spec: ServerSpec,
  slot: number,
  { servers: state }: DataPlane,
  reals: Reals | undefined,
  monotonicMs: number,
): ServerBrief {
  const { endpoint, max, hard, weight, prio, acl } = spec;
  const blacklistedSec = Math.max(0, Math.ceil((state.blacklistedUntil(slot) - monotonicMs) / 1000));
  const connections = state.connections(slot);
  const last = state.meters.lastFailure(slot);
  const real = reals?.get(server);
  const condition = (): ServerCondition => {
    if (reals ? !real : !takesTraffic(spec)) return 'empty';
    if (real?.state === 'silent' || real?.state === 'draining') return real.state;
    if (state.isDraining(slot)) return 'draining';
    if (blacklistedSec > 0) return 'blacklisted';
    return max > 0 && connections >= max ? 'full' : 'up';
  };
  return {
    server,
    address: hostOf(endpoint),
    port: endpoint?.kind === 'ip' ? endpoint.port : 0,
    state: condition(),
    blacklistedSec,
    connections,
    pending: state.pending(slot),
    max,
    hard,
    weight,
    prio,
    acl,
    bytesSent: state.sent(slot),
    bytesReceived: state.received(slot),
    connects: state.connects(slot),
    direct: real && directOf(real),
    lastFailure: last && { error: errnoName(last.errno), agoSec: secondsSince(last.atMs, monotonicMs) },
  };
}

function directOf({ mac, slots, packets, bytes, flows }: RealSnapshot): DirectStatistics {
  return { mac, slots, packets, bytes, flows };
}

/** The clients seen last. */
export function takeClients(table: ClientTable, monotonicMs: number, limit = MAX_ROWS): ClientStatistics[] {
  return table.newest(limit).map((record) => clientOf(record, monotonicMs));
}

/** Connections in use, those whose client's address contains `text`. */
export function takeConnections(plane: DataPlane, monotonicMs: number, text = ''): ConnectionStatistics[] {
  const wants = text === '' ? undefined : (one: ConnectionSnapshot) => peerText(one).includes(text);
  return plane.activeConnections(MAX_ROWS, wants).map((one) => ({
    connection: one.index,
    state: stateNames.get(one.state) ?? String(one.state),
    peer: peerText(one),
    ageSec: one.sinceMs === 0 ? undefined : secondsSince(one.sinceMs, monotonicMs),
    client: one.client,
    server: one.server,
    clientSocket: one.clientSocket,
    serverSocket: one.serverSocket,
  }));
}

export function clientOf(record: ClientRecord, monotonicMs: number): ClientStatistics {
  const { slot, address, connects, sent, received, server, lastSeenMs } = record;
  return {
    client: slot,
    address: formatIp(address),
    agoSec: secondsSince(lastSeenMs, monotonicMs),
    server,
    connects,
    bytesSent: sent,
    bytesReceived: received,
  };
}

function peerText({ peer, peerPort, clientSocket }: ConnectionSnapshot): string {
  if (!peer) return clientSocket < 0 ? '' : 'unix';
  const host = formatIp(peer);
  return host.includes(':') ? `[${host}]:${peerPort}` : `${host}:${peerPort}`;
}

function secondsSince(thenMs: number, nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - thenMs) / 1000));
}
