/**
 * What Prometheus is told of each server. Labels: `server` is the row, `emergency` or `abuse`; `address` its endpoint.
 *
 * With a thousand servers this is 50,000 lines, for which the registry's general way (an object, arrays and a scan for
 * characters to escape a line) takes 75 ms; written out here, each server's labels escaped once, it is a tenth of that. The
 * format is the Prometheus text exposition format, version 0.0.4.
 */
import { type DirectStatistics, endpointText, type ServerStatistics } from '../control/statistics.js';
import type { Times } from '../core/meters.js';

type Row = readonly [labels: string, server: ServerStatistics];
type Value = (server: ServerStatistics) => number;

const plain: ReadonlyArray<readonly [name: string, type: string, help: string, Value]> = [
  ['pen_server_up', 'gauge', 'Whether the server takes new connections', ({ state }) => (state === 'up' ? 1 : 0)],
  ['pen_server_draining', 'gauge', 'Whether it drains', ({ state }) => (state === 'draining' ? 1 : 0)],
  ['pen_server_blacklist_seconds', 'gauge', 'Time for which the server is left alone', (row) => row.blacklistedSec],
  ['pen_server_connections', 'gauge', 'Connections in use', (row) => row.connections],
  ['pen_server_connects_pending', 'gauge', 'Connects in progress', (row) => row.pending],
  ['pen_server_connections_max', 'gauge', 'Soft limit on connections, 0 = none', (row) => row.max],
  ['pen_server_weight', 'gauge', 'Weight', (row) => row.weight],
  ['pen_server_connects_total', 'counter', 'Connects that succeeded', (row) => row.connects],
  ['pen_server_sent_bytes_total', 'counter', 'Bytes sent to the server', (row) => row.bytesSent],
  ['pen_server_received_bytes_total', 'counter', 'Bytes received from the server', (row) => row.bytesReceived],
];

/** Characters after which text is made bytes: one string of 4 MB put together line by line keeps the collector busy longer. */
const PIECE = 16_384;

/** Only with direct server return. */
const direct: ReadonlyArray<readonly [name: string, type: string, help: string, (direct: DirectStatistics) => number]> =
  [
    ['pen_dsr_answers', 'gauge', 'Whether the server answers on its link', ({ mac }) => (mac === '' ? 0 : 1)],
    ['pen_dsr_slots', 'gauge', 'Slots of the Maglev table', ({ slots }) => slots],
    ['pen_dsr_packets_total', 'counter', 'Packets sent on to the server', ({ packets }) => packets],
    ['pen_dsr_bytes_total', 'counter', 'Bytes sent on to the server', ({ bytes }) => bytes],
    ['pen_dsr_flows_total', 'counter', 'Flows that began at the server or moved to it', ({ flows }) => flows],
  ];

/** Counts by name: `cause="refused"`. */
const named = [
  ['pen_server_connect_failures_total', 'cause', 'Connects that failed, by cause', 'failures'],
  ['pen_server_sessions_total', 'ending', 'Sessions that ended, by how', 'endings'],
] as const;

const histograms = [
  ['pen_server_connect_duration_seconds', 'Time that connects took', 'connectTimes'],
  ['pen_server_session_duration_seconds', 'Time from connect to end of a session', 'sessionTimes'],
] as const;

/** Families of all servers but empty rows, in pieces to be joined; the last ends with a newline. */
export function* serverMetrics(servers: readonly ServerStatistics[]): Generator<Buffer> {
  const rows = servers
    .filter(({ state }) => state !== 'empty')
    .map((server): Row => [`server="${server.server}",address="${escapeLabel(endpointText(server))}"`, server]);
  if (rows.length === 0) return;
  const reals = rows.filter(([, server]) => server.direct);
  for (const [name, type, help, value] of reals.length === 0 ? [] : direct) {
    yield* family(name, type, help, reals, (labels, server) => {
      return `${name}{${labels}} ${value(server.direct as DirectStatistics)}\n`;
    });
  }
  for (const [name, type, help, value] of plain) {
    yield* family(name, type, help, rows, (labels, server) => `${name}{${labels}} ${value(server)}\n`);
  }
  for (const [name, label, help, key] of named) {
    yield* family(name, 'counter', help, rows, (labels, server) => {
      let text = '';
      for (const kind in server[key]) text += `${name}{${label}="${kind}",${labels}} ${count(server[key], kind)}\n`;
      return text;
    });
  }
  for (const [name, help, key] of histograms) {
    yield* family(name, 'histogram', help, rows, (labels, server) => histogram(name, labels, server[key]));
  }
}

function* family(
  name: string,
  type: string,
  help: string,
  rows: readonly Row[],
  lines: (labels: string, server: ServerStatistics) => string,
): Generator<Buffer> {
  let text = `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  for (const [labels, server] of rows) {
    text += lines(labels, server);
    if (text.length < PIECE) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}

function count(counts: Readonly<Record<string, number>>, kind: string): number {
  return counts[kind] as number;
}

/** Cumulative buckets in seconds, sum and count. */
function histogram(name: string, labels: string, { classesMs, counts, sumMs }: Times): string {
  let text = '';
  let sum = 0;
  for (let place = 0; place < counts.length; place++) {
    sum += counts[place] as number;
    const bound = place < classesMs.length ? (classesMs[place] as number) / 1000 : '+Inf';
    text += `${name}_bucket{le="${bound}",${labels}} ${sum}\n`;
  }
  return `${text}${name}_sum{${labels}} ${sumMs / 1000}\n${name}_count{${labels}} ${sum}\n`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
