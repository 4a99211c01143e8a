/** What USR1, `status` and the -w file show: a snapshot of plain values, as a page or as lines for the log. */
import type { TransparencyCount } from '../proxy/transparency.js';

export interface ServerStatistics {
  readonly slot: number;
  readonly address: string;
  readonly port: number;
  /** Seconds for which it is left alone, 0 = it takes connections. */
  readonly blacklistedSec: number;
  readonly connections: number;
  readonly max: number;
  readonly hard: number;
  readonly weight: number;
  readonly prio: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export interface ClientStatistics {
  readonly slot: number;
  readonly address: string;
  readonly ageSec: number;
  readonly server: number;
  readonly connects: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export interface ConnectionStatistics {
  readonly index: number;
  readonly clientSocket: number;
  readonly serverSocket: number;
  readonly client: number;
  readonly server: number;
}

/** How often it happened to a connection that should have come from its client's address. */
export type TransparencyStatistics = Readonly<Record<TransparencyCount, number>>;

export interface Statistics {
  readonly timeMs: number;
  readonly listen: string;
  readonly engine: string;
  readonly servers: readonly ServerStatistics[];
  readonly clientsMax: number;
  /** Most recent first, not more than a page can show. */
  readonly clients: readonly ClientStatistics[];
  readonly connectionsMax: number;
  readonly connectionsInUse: number;
  readonly connections: readonly ConnectionStatistics[];
  /** undefined where connections come from this host's own address. */
  readonly transparency: TransparencyStatistics | undefined;
  /** Datagrams that were not passed on; empty for TCP. */
  readonly drops: ReadonlyArray<readonly [string, number]>;
}

/** Rows of one kind on a page: enough for people, and a bound for a table of a million. */
export const MAX_ROWS = 1000;

export function statisticsPage(statistics: Statistics): string {
  const { servers, clients, connections, connectionsInUse, connectionsMax, clientsMax } = statistics;
  return `<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><title>Pen status page</title></head>
<body>
<h1>Pen status page</h1>
<p>${escapeHtml(summary(statistics))}</p>
<h2>Servers</h2>
${table(servers, serverColumns)}
<h2>Clients</h2>
<p>at most ${clientsMax}</p>
${table(clients, clientColumns)}
<h2>Connections</h2>
<p>${connectionsInUse} of at most ${connectionsMax}</p>
${table(connections, connectionColumns)}${transparencySection(statistics)}${dropsSection(statistics)}
</body>
</html>
`;
}

/** One line for each thing, for the log. */
export function statisticsLines(statistics: Statistics): string[] {
  return [
    summary(statistics),
    ...statistics.servers.map((row) => `server ${line(row, serverColumns)}`),
    ...statistics.clients.map((row) => `client ${line(row, clientColumns)}`),
    ...statistics.connections.map((row) => `connection ${line(row, connectionColumns)}`),
    ...transparencyRows(statistics).map((row) => `transparent: ${row}`),
    ...statistics.drops.map((row) => `dropped ${line(row, dropColumns)}`),
  ];
}

type Columns<T> = ReadonlyArray<readonly [string, (row: T) => string | number]>;

const serverColumns: Columns<ServerStatistics> = [
  ['server', (row) => row.slot],
  ['address', (row) => row.address],
  ['port', (row) => row.port],
  ['status', (row) => (row.blacklistedSec > 0 ? `blacklisted for ${row.blacklistedSec} s` : 'ok')],
  ['connections', (row) => row.connections],
  ['max', (row) => row.max],
  ['hard', (row) => row.hard],
  ['weight', (row) => row.weight],
  ['prio', (row) => row.prio],
  ['sent', (row) => row.bytesSent],
  ['received', (row) => row.bytesReceived],
];

const clientColumns: Columns<ClientStatistics> = [
  ['client', (row) => row.slot],
  ['address', (row) => row.address],
  ['age (s)', (row) => row.ageSec],
  ['server', (row) => row.server],
  ['connects', (row) => row.connects],
  ['sent', (row) => row.bytesSent],
  ['received', (row) => row.bytesReceived],
];

const connectionColumns: Columns<ConnectionStatistics> = [
  ['connection', (row) => row.index],
  ['client socket', (row) => row.clientSocket],
  ['server socket', (row) => row.serverSocket],
  ['client', (row) => row.client],
  ['server', (row) => row.server],
];

const transparencyTitles: Record<TransparencyCount, string> = {
  own: "from this host's own address",
  refused: 'refused',
  otherPort: 'from another port than the client',
  noPort: 'without a port left',
  unanswered: 'unanswered',
};

function transparencyRows({ transparency }: Statistics): string[] {
  if (transparency === undefined) return [];
  const titles = Object.entries(transparencyTitles);
  return titles.map(([name, title]) => `${title} ${transparency[name as TransparencyCount]}`);
}

function transparencySection(statistics: Statistics): string {
  const rows = transparencyRows(statistics);
  return rows.length === 0 ? '' : `\n<h2>Transparent connections</h2>\n<p>${escapeHtml(rows.join(', '))}</p>`;
}

const dropColumns: Columns<readonly [string, number]> = [
  ['reason', ([reason]) => reason],
  ['datagrams', ([, count]) => count],
];

function dropsSection({ drops }: Statistics): string {
  return drops.length === 0 ? '' : `\n<h2>Datagrams dropped</h2>\n${table(drops, dropColumns)}`;
}

function summary({ timeMs, listen, engine, servers, connectionsInUse }: Statistics): string {
  const time = new Date(timeMs).toISOString();
  return `${time} listening on ${listen}, engine ${engine}, ${servers.length} servers, ${connectionsInUse} connections`;
}

function table<T>(rows: readonly T[], columns: Columns<T>): string {
  const head = columns.map(([title]) => `<th>${escapeHtml(title)}</th>`).join('');
  const body = rows.map((row) => `<tr>${columns.map(([, cell]) => `<td>${escapeHtml(cell(row))}</td>`).join('')}</tr>`);
  return `<table border="1">\n<tr>${head}</tr>\n${body.map((row) => `${row}\n`).join('')}</table>`;
}

/** The first column's value, then `title value` for the others. */
function line<T>(row: T, [first, ...others]: Columns<T>): string {
  return [`${first?.[1](row)}:`, ...others.map(([title, cell]) => `${title} ${cell(row)}`)].join(' ');
}

function escapeHtml(value: string | number): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return String(value).replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
