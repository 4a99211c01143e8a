/** Takes statistics from a running data plane: the one place that turns its tables into what is shown. */
import { formatEndpoint, formatIp } from '../core/address.js';
import type { ClientRecord, ClientTable } from '../core/client-table.js';
import { ABUSE_SLOT, EMERGENCY_SLOT, type ServerSpec, type Settings } from '../core/configuration.js';
import { STATE } from '../proxy/connection-table.js';
import type { ConnectionSnapshot, DataPlane, RealSnapshot } from '../proxy/data-plane.js';
import { TRANSPARENCY } from '../proxy/transparency.js';
import { errnoName } from '../sys/errno.js';
import { hostOf } from './commands/servers.js';
import { type Setup, takesTraffic } from './draft.js';
import {
  type ClientStatistics,
  type ConnectionStatistics,
  type DirectStatistics,
  MAX_ROWS,
  type ServerCondition,
  type ServerStatistics,
  type Statistics,
  type Summary,
  type TransparencyStatistics,
} from './statistics.js';

export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
  /** When the balancer started, monotonic. */
  readonly startedMs: number;
  readonly version: string;
}

/** Clients looked at between two turns of the event loop: about 2 ms. */
const SEARCH_BATCH = 2048;

const stateNames = new Map<number, string>(Object.entries(STATE).map(([name, value]) => [value, name]));

export function takeStatistics(setup: Setup, plane: DataPlane, moment: Moment): Statistics {
  return {
    summary: takeSummary(setup, plane, moment),
    servers: takeServers(setup, plane, moment.monotonicMs),
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
  };
}

function transparencyOf({ transparency }: DataPlane): TransparencyStatistics {
  const counts = Object.entries(TRANSPARENCY).map(([name, index]) => [name, transparency.read(index)]);
  return Object.fromEntries(counts) as TransparencyStatistics;
}

/** In the order in which the balancer asks. */
export function algorithmOf({ prio, weight, hash }: Settings): string {
  return prio ? 'prio' : weight ? 'weight' : hash ? 'hash' : 'roundrobin';
}

/** The table, then the emergency and the abuse server where there are any. */
export function takeServers(setup: Setup, plane: DataPlane, monotonicMs: number): ServerStatistics[] {
  const { servers, emergency, abuse } = setup.configuration;
  const reals = plane.frames && new Map(plane.frames.reals().map((real) => [real.server, real] as const));
  const spares = [
    ['emergency', emergency, EMERGENCY_SLOT],
    ['abuse', abuse, ABUSE_SLOT],
  ] as const;
  return [
    ...servers.map((spec, slot) => takeServer(slot, spec, slot, plane, reals, monotonicMs)),
    ...spares.flatMap(([name, spec, slot]) => (spec ? [takeServer(name, spec, slot, plane, reals, monotonicMs)] : [])),
  ];
}

function takeServer(
  server: ServerStatistics['server'],
  spec: ServerSpec,
  slot: number,
  { servers: state }: DataPlane,
  reals: ReadonlyMap<ServerStatistics['server'], RealSnapshot> | undefined,
  monotonicMs: number,
): ServerStatistics {
  const { endpoint, max, hard, weight, prio, acl } = spec;
  const { meters } = state;
  const blacklistedSec = Math.max(0, Math.ceil((state.blacklistedUntil(slot) - monotonicMs) / 1000));
  const connections = state.connections(slot);
  const last = meters.lastFailure(slot);
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
    failures: meters.failures(slot),
    endings: meters.endings(slot),
    connectTimes: meters.connectTimes(slot),
    sessionTimes: meters.sessionTimes(slot),
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

/** Clients whose address contains `text`, most recent first; looks at all of them, letting others work in between. */
export async function findClients(table: ClientTable, monotonicMs: number, text: string): Promise<ClientStatistics[]> {
  const found: ClientRecord[] = [];
  for (let start = 0; start < table.size() && found.length < MAX_ROWS; start += SEARCH_BATCH) {
    for (const record of table.slice(start, SEARCH_BATCH)) {
      if (formatIp(record.address).includes(text)) found.push(record);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  found.sort((a, b) => b.lastSeenMs - a.lastSeenMs);
  return found.slice(0, MAX_ROWS).map((record) => clientOf(record, monotonicMs));
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

function clientOf(record: ClientRecord, monotonicMs: number): ClientStatistics {
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
