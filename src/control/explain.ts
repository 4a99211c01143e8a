/**
 * Why: which server a client would get and what decides it, and how each server stands to it. It looks at what the
 * balancer looks at, in the same order (core/balancer.ts), but takes nothing: no place, no turn.
 */
import { Acl } from '../core/acl.js';
import { formatIp, type IpWords } from '../core/address.js';
import { NONE } from '../core/configuration.js';
import { Hash } from '../core/selection/hash.js';
import { ServerTable } from '../core/server-table.js';
import type { DataPlane } from '../proxy/data-plane.js';
import type { Setup } from './draft.js';
import { collected } from './piecemeal.js';
import { algorithmOf, takeBriefs } from './snapshot.js';
import { endpointText, type ServerBrief, stateText } from './statistics.js';

export interface ServerVerdict {
  readonly server: ServerBrief['server'];
  readonly address: string;
  readonly takes: boolean;
  /** Why not; '' if it takes connections. */
  readonly why: string;
}

export interface Explanation {
  /** The client's address; undefined: any client. */
  readonly client: string | undefined;
  readonly algorithm: string;
  readonly tracking: boolean;
  /** Whether client_acl lets it in. */
  readonly admitted: boolean;
  /** The server that it is remembered to have used. */
  readonly tracked: number | undefined;
  readonly servers: readonly ServerVerdict[];
  /** The rows that a new connection may go to now; more than one where they take turns. */
  readonly candidates: ReadonlyArray<ServerBrief['server']>;
  /** What decides among them. */
  readonly decision: string;
}

/** `published`: the configuration as the data plane has it. */
export async function explain(
  setup: Setup,
  plane: DataPlane,
  nowMs: number,
  client: IpWords | undefined,
): Promise<Explanation> {
  const { configuration } = setup;
  const { settings, acls } = configuration;
  const table = new ServerTable(plane.servers);
  table.configure(configuration);
  const rows = await collected(takeBriefs(setup, plane, nowMs));
  const permits = (acl: number) => client === undefined || new Acl(acls[acl] ?? []).permits(client);
  const verdicts = rows.map((row) => verdictOn(row, permits(row.acl), settings.pendingMax));
  const admitted = permits(settings.clientAcl);
  const tracked = settings.roundRobin || client === undefined ? undefined : trackedServer(plane, client, table);
  const common = {
    client: client && formatIp(client),
    algorithm: algorithmOf(settings),
    tracking: !settings.roundRobin,
    admitted,
    tracked,
    servers: verdicts,
  };
  const taking = (name: ServerBrief['server']) => verdicts.some((one) => one.server === name && one.takes);
  if (!admitted) {
    const candidates = taking('abuse') ? (['abuse'] as const) : [];
    return { ...common, candidates, decision: `client_acl ${settings.clientAcl} denies the client` };
  }
  if (tracked !== undefined) {
    // A returning client may use the places between max and hard.
    if (table.isAvailable(tracked, true, nowMs) && permits(rows[tracked]?.acl ?? 0)) {
      return { ...common, candidates: [tracked], decision: 'the client is tracked: it goes where it went before' };
    }
    if (settings.stubborn) return { ...common, candidates: [], decision: 'the tracked server takes it not: stubborn' };
  }
  const able = rows.filter((row) => typeof row.server === 'number' && taking(row.server));
  if (able.length === 0) {
    if (settings.stubborn || !taking('emergency')) return { ...common, candidates: [], decision: 'no server takes it' };
    return { ...common, candidates: ['emergency'], decision: 'no server of the table takes it: the emergency server' };
  }
  return { ...common, ...chooseAmong(able, table, client, nowMs) };
}

function chooseAmong(
  able: readonly ServerBrief[],
  table: ServerTable,
  client: IpWords | undefined,
  nowMs: number,
): Pick<Explanation, 'candidates' | 'decision'> {
  const { settings } = table;
  const numbers = (rows: readonly ServerBrief[]) => rows.map((row) => row.server);
  if (settings.prio) {
    const lowest = Math.min(...able.map((row) => row.prio));
    return { candidates: numbers(able.filter((row) => row.prio === lowest)), decision: `prio ${lowest} is the lowest` };
  }
  if (settings.weight) {
    const weighed = able.filter((row) => row.weight > 0);
    const least = Math.min(...weighed.map((row) => row.connections / row.weight));
    const candidates = numbers(weighed.filter((row) => row.connections / row.weight === least));
    return { candidates, decision: 'the fewest connections for its weight' };
  }
  if (!settings.hash) return { candidates: numbers(able), decision: 'round robin: they take turns' };
  if (client === undefined) return { candidates: numbers(able), decision: 'the hash of its address decides' };
  if (settings.roundRobin) return { candidates: numbers(able), decision: 'the hash of its address and port decides' };
  const hash = new Hash();
  hash.configure(table);
  const slot = hash.select(table, client, 0, false, nowMs);
  return { candidates: slot === NONE ? [] : [slot], decision: 'the hash of its address' };
}

function verdictOn(row: ServerBrief, permitted: boolean, pendingMax: number): ServerVerdict {
  const { lastFailure } = row;
  const since = lastFailure ? ` (${lastFailure.error}, ${lastFailure.agoSec} s ago)` : '';
  const why = () => {
    if (row.state === 'blacklisted') return `${stateText(row)}${since}`;
    if (row.state === 'full') return `full: ${row.connections} connections, max ${row.max}`;
    if (row.state !== 'up') return row.state;
    if (!permitted) return `acl ${row.acl} denies the client`;
    if (pendingMax > 0 && row.pending >= pendingMax) return `busy connecting: ${row.pending} at once`;
    return '';
  };
  const reason = why();
  return { server: row.server, address: endpointText(row), takes: reason === '', why: reason };
}

/** The row remembered for the client, undefined if there is none or it holds no server any more. */
function trackedServer({ clients }: DataPlane, client: IpWords, table: ServerTable): number | undefined {
  const slot = clients.find(client);
  const server = slot === NONE ? NONE : clients.server(slot);
  return server >= 0 && server < table.length && table.holds(server) ? server : undefined;
}

/** For a terminal; ends with a newline. */
export function explanationText(explanation: Explanation): string {
  const { client, algorithm, tracking, admitted, servers, candidates, decision } = explanation;
  const width = Math.max(0, ...servers.map((one) => one.address.length));
  const answer = candidates.length === 0 ? 'nobody' : `server ${candidates.join(', ')}`;
  return [
    `client ${client ?? 'any'}: ${admitted ? 'admitted' : 'denied'}`,
    `algorithm ${algorithm}${tracking ? ' with client tracking' : ''}`,
    ...servers
      .filter((one) => one.address !== '')
      .map((one) => `server ${one.server} ${one.address.padEnd(width)} ${one.takes ? 'takes it' : one.why}`),
    `answer: ${answer} (${decision})`,
    '',
  ].join('\n');
}
