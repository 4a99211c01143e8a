/** The server table: `server` changes a row, `servers` shows them all; the emergency and abuse servers stand beside it. */
import { formatEndpoint, formatIp, ipEndpoint } from '../../core/address.js';
import {
  type Encap,
  emptySlot,
  MAX_ACLS,
  MAX_SERVERS,
  type ProxyVersion,
  type ServerSpec,
  type ServerTls,
} from '../../core/configuration.js';
import {
  type Argument,
  asJson,
  choice,
  integer,
  MAX_INT,
  type Origin,
  optional,
  parseInteger,
  requireLocal,
  takeWord,
  word,
} from '../argument.js';
import { action, type Command, jsonList, type SettingContext, setting } from '../command.js';
import { isUnspecified } from '../draft.js';
import { CommandError, quoted } from '../errors.js';
import { resolveHost, resolvePort, resolveServer, unixEndpoint } from '../resolve.js';

/** What one `server` command says about its row. */
interface RowChanges {
  address?: string;
  port?: string;
  blacklist?: number;
  proxy?: ProxyVersion;
  names?: readonly string[];
  tls?: ServerTls;
  sni?: string;
  encap?: Encap;
  limits: { -readonly [K in keyof typeof limitRanges]?: number };
}

const limitRanges = { acl: MAX_ACLS - 1, max: MAX_INT, hard: MAX_INT, weight: MAX_INT, prio: MAX_INT } as const;

const tlsMode = choice<ServerTls>(['off', 'on', 'verify']);

const changes: Argument<RowChanges> = {
  usage:
    '[acl A] [address A] [port P] [max M] [hard H] [blacklist T] [weight W] [prio P] ' +
    '[proxy v1|v2|off] [name NAME[,NAME...]|*] [tls off|on|verify] [sni NAME] ' +
    '[encap ipip|gue|none]',
  take(words, origin) {
    const row: RowChanges = { limits: {} };
    for (let key = words.next(); key !== undefined; key = words.next()) {
      if (key === 'address' || key === 'port') row[key] = takeWord(words, `a value after ${key}`);
      else if (key === 'tls') row.tls = tlsMode.take(words, origin);
      else if (key === 'sni') row.sni = serverName(takeWord(words, 'a name after sni, or -'));
      else if (key === 'blacklist') row.blacklist = parseInteger(words.next(), 0, MAX_INT);
      else if (key === 'proxy') row.proxy = choice(['v1', 'v2', 'off'] as const).take(words, origin);
      else if (key === 'name') row.names = serverNames(takeWord(words, 'a value after name'));
      else if (key === 'encap') row.encap = choice(['ipip', 'gue', 'none'] as const).take(words, origin);
      else if (isLimit(key)) row.limits[key] = parseInteger(words.next(), 0, limitRanges[key]);
      else {
        const keys = 'acl, address, port, max, hard, blacklist, weight, prio, proxy, name, tls, sni or encap';
        throw new CommandError(`expected ${keys}, got ${quoted(key)}`);
      }
    }
    return row;
  },
};

/** How a server beside the table is reached; undefined if nothing is said. */
const spareEncap: Argument<Encap | undefined> = {
  usage: '[encap ipip|gue|none]',
  isOptional: true,
  take(words, origin) {
    const key = words.next();
    if (key === undefined) return undefined;
    if (key !== 'encap') throw new CommandError(`expected encap, got ${quoted(key)}`);
    return choice(['ipip', 'gue', 'none'] as const).take(words, origin);
  },
};

const slotNumber = integer('N', 0, MAX_SERVERS - 1);

export const serverCommands: readonly Command[] = [
  setting({
    name: 'server',
    arguments: [slotNumber, changes],
    section: 'Servers',
    help:
      'change row N of the server table, which grows to hold it; blacklist T leaves it alone for T seconds; proxy: ' +
      'connections to it begin with a PROXY header; name: with peek, it serves clients that ask for that name; ' +
      'encap: with dsr_if, packets reach it in a tunnel (it need not be on the link)',
    async run(context, slot, row) {
      const endpoint = await newEndpoint(context, slot, row);
      const { limits, proxy, names, tls, sni, encap } = row;
      context.draft.setServer(slot, {
        ...limits,
        endpoint,
        ...(proxy && { proxy }),
        ...(names && { names }),
        ...(tls && { tls }),
        ...(sni !== undefined && { sni }),
        ...(encap && { encap }),
      });
      if (row.blacklist !== undefined) context.draft.blacklists.set(slot, row.blacklist);
      return undefined;
    },
  }),
  setting({
    name: 'no server',
    arguments: [slotNumber],
    section: 'Servers',
    help: 'empty row N: it takes no new connection, those it has go on; rows at the end that are empty go away',
    isNew: true,
    run({ draft }, slot) {
      requireServer(draft, slot);
      draft.setServer(slot, emptySlot);
      return undefined;
    },
  }),
  setting({
    name: 'drain',
    arguments: [slotNumber],
    section: 'Servers',
    help: 'let server N take no new connection, not even of a returning client; those it has go on',
    isNew: true,
    run({ draft }, slot) {
      requireServer(draft, slot);
      draft.drains.set(slot, true);
      return undefined;
    },
  }),
  setting({
    name: 'no drain',
    arguments: [slotNumber],
    section: 'Servers',
    help: 'let server N take connections again',
    isNew: true,
    run({ draft }, slot) {
      requireServer(draft, slot);
      draft.drains.set(slot, false);
      return undefined;
    },
  }),
  action({
    name: 'servers',
    arguments: [asJson],
    section: 'Looking',
    help: 'the server table: addresses, connections, limits, bytes sent and received',
    async run({ service }, json) {
      if (json) return `${await jsonList(service.views.servers())}\n`;
      const { state } = service;
      const line = ({ endpoint, max, hard, weight, prio, encap }: ServerSpec, slot: number) =>
        `${slot} addr ${hostOf(endpoint)} port ${endpoint?.kind === 'ip' ? endpoint.port : 0}` +
        ` conn ${state.connections(slot)} max ${max} hard ${hard} weight ${weight} prio ${prio}` +
        ` sx ${state.sent(slot)} rx ${state.received(slot)}${encap === 'none' ? '' : ` encap ${encap}`}\n`;
      return service.setup.configuration.servers.map(line).join('');
    },
  }),
  ...spareCommands('emergency', 'emergency', 'the server for when no other takes a client (-e)'),
  ...spareCommands('abuse_server', 'abuse', 'the server for clients that client_acl denies (-B)'),
];

