/**
 * Names to addresses and services to ports. Numeric forms never leave the process; a name that does not
 * resolve gives an error that says which. Of several addresses the first IPv4 one is taken, else the first.
 */
import { lookup } from 'node:dns/promises';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import {
  ANY_V4,
  type Endpoint,
  type IpWords,
  ipEndpoint,
  isV4,
  parseIp,
  parseServer,
  splitHostPort,
} from '../core/address.js';
import { emptySlot, type ServerSpec } from '../core/configuration.js';
import type { ListenAddress } from './draft.js';
import { CommandError, causeOf, quoted } from './errors.js';

/** A name server that does not answer must not hold up the commands behind this one. */
const LOOKUP_TIMEOUT_MS = 5_000;

/** Ports of well-known services, for systems without /etc/services (slim containers). IANA port registry. */
const wellKnownPorts = new Map([
  ['domain', 53],
  ['ftp', 21],
  ['http', 80],
  ['https', 443],
  ['imap', 143],
  ['imaps', 993],
  ['ldap', 389],
  ['ldaps', 636],
  ['mysql', 3306],
  ['ntp', 123],
  ['pop3', 110],
  ['pop3s', 995],
  ['postgresql', 5432],
  ['smtp', 25],
  ['ssh', 22],
  ['submission', 587],
  ['telnet', 23],
]);

/** The address of a host; throws CommandError naming the host. */
export async function resolveHost(host: string): Promise<IpWords> {
  const bare = /^\[.*\]$/.test(host) ? host.slice(1, -1) : host;
  const numeric = parseIp(bare);
  if (numeric) return numeric;
  // getaddrinfo would take 0x7f.1 for an address and the empty name for this machine.
  if (!/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?$/i.test(bare) || /^[\d.]+$/.test(bare) || /^0x/i.test(bare)) {
    throw new CommandError(`${quoted(host)} is neither an address nor a host name`);
  }
  const answers = await withTimeout(lookup(bare, { all: true, verbatim: false }), host);
  const words = answers.map((answer) => parseIp(answer.address)).filter((one) => one !== undefined);
  const address = words.find((one) => isV4(one)) ?? words[0];
  if (!address) throw new CommandError(`cannot resolve host ${quoted(host)}: no address`, { isFromOutside: true });
  return address;
}

/** A port number or TCP service name; throws CommandError naming it, with `advice` after our own. */
export async function resolvePort(text: string, advice = ''): Promise<number> {
  if (/^\d{1,9}$/.test(text)) {
    const port = Number(text);
    if (port > 65_535) throw new CommandError(`port ${text} is out of range (0 to 65535)`);
    return port;
  }
  const port = (await servicePort(text)) ?? wellKnownPorts.get(text);
  if (port === undefined)
    throw new CommandError(`unknown service ${quoted(text)} (a port is a number or a name of /etc/services${advice})`);
  return port;
}

/** `[HOST:]PORT` or a path, as -C has it; a port alone means `defaultHost` there. */
export async function resolveListen(text: string, defaultHost: IpWords = ANY_V4): Promise<ListenAddress> {
  return { text, endpoint: await resolveListenEndpoint(text, defaultHost) };
}

/** As LISTEN and `listen` have it: the same, or a VIP alone, `192.0.2.80`, `[2001:db8::80]` or `2001:db8::80`. */
export async function resolveListenOrVip(text: string): Promise<ListenAddress> {
  const vip = parseIp(/^\[(.*)\]$/s.exec(text)?.[1] ?? text);
  // ::1:8080 could be one, but the last colon splits off a port wherever that leaves an address.
  const hasPort = text.includes(':') && !text.startsWith('[') && parseIp(splitHostPort(text).host ?? '') !== undefined;
  return vip && !hasPort ? { text, endpoint: ipEndpoint(vip, 0), isPortless: true } : resolveListen(text);
}

async function resolveListenEndpoint(text: string, defaultHost: IpWords): Promise<Endpoint> {
  if (text.includes('/')) return unixEndpoint(text);
  const { host, port } = splitHostPort(text);
  if (port === undefined || port === '') throw new CommandError(`${quoted(text)} has no port (write HOST:PORT)`);
  const address = host === undefined || host === '' ? defaultHost : await resolveHost(host);
  if (text.includes(':') || /^\d+$/.test(text)) return ipEndpoint(address, await resolvePort(port));
  return ipEndpoint(address, await resolvePort(port, `, a socket path needs a slash: ./${text}`));
}

/** `HOST[:PORT[:MAX[:HARD[:WEIGHT[:PRIO]]]]]` or a path; without a port the one of `listen`. */
export async function resolveServer(text: string, listen: Endpoint | undefined): Promise<ServerSpec> {
  // The fields after a path are those after a host; the port means nothing there.
  const path = text.startsWith('/') ? text.replace(/:.*$/s, '') : undefined;
  const parsed = parseServer(path === undefined ? text : `socket${text.slice(path.length)}`);
  if (typeof parsed === 'string') throw new CommandError(`${quoted(text)}: ${parsed}`);
  const { host, port, max, hard, weight, prio } = parsed;
  const limits = { ...emptySlot, max, hard, weight, prio };
  if (path !== undefined) return { ...limits, endpoint: unixEndpoint(path) };
  if (port === undefined && listen?.kind !== 'ip') {
    throw new CommandError(`${quoted(text)} has no port (write HOST:PORT)`);
  }
  try {
    const number = port === undefined && listen?.kind === 'ip' ? listen.port : await resolvePort(port ?? '');
    return { ...limits, endpoint: ipEndpoint(await resolveHost(host), number) };
  } catch (error) {
    throw port === undefined && host !== text ? partOf(text, error) : error;
  }
}

/** Of `www:` the host alone does not show the colon that somebody has typed by mistake. */
function partOf(text: string, error: unknown): unknown {
  if (!(error instanceof CommandError)) return error;
  const { message, isFromOutside, cause } = error;
  return new CommandError(`${quoted(text)}: ${message}`, { isFromOutside, cause });
}

/** A Unix socket; throws CommandError if the kernel could not hold the path (unix(7): 108 bytes with the NUL). */
export function unixEndpoint(path: string): Endpoint {
  if (Buffer.byteLength(path) > 107)
    throw new CommandError(`${quoted(path)} is too long for a Unix socket (107 bytes)`);
  return { kind: 'unix', path };
}

async function servicePort(name: string): Promise<number | undefined> {
  if (!/^[A-Za-z0-9][\w.+-]*$/.test(name)) return undefined;
  const text = await readFile('/etc/services', 'utf8').catch(() => '');
  for (const line of text.split('\n')) {
    const [first, portAndProtocol, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/);
    const match = /^(\d+)\/tcp$/.exec(portAndProtocol ?? '');
    if (match && (first === name || aliases.includes(name))) return Number(match[1]);
  }
  return undefined;
}

async function withTimeout<T>(answer: Promise<T>, host: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })), LOOKUP_TIMEOUT_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } catch (error) {
    const text = `cannot resolve host ${quoted(host)}: ${causeOf(error)}${lookupHint(error)}`;
    throw new CommandError(text, { isFromOutside: true, cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** After a chroot the resolver's own files are those of the new root, which often has none. */
function lookupHint(error: unknown): string {
  const isUnconfigured = causeOf(error) === 'EAI_AGAIN' && !existsSync('/etc/resolv.conf');
  if (isUnconfigured) return ' (there is no /etc/resolv.conf; after -j names need one inside the new root)';
  return causeOf(error) === 'ENOTFOUND' ? ' (no such host)' : '';
}
