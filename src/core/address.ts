/**
 * Addresses as values. An IP address is four 32-bit words, most significant first, each a signed 32-bit
 * integer (so that V8 keeps it unboxed); IPv4 is the IPv4-mapped form ::ffff:a.b.c.d (RFC 4291 2.5.5.2),
 * so an IPv4 client of a dual-stack listener is the same client as on an IPv4 one.
 */
export type IpWords = readonly [number, number, number, number];

export interface IpEndpoint {
  readonly kind: 'ip';
  readonly family: 4 | 6;
  readonly address: IpWords;
  /** Host byte order. */
  readonly port: number;
}

export interface UnixEndpoint {
  readonly kind: 'unix';
  readonly path: string;
}

export type Endpoint = IpEndpoint | UnixEndpoint;

/** A server as written on the command line; names are not resolved, `port` may be a service name. */
export interface ServerText {
  readonly host: string;
  readonly port?: string;
  readonly max: number;
  readonly hard: number;
  readonly weight: number;
  readonly prio: number;
}

const V4_PREFIX = 0xffff;
const MAX_NUMBER = 2 ** 31 - 1;
const ZERO = 48;
const DOT = 46;

export const ANY_V4: IpWords = [0, 0, V4_PREFIX, 0];
export const ANY_V6: IpWords = [0, 0, 0, 0];

export function isV4(words: ArrayLike<number>): boolean {
  return words[2] === V4_PREFIX && words[1] === 0 && words[0] === 0;
}

/** The same for the same address and for no other, as keys of a Map; a number where that is enough. */
export function addressKey(words: IpWords): number | string {
  return isV4(words) ? words[3] : `${words[0]} ${words[1]} ${words[2]} ${words[3]}`;
}

/** Dotted IPv4 or IPv6 (RFC 4291 2.2, no zone); undefined if it is neither. */
export function parseIp(text: string): IpWords | undefined {
  if (!text.includes(':')) {
    const word = parseV4(text);
    return word === undefined ? undefined : [0, 0, V4_PREFIX, word];
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0], halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1], true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  // "::" stands for at least one group.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<number>(missing).fill(0), ...tail];
  return [0, 2, 4, 6].map((i) => (groups[i] << 16) | groups[i + 1]) as unknown as IpWords;
}

/** IPv4-mapped addresses dotted, all others as RFC 5952 writes them. */
export function formatIp(words: ArrayLike<number>): string {
  if (isV4(words)) {
    const word = words[3];
    return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
  }
  const groups = [0, 1, 2, 3].flatMap((i) => [words[i] >>> 16, words[i] & 0xffff]);
  const run = longestZeroRun(groups);
  const hex = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  return run.length < 2
    ? hex(groups)
    : `${hex(groups.slice(0, run.start))}::${hex(groups.slice(run.start + run.length))}`;
}

export function ipEndpoint(words: IpWords, port: number): IpEndpoint {
  return { kind: 'ip', family: isV4(words) ? 4 : 6, address: words, port };
}

/** `127.0.0.1:80`, `[::1]:80` or the path. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return endpoint.path;
  const ip = formatIp(endpoint.address);
  return `${endpoint.family === 4 ? ip : `[${ip}]`}:${endpoint.port}`;
}

/**
 * `[host:]port`: the last colon splits, so `:::8080` is port 8080 on `::`; brackets around the host go. What is
 * not there or empty is undefined. Paths are the caller's to recognise.
 */
export function splitHostPort(text: string): { host: string | undefined; port: string | undefined } {
  if (text.startsWith('[') && text.endsWith(']')) return { host: text.slice(1, -1) || undefined, port: undefined };
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, Math.max(colon, 0));
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  return { host: bare || undefined, port: text.slice(colon + 1) || undefined };
}

/** `host[:port[:max[:hard[:weight[:prio]]]]]`, IPv6 in brackets, empty fields as if not there; a string says what is wrong. */
export function parseServer(text: string): ServerText | string {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/s.exec(text);
  // Fields may be empty, so a bare 2001:db8::1 could be read as a host with limits; nobody means that.
  if (!match || (text.includes(':') && parseIp(text)))
    return 'cannot tell host from port (write an IPv6 address in brackets)';
  const host = match[1] ?? match[2];
  if (!host) return 'the host is missing';
  const [port, ...fields] = (match[3] ?? '').split(':');
  const names = ['max', 'hard', 'weight', 'prio'] as const;
  if (fields.length > names.length) return 'too many fields (host:port:max:hard:weight:prio)';
  const numbers = { max: 0, hard: 0, weight: 0, prio: 0 };
  for (const [i, field] of fields.entries()) {
    if (field === '') continue;
    if (!/^\d+$/.test(field) || Number(field) > MAX_NUMBER) {
      return `${names[i]} must be a whole number from 0 to ${MAX_NUMBER}, got '${field}'`;
    }
    numbers[names[i]] = Number(field);
  }
  return port ? { host, port, ...numbers } : { host, ...numbers };
}

/** By index: tens of thousands are read at the start. */
function parseV4(text: string): number | undefined {
  let word = 0;
  let at = 0;
  for (let part = 0; part < 4; part++) {
    if (part > 0 && text.charCodeAt(at++) !== DOT) return undefined;
    const first = at;
    let byte = 0;
    for (let digit = digitAt(text, at); digit >= 0 && byte <= 255; digit = digitAt(text, ++at))
      byte = byte * 10 + digit;
    // Like inet_pton, no leading zeros: 010 is eight to some programs and ten to others.
    const hasLeadingZero = at > first + 1 && text.charCodeAt(first) === ZERO;
    if (at === first || byte > 255 || hasLeadingZero) return undefined;
    word = (word << 8) | byte;
  }
  return at === text.length ? word : undefined;
}

/** -1 if there is no digit. */
function digitAt(text: string, at: number): number {
  const digit = text.charCodeAt(at) - ZERO;
  return digit >= 0 && digit <= 9 ? digit : -1;
}

/** The 16-bit groups between colons; only the last one of the address may be a dotted IPv4 address. */
function parseGroups(text: string, isLast: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [i, part] of parts.entries()) {
    const word = isLast && i === parts.length - 1 && part.includes('.') ? parseV4(part) : undefined;
    if (word !== undefined) groups.push(word >>> 16, word & 0xffff);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return groups.length <= 8 ? groups : undefined;
}

function longestZeroRun(groups: number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  return best;
}
