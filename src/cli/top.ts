/** What `penctl ADDRESS top` shows: the balancer and its servers as one screen, from two readings of `status --json`. */
import { endpointText, type ServerStatistics, type Summary } from '../control/statistics.js';
import { type Paint, printable, toneOf } from './paint.js';

export type Reading = Summary & { readonly servers: readonly ServerStatistics[] };

const BAR = 16;
/** The longest IPv6 address with a port. A path may be longer than a screen is wide, and the state is more important than its end. */
const LONGEST_ADDRESS = 47;

interface Row {
  readonly server: ServerStatistics;
  /** A second. */
  readonly connects: number;
  readonly sent: number;
  readonly received: number;
}

/** A title and what stands below it: on the left, or numbers on the right. */
type Column = readonly [title: string, side: 'left' | 'right', texts: readonly string[]];

/** Lines of `width` at most, as many as `height` has room for. Rates are those between the readings. */
export function topScreen(
  before: Reading,
  now: Reading,
  size: { width: number; height: number },
  paint: Paint,
): string[] {
  const seconds = Math.max(0.001, (now.timeMs - before.timeMs) / 1000);
  const all = now.servers.filter(({ state }) => state !== 'empty').map((server) => rowOf(server, before, seconds));
  const turnedAway = Object.values(now.refusals).reduce((total, count) => total + count, 0);
  const choice = `${now.algorithm}${now.tracking ? ' + tracking' : ''}`;
  const up = all.filter(({ server }) => server.state === 'up').length;
  const head = [
    `pen ${now.version}  ${now.listen}  ${now.engine} x ${now.threads}  ${choice}  up ${duration(now.uptimeSec)}`,
    `servers ${up} of ${all.length} up   connections ${now.connections} of ${now.connectionsMax}` +
      `   new ${perSecond(Math.max(0, now.accepted - before.accepted) / seconds)}/s   clients ${now.clients}   turned away ${turnedAway}`,
    '',
  ];
  const plain = (line: string) => printable(line).slice(0, size.width);
  const room = Math.max(1, size.height - head.length - 1);
  const rows = all.length > room ? foremost(all).slice(0, room - 1) : all;
  const { titles, lines, stateAt } = table(all, rows);
  const more = rows.length < all.length ? [paint('quiet', plain(`${all.length - rows.length} more`))] : [];
  return [
    ...head.map((line, at) => (at === 0 ? paint('strong', plain(line)) : plain(line))),
    paint('quiet', plain(titles)),
    ...lines.map((line, at) => {
      const { server } = rows[at] as Row;
      const stateEnd = stateAt + shortState(server).length;
      const state = paint(toneOf(server.state), plain(line).slice(stateAt, stateEnd));
      return `${plain(line).slice(0, stateAt)}${state}${plain(line).slice(stateEnd)}`;
    }),
    ...more,
  ];
}

function rowOf(server: ServerStatistics, before: Reading, seconds: number): Row {
  const was = before.servers.find((one) => one.server === server.server) ?? server;
  const each = (count: (one: ServerStatistics) => number) => Math.max(0, count(server) - count(was)) / seconds;
  return {
    server,
    // With direct server return there are flows instead.
    connects: each((one) => one.direct?.flows ?? one.connects),
    sent: each((one) => one.bytesSent),
    received: each((one) => one.bytesReceived),
  };
}

/** Where not all find room, those that are not well come before others. */
function foremost(rows: readonly Row[]): readonly Row[] {
  const isWell = ({ server }: Row) => server.state === 'up';
  return [...rows.filter((row) => !isWell(row)), ...rows.filter(isWell)];
}

/** The titles and a line each. What matters most stands on the left: a terminal of 80 columns shows all but the bar. */
function table(
  all: readonly Row[],
  rows: readonly Row[],
): { readonly titles: string; readonly lines: readonly string[]; readonly stateAt: number } {
  const sum = all.reduce((total, { connects }) => total + connects, 0);
  const shares = rows.map(({ connects }) => (sum > 0 ? connects / sum : 0));
  const columns: readonly Column[] = [
    ['server', 'left', rows.map(({ server }) => String(server.server))],
    ['address', 'left', rows.map(({ server }) => shortened(endpointText(server)))],
    ['state', 'left', rows.map(({ server }) => shortState(server))],
    ['conn', 'right', rows.map(({ server }) => String(server.connections))],
    ['new/s', 'right', rows.map(({ connects }) => perSecond(connects))],
    ['to/s', 'right', rows.map(({ sent }) => bytes(sent))],
    ['from/s', 'right', rows.map(({ received }) => bytes(received))],
    ['share', 'right', shares.map((share) => `${Math.round(share * 100)}%`)],
    ['', 'left', shares.map((share) => '#'.repeat(Math.round(share * BAR)).padEnd(BAR, '.'))],
  ];
  const widths = columns.map(([title, , texts]) => Math.max(title.length, ...texts.map((text) => text.length)));
  const line = (cells: readonly string[]) =>
    cells
      .map((text, at) => {
        const width = widths[at] as number;
        return columns[at]?.[1] === 'left' ? text.padEnd(width) : text.padStart(width);
      })
      .join('  ')
      .trimEnd();
  return {
    titles: line(columns.map(([title]) => title)),
    lines: rows.map((_, at) => line(columns.map(([, , texts]) => texts[at] ?? ''))),
    stateAt: (widths[0] as number) + (widths[1] as number) + 4,
  };
}

function shortened(address: string): string {
  return address.length > LONGEST_ADDRESS ? `${address.slice(0, LONGEST_ADDRESS - 3)}...` : address;
}

function shortState({ state, blacklistedSec }: ServerStatistics): string {
  return state === 'blacklisted' ? `blacklisted ${blacklistedSec} s` : state;
}

function perSecond(value: number): string {
  return value > 0 && value < 10 ? value.toFixed(1) : String(Math.round(value));
}

function bytes(value: number): string {
  const units = ['B', 'K', 'M', 'G', 'T'];
  let place = 0;
  let size = value;
  for (; size >= 1000 && place < units.length - 1; place++) size /= 1024;
  return `${size < 10 && place > 0 ? size.toFixed(1) : Math.round(size)} ${units[place]}`;
}

function duration(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  return first < 0
    ? '0 s'
    : parts
        .slice(first, first + 2)
        .map(([value, unit]) => `${value} ${unit}`)
        .join(' ');
}
