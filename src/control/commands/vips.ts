/** Services of direct server return besides LISTEN: `dsr_vip` makes one, gives it servers and says how they are chosen. */
import { formatIp, type IpWords, parseIp } from '../../core/address.js';
import type { Encap } from '../../core/configuration.js';
import { MAX_VIPS, parseVip, type Vip, type VipSpec, vipName } from '../../core/vip.js';
import { type Argument, choice, MAX_INT, type Origin, optional, parseInteger, takeWord } from '../argument.js';
import { type Command, setting } from '../command.js';
import { CommandError, quoted } from '../errors.js';
import { resolveHost, resolvePort } from '../resolve.js';
import type { Words } from '../words.js';

/** A VIP as written; its port may be a name, and names are looked up only when the command is run. */
interface VipWords extends Omit<Vip, 'port'> {
  readonly port: number | string;
}

/** `ADDRESS[/BITS][:PORT] [tcp|udp]`; tcp unless it says so. */
const vipWords: Argument<VipWords> = {
  usage: 'IP[/BITS][:PORT] [tcp|udp]',
  take(words) {
    const text = takeWord(words, 'IP[/BITS][:PORT]');
    const vip = parseVip(text);
    if (typeof vip === 'string') throw new CommandError(`${quoted(text)}: ${vip}`);
    const { address, bits, port = '0' } = vip;
    const word = words.peek();
    const isGiven = word === 'tcp' || word === 'udp';
    if (isGiven) words.next();
    return { address, bits, port: /^\d{1,4}$/.test(port) ? Number(port) : port, protocol: isGiven ? word : 'tcp' };
  },
};

interface ServerWords {
  /** An address, or a name that is looked up later. */
  readonly host: IpWords | string;
  readonly weight: number | undefined;
  readonly encap: Encap | undefined;
}

const encapName = choice(['ipip', 'gue', 'none'] as const);

interface VipChanges {
  readonly roundRobin: boolean | undefined;
  readonly servers: readonly ServerWords[];
}

const changes: Argument<VipChanges> = {
  usage: '[hash|roundrobin] [server IP [weight W] [encap ipip|gue|none]]...',
  take(words, origin) {
    const word = words.peek();
    const roundRobin = word === 'roundrobin' ? true : word === 'hash' ? false : undefined;
    if (roundRobin !== undefined) words.next();
    // Most lines have one server, and an array that is pushed to takes room for seventeen.
    const servers = words.isEmpty ? [] : [takeServer(words, origin)];
    while (!words.isEmpty) servers.push(takeServer(words, origin));
    return { roundRobin, servers };
  },
};

/** `server IP ...`, for `no dsr_vip`. */
const serverHosts: Argument<string[]> = {
  usage: '[server IP]...',
  take(words) {
    const hosts: string[] = [];
    while (!words.isEmpty) hosts.push(takeHost(words));
    return hosts;
  },
};

export const vipCommands: readonly Command[] = [
  setting({
    name: 'dsr_vip',
    arguments: [vipWords, changes],
    section: 'Servers',
    help: 'direct server return: a service besides LISTEN, or servers for it; without PORT every port, with BITS every address of the prefix',
    isNew: true,
    async run({ draft }, words, { roundRobin, servers }) {
      const vip = isResolved(words) ? words : await resolveVip(words);
      const name = vipName(vip);
      const before = draft.vip(name);
      if (before && roundRobin === undefined && servers.length === 0)
        throw new CommandError(`${quoted(name)} is there already (give it servers: dsr_vip ${name} server IP)`);
      if (!before && draft.vipCount >= MAX_VIPS) throw new CommandError(`${MAX_VIPS} are the most`);
      const service = before ?? draft.addVip(name, vip);
      if (roundRobin !== undefined) service.choose(roundRobin);
      for (const server of servers) {
        const { host } = server;
        service.setServer(typeof host === 'string' ? await resolveHost(host) : host, server);
      }
      return undefined;
    },
  }),
  setting({
    name: 'no dsr_vip',
    arguments: [optional(vipWords), serverHosts],
    section: 'Servers',
    help: 'take servers away from such a service; without servers the service; without a service all of them',
    isNew: true,
    async run({ draft }, words, hosts) {
      if (words === undefined) {
        draft.clearVips();
        return undefined;
      }
      const name = vipName(await resolveVip(words));
      const service = draft.vip(name);
      if (!service) throw new CommandError(`there is no ${quoted(name)}`);
      if (hosts.length === 0) {
        draft.removeVip(name);
        return undefined;
      }
      const gone = await Promise.all(hosts.map(resolveHost));
      const unknown = gone.find((address) => !service.has(address));
      if (unknown) throw new CommandError(`${quoted(formatIp(unknown))} is no server of ${quoted(name)}`);
      for (const address of gone) service.removeServer(address);
      return undefined;
    },
  }),
];

/** As the commands take it: the service, then its servers, a line each. */
export function vipLines(spec: VipSpec): string[] {
  const name = vipName(spec);
  const choosing = spec.roundRobin === undefined ? '' : spec.roundRobin ? ' roundrobin' : ' hash';
  return [
    `dsr_vip ${name}${choosing}`,
    ...spec.servers.map(
      ({ address, weight, encap }) => `dsr_vip ${name} server ${formatIp(address)} weight ${weight} encap ${encap}`,
    ),
  ];
}

function takeHost(words: Words): string {
  const word = words.next();
  if (word !== 'server') throw new CommandError(`expected server, got ${quoted(word ?? '')}`);
  return takeWord(words, 'IP after server');
}

function takeServer(words: Words, origin: Origin): ServerWords {
  const host = takeHost(words);
  let weight: number | undefined;
  let encap: Encap | undefined;
  for (let key = words.peek(); key === 'weight' || key === 'encap'; key = words.peek()) {
    words.next();
    if (key === 'weight') weight = parseInteger(words.next(), 0, MAX_INT);
    else encap = encapName.take(words, origin);
  }
  return { host: parseIp(host) ?? host, weight, encap };
}

function isResolved(words: VipWords): words is Vip {
  return typeof words.port === 'number';
}

async function resolveVip(words: VipWords): Promise<Vip> {
  return { ...words, port: await resolvePort(`${words.port}`) };
}
