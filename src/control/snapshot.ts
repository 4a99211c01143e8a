/** Takes the Statistics from a running data plane. */
import { formatEndpoint, formatIp } from '../core/address.js';
import type { ConnectionSnapshot, DataPlane } from '../proxy/data-plane.js';
import { TRANSPARENCY } from '../proxy/transparency.js';
import { hostOf } from './commands/servers.js';
import type { Setup } from './draft.js';
import { MAX_ROWS, type Statistics, type TransparencyStatistics } from './statistics.js';

export interface Clocks {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function takeStatistics(setup: Setup, dataPlane: DataPlane, { monotonicMs, wallMs }: Clocks): Statistics {
  const { servers: state, clients } = dataPlane;
  const { settings, servers } = setup.configuration;
  return {
    timeMs: wallMs,
    listen: dataPlane.listening ? formatEndpoint(dataPlane.listening) : 'nothing',
    engine: dataPlane.engine,
    servers: servers.map(({ endpoint, max, hard, weight, prio }, slot) => ({
      slot,
      address: hostOf(endpoint),
      port: endpoint?.kind === 'ip' ? endpoint.port : 0,
      blacklistedSec: Math.max(0, Math.ceil((state.blacklistedUntil(slot) - monotonicMs) / 1000)),
      connections: state.connections(slot),
      max,
      hard,
      weight,
      prio,
      bytesSent: state.sent(slot),
      bytesReceived: state.received(slot),
    })),
    clientsMax: settings.clientsMax,
    clients: clients
      .recent(0)
      .slice(0, MAX_ROWS)
      .map(({ slot, address, connects, sent, received, server, lastSeenMs }) => ({
        slot,
        address: formatIp(address),
        ageSec: Math.max(0, Math.floor((monotonicMs - lastSeenMs) / 1000)),
        server,
        connects,
        bytesSent: sent,
        bytesReceived: received,
      })),
    connectionsMax: settings.connectionsMax,
    connectionsInUse: dataPlane.connectionsInUse(),
    connections: connectionsOf(dataPlane),
    transparency: settings.transparent === 'off' ? undefined : transparencyOf(dataPlane),
    drops: dataPlane.drops(),
  };
}

function transparencyOf({ transparency }: DataPlane): TransparencyStatistics {
  const counts = Object.entries(TRANSPARENCY).map(([name, index]) => [name, transparency.read(index)]);
  return Object.fromEntries(counts) as TransparencyStatistics;
}

/** The connections in use, as many as a page shows; the search ends when all of them have been found. */
function connectionsOf(dataPlane: DataPlane): ConnectionSnapshot[] {
  const wanted = Math.min(dataPlane.connectionsInUse(), MAX_ROWS);
  const found: ConnectionSnapshot[] = [];
  for (let index = 0; found.length < wanted; index += 1) {
    const connection = dataPlane.connection(index);
    if (!connection) break;
    if (connection.state !== 0) found.push(connection);
  }
  return found;
}
