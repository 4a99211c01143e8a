/** What `penctl ADDRESS top` shows: the balancer and its servers as one screen, from two readings of `status --json`. */
import { endpointText, type ServerStatistics, type Summary, stateText } from '../control/statistics.js';
import { type Paint, printable, toneOf } from './paint.js';

export type Reading = Summary & { readonly servers: readonly ServerStatistics[] };

const BAR = 16;

/** Lines of `width` at most, as many as `height` has room for. Rates are those between the readings. */
export function topScreen(
  before: Reading,
  now: Reading,
  size: { width: number; height: number },
  paint: Paint,
): string[] {
  const seconds = Math.max(0.001, (now.timeMs - before.timeMs) / 1000);
  const rates = now.servers.map((server) => {
    const was = before.servers.find((one) => one.server === server.server);
    const each = (key: 'connects' | 'bytesSent' | 'bytesReceived') =>
      Math.max(0, server[key] - (was?.[key] ?? server[key])) / seconds;
    return { connects: each('connects'), sent: each('bytesSent'), received: each('bytesReceived') };
  });
  const sum = rates.reduce((total, { connects }) => total + connects, 0);
  const rows = now.servers
    .map((server, at) => ({ server, rate: rates[at] as (typeof rates)[number] }))
    .filter(({ server }) => server.state !== 'empty');
  const widest = Math.max(7, ...rows.map(({ server }) => endpointText(server).length));
  const turnedAway = Object.values(now.refusals).reduce((total, count) => total + count, 0);
  const choice = `${now.algorithm}${now.tracking ? ' + tracking' : ''}`;
  const head = [
    `pen ${now.version}  ${now.listen}  ${now.engine} x ${now.threads}  ${choice}  up ${duration(now.uptimeSec)}`,
    `connections ${now.connections} of ${now.connectionsMax}   new ${perSecond((now.accepted - before.accepted) / seconds)}/s` +
      `   clients ${now.clients} of ${now.clientsMax}   turned away ${turnedAway}`,
    '',
  ];
  const titles = `${'server'.padEnd(9)} ${'address'.padEnd(widest)}  ${'share'.padEnd(BAR + 5)} ${'conn'.padStart(6)} ${'new/s'.padStart(7)} ${'to/s'.padStart(9)} ${'from/s'.padStart(9)}  state`;
  const lines = rows.map(({ server, rate }) => {
    const share = sum > 0 ? rate.connects / sum : 0;
    const bar = '#'.repeat(Math.round(share * BAR)).padEnd(BAR, '.');
    const figures = `${String(server.connections).padStart(6)} ${perSecond(rate.connects).padStart(7)} ${bytes(rate.sent).padStart(9)} ${bytes(rate.received).padStart(9)}`;
    const text = `${String(server.server).padEnd(9)} ${endpointText(server).padEnd(widest)}  ${bar} ${`${Math.round(share * 100)}%`.padStart(4)} ${figures}  `;
    const state = stateText(server);
    const cut = printable(text).slice(0, size.width);
    return `${cut}${paint(toneOf(server.state), state.slice(0, Math.max(0, size.width - cut.length)))}`;
  });
  const plain = (line: string) => printable(line).slice(0, size.width);
  const room = Math.max(1, size.height - head.length - 1);
  const more = lines.length > room ? [paint('quiet', plain(`${lines.length - room + 1} more`))] : [];
  return [
    ...head.map((line, at) => (at === 0 ? paint('strong', plain(line)) : plain(line))),
    paint('quiet', plain(titles)),
    ...lines.slice(0, room - more.length),
    ...more,
  ];
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