function requireServer(draft: SettingContext['draft'], slot: number): void {
  if (slot >= draft.servers.length) throw new CommandError(`there is no server ${slot}`);
}

/** The host as `servers` and `write` print it; an empty slot has the address that C Pen's manual gives one. */
export function hostOf(endpoint: ServerSpec['endpoint']): string {
  if (endpoint === undefined) return '0.0.0.0';
  return endpoint.kind === 'unix' ? endpoint.path : formatIp(endpoint.address);
}

function spareCommands(name: string, key: 'emergency' | 'abuse', help: string): Command[] {
  return [
    setting({
      name,
      arguments: [optional(word('HOST:PORT[:MAX[:HARD[:WEIGHT[:PRIO]]]]')), spareEncap],
      section: 'Servers',
      help: `${help}; encap: as of server N`,
      isNew: true,
      async run({ draft, origin }, text, encap) {
        if (text === undefined) return `${describeSpare(draft[key])}\n`;
        if (text.startsWith('/')) requireLocal(origin);
        const spec = await resolveServer(text, draft.listen?.endpoint);
        draft[key] = { ...spec, encap: encap ?? 'none' };
        return undefined;
      },
    }),
    setting({
      name: `no ${name}`,
      section: 'Servers',
      help: `off: ${help}`,
      isNew: true,
      run({ draft }) {
        draft[key] = undefined;
        return undefined;
      },
    }),
  ];
}

/** As `emergency` takes it; limits that are not set are left out. */
export function describeSpare(spec: ServerSpec | undefined): string {
  if (!spec?.endpoint) return '';
  const limits: (number | string)[] = [spec.max, spec.hard, spec.weight, spec.prio];
  while (limits.at(-1) === 0) limits.pop();
  // A path is followed by an empty port.
  if (spec.endpoint.kind === 'unix' && limits.length > 0) limits.unshift('');
  const way = spec.encap === 'none' ? '' : ` encap ${spec.encap}`;
  return `${[formatEndpoint(spec.endpoint), ...limits].join(':')}${way}`;
}

/** The row's address and port after the command; what it does not mention stays. */
async function newEndpoint(
  { draft, origin }: SettingContext,
  slot: number,
  row: RowChanges,
): Promise<ServerSpec['endpoint']> {
  const was = draft.server(slot).endpoint;
  if (row.address?.startsWith('/')) return unixServer(row, origin);
  if (row.address === undefined && row.port === undefined) return was;
  if (row.address === undefined && was?.kind === 'unix') throw new CommandError('a Unix socket has no port');
  const address = row.address === undefined ? await addressOf(was) : await resolveHost(row.address);
  const port = row.port === undefined ? (was?.kind === 'ip' ? was.port : 0) : await resolvePort(row.port);
  const endpoint = ipEndpoint(address, port);
  return isUnspecified(endpoint) && port === 0 ? undefined : endpoint;
}

function unixServer(row: RowChanges, origin: Origin): ServerSpec['endpoint'] {
  requireLocal(origin);
  if (row.port !== undefined) throw new CommandError('a Unix socket has no port');
  return unixEndpoint(row.address ?? '');
}

function addressOf(endpoint: ServerSpec['endpoint']): ReturnType<typeof resolveHost> {
  return endpoint?.kind === 'ip' ? Promise.resolve(endpoint.address) : resolveHost('0.0.0.0');
}

/** `a.example,*.b.example`, or `*` for no names; throws CommandError. */
function serverNames(text: string): readonly string[] {
  if (text === '*') return [];
  const names = text.toLowerCase().split(',');
  for (const name of names) {
    if (
      !/^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/.test(name) ||
      name.length > 253
    ) {
      throw new CommandError(
        `${quoted(name)} is no name of a host (write www.example.com, *.example.com, or * for any)`,
      );
    }
  }
  return [...new Set(names)];
}

/** `-` is none. Throws CommandError. */
function serverName(text: string): string {
  if (text === '-') return '';
  if (/^[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?$/i.test(text)) return text.toLowerCase();
  throw new CommandError(`${quoted(text)} is no server name`);
}

function isLimit(key: string): key is keyof typeof limitRanges {
  return Object.hasOwn(limitRanges, key);
}
