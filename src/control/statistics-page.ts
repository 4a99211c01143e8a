/** The status page (`status`, -w) and the same as lines for the log (USR1). The page stands alone: a file for a browser. */
import type { TransparencyCount } from '../proxy/transparency.js';
import {
  type ClientStatistics,
  type ConnectionStatistics,
  endpointText,
  MAX_ROWS,
  type ServerStatistics,
  type Statistics,
  type Summary,
  stateText,
} from './statistics.js';

/** One column: its title, its text, and whether it is a number, which stands on the right. */
type Columns<T> = ReadonlyArray<readonly [title: string, cell: (row: T) => string | number]>;

const serverColumns: Columns<ServerStatistics> = [
  ['server', (row) => row.server],
  ['address', endpointText],
  ['state', stateText],
  ['connections', (row) => row.connections],
  ['max', (row) => row.max],
  ['hard', (row) => row.hard],
  ['weight', (row) => row.weight],
  ['prio', (row) => row.prio],
  ['connects', (row) => row.connects],
  ['failures', failures],
  ['sent', (row) => row.bytesSent],
  ['received', (row) => row.bytesReceived],
];

const clientColumns: Columns<ClientStatistics> = [
  ['client', (row) => row.client],
  ['address', (row) => row.address],
  ['age (s)', (row) => row.agoSec],
  ['server', (row) => row.server],
  ['connects', (row) => row.connects],
  ['sent', (row) => row.bytesSent],
  ['received', (row) => row.bytesReceived],
];

const connectionColumns: Columns<ConnectionStatistics> = [
  ['connection', (row) => row.connection],
  ['state', (row) => row.state],
  ['from', (row) => row.peer],
  ['age (s)', (row) => row.ageSec ?? ''],
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

const dropColumns: Columns<readonly [string, number]> = [
  ['reason', ([reason]) => reason],
  ['datagrams', ([, count]) => count],
];

const style = `
:root { color-scheme: light dark; --line: #8884; --quiet: #8888; --good: #1a7f4b; --bad: #c0362c; --warn: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --good: #4cc38a; --bad: #ff8378; --warn: #e2b340; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; font-size: .8rem; } .number { text-align: right; }
.up { color: var(--good); } .blacklisted { color: var(--bad); } .draining, .full { color: var(--warn); }
`;

export function statisticsPage(statistics: Statistics): string {
  const { summary, servers, clients, connections } = statistics;
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pen status page</title>
<style>${style}</style>
</head>
<body>
<h1>Pen status page</h1>
<p>${escapeHtml(summaryText(summary))}</p>
<h2>Servers</h2>
${table(servers, serverColumns, (row) => row.state)}
<h2>Clients</h2>
<p>${escapeHtml(shown(clients.length, summary.clients, summary.clientsMax))}</p>
${table(clients, clientColumns)}
<h2>Connections</h2>
<p>${escapeHtml(shown(connections.length, summary.connections, summary.connectionsMax))}</p>
${table(connections, connectionColumns)}${transparencySection(summary)}${dropsSection(summary)}
</body>
</html>
`;
}

/** One line for each thing, for the log. */
export function statisticsLines({ summary, servers, clients, connections }: Statistics): string[] {
  return [
    summaryText(summary),
    ...servers.map((row) => `server ${line(row, serverColumns)}`),
    ...clients.map((row) => `client ${line(row, clientColumns)}`),
    ...connections.map((row) => `connection ${line(row, connectionColumns)}`),
    ...transparencyRows(summary).map((row) => `transparent: ${row}`),
    ...Object.entries(summary.drops).map((row) => `dropped ${line(row, dropColumns)}`),
  ];
}

/** `1840 (12 refused, 3 timeout)`: connects that failed, and why. */
function failures({ failures: causes }: ServerStatistics): string | number {
  const some = Object.entries(causes).filter(([, count]) => count > 0);
  const sum = some.reduce((total, [, count]) => total + count, 0);
  return sum === 0 ? 0 : `${sum} (${some.map(([cause, count]) => `${count} ${cause}`).join(', ')})`;
}

function transparencyRows({ transparency }: Summary): string[] {
  if (transparency === undefined) return [];
  const titles = Object.entries(transparencyTitles);
  return titles.map(([name, title]) => `${title} ${transparency[name as TransparencyCount]}`);
}

function transparencySection(summary: Summary): string {
  const rows = transparencyRows(summary);
  return rows.length === 0 ? '' : `\n<h2>Transparent connections</h2>\n<p>${escapeHtml(rows.join(', '))}</p>`;
}

function dropsSection({ drops }: Summary): string {
  const rows = Object.entries(drops);
  return rows.length === 0 ? '' : `\n<h2>Datagrams dropped</h2>\n${table(rows, dropColumns)}`;
}

function summaryText({ timeMs, listen, engine, algorithm, tracking, connections, accepted }: Summary): string {
  const time = new Date(timeMs).toISOString();
  const choice = `${algorithm}${tracking ? ' with client tracking' : ''}`;
  return `${time} listening on ${listen}, engine ${engine}, ${choice}, ${connections} connections, ${accepted} accepted`;
}

function shown(rows: number, all: number, max: number): string {
  return `${all} of at most ${max}${rows === MAX_ROWS && all > rows ? `, of which the first ${rows} are shown` : ''}`;
}

function table<T>(rows: readonly T[], columns: Columns<T>, className?: (row: T) => string): string {
  const isNumber = columns.map(([, cell]) => rows.length > 0 && rows.every((row) => typeof cell(row) === 'number'));
  const attribute = (at: number) => (isNumber[at] ? ' class="number"' : '');
  const head = columns.map(([title], at) => `<th${attribute(at)}>${escapeHtml(title)}</th>`).join('');
  const body = rows.map((row) => {
    const cells = columns.map(([title, cell], at) => {
      const mark = title === 'state' && className ? ` class="${className(row)}"` : attribute(at);
      return `<td${mark}>${escapeHtml(cell(row))}</td>`;
    });
    return `<tr>${cells.join('')}</tr>\n`;
  });
  return `<div class="scroll"><table>\n<tr>${head}</tr>\n${body.join('')}</table></div>`;
}

/** The first column's value, then `title value` for the others. */
function line<T>(row: T, [first, ...others]: Columns<T>): string {
  return [`${first?.[1](row)}:`, ...others.map(([title, cell]) => `${title} ${cell(row)}`)].join(' ');
}

function escapeHtml(value: string | number): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return String(value).replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
