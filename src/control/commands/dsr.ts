/** Direct server return: on which interface, what it does, and where a packet would go. */
import type { IpEndpoint, IpWords } from '../../core/address.js';
import { formatIp, ipEndpoint, isV4, parseIp, splitHostPort } from '../../core/address.js';
import { DSR_MODES } from '../../core/configuration.js';
import type { FrameView, ServiceSnapshot } from '../../proxy/data-plane.js';
import { Refusal } from '../../proxy/refusal.js';
import { type Argument, asJson, choice, fileName, optional, takeWord, word } from '../argument.js';
import { action, type Command, jsonList, jsonReply, setting } from '../command.js';
import { CommandError, quoted } from '../errors.js';
import { resolvePort } from '../resolve.js';
import type { Service } from '../service.js';

/** IFNAMSIZ of <linux/if.h>, without the NUL. */
const MAX_NAME = 15;

const interfaceName: Argument<string> = {
  usage: 'IF',
  take(words) {
    const name = takeWord(words, 'an interface');
    if (name.length > MAX_NAME || name.includes('/'))
      throw new CommandError(`${quoted(name)} is no name of an interface`);
    return name;
  },
};

const deeds = choice(['master', 'standby', 'detach'] as const);

/** What is to be done; without it `dsr` looks. */
const deed: Argument<'master' | 'standby' | 'detach' | undefined> = {
  usage: `[${deeds.usage}]`,
  isOptional: true,
  isDeed: true,
  take: (words, origin) => (words.isEmpty || words.peek() === '--json' ? undefined : deeds.take(words, origin)),
};

export const dsrCommands: readonly Command[] = [
  setting({
    name: 'dsr_if',
    arguments: [interfaceName],
    section: 'Running',
    help: 'direct server return: send packets for LISTEN (the VIP) on to servers at this interface; chosen at the start',
    run({ draft, service }, name) {
      if (service.engine !== undefined && name !== service.setup.dsrInterface) {
        const inUse = service.setup.dsrInterface;
        const now = inUse === undefined ? 'runs as a proxy' : `returns directly on ${quoted(inUse)}`;
        throw new CommandError(`pen ${now} (to change it restart with -O "dsr_if ${name}")`);
      }
      draft.dsrInterface = name;
      return undefined;
    },
  }),
  setting({
    name: 'dsr_mode',
    arguments: [optional(word('auto|xdp|generic|packet|netmap'))],
    section: 'Running',
    help: 'direct server return: by an XDP program in the driver (xdp) or behind it (generic), or through this process (packet; netmap on FreeBSD); auto takes the first of xdp, generic, packet that is to be had',
    isNew: true,
    run({ draft, service }, mode) {
      if (mode === undefined) return `${draft.dsrMode}\n`;
      const known = DSR_MODES.find((one) => one === mode);
      if (known === undefined) throw new CommandError(`expected ${DSR_MODES.join(', ')}, got ${quoted(mode)}`);
      if (service.engine !== undefined && known !== service.setup.dsrMode)
        throw new CommandError(
          `pen runs in mode ${service.setup.dsrMode} (to change it restart with -O "dsr_mode ${mode}")`,
        );
      draft.dsrMode = known;
      return undefined;
    },
  }),
  setting({
    name: 'dsr_pin',
    arguments: [fileName('DIR')],
    section: 'Running',
    isNew: true,
    help: 'direct server return: packets are sent on beyond the end of pen, which is remembered in DIR, in a bpffs; chosen at the start',
    run({ draft, service }, directory) {
      if (!directory.startsWith('/')) throw new CommandError(`${quoted(directory)} does not begin with /`);
      if (service.engine !== undefined && directory !== service.setup.dsrPin) {
        throw new CommandError(`chosen at the start (to change it restart with -O "dsr_pin ${directory}")`);
      }
      draft.dsrPin = directory;
      return undefined;
    },
  }),
  setting({
    name: 'dsr_role',
    arguments: [choice(['master', 'standby', 'auto'] as const)],
    section: 'Running',
    isNew: true,
    help:
      'direct server return: who says on the link where the VIPs are. master: pen; standby: another balancer; auto: this ' +
      'host for the addresses it has (keepalived)',
    run({ draft }, role) {
      draft.settings.dsrRole = role;
      return undefined;
    },
  }),
  action({
    name: 'dsr',
    arguments: [deed, asJson],
    section: 'Running',
    help:
      'direct server return: VIPs, servers with MAC address and state, packets, flows, drops by reason. master: take the ' +
      'VIPs over; standby: leave them to another balancer; detach: take the program off, with its pins, and end',
    isNew: true,
    run({ service }, what, json) {
      const frames = framesOf(service);
      if (what === undefined) return json ? snapshotJson(frames) : frames.describe();
      if (what !== 'detach') {
        take(frames, what);
        return json ? jsonReply({ role: what }) : undefined;
      }
      const left = frames.detach();
      service.exitSoon();
      if (json) return jsonReply({ left: left ?? null });
      return left === undefined ? undefined : `${left}\n`;
    },
  }),
];

/** `explain SRC[:PORT] DST[:PORT] [tcp|udp]`: which server such a packet would reach, and why. Throws CommandError. */
export async function explainPacket(
  service: Service,
  source: string,
  destination: string,
  protocol = 'tcp',
): Promise<string> {
  if (protocol !== 'tcp' && protocol !== 'udp') throw new CommandError(`expected tcp or udp, got ${quoted(protocol)}`);
  // Names are not looked up, as no packet does.
  const [from, to] = [await parseEndpoint(source), await parseEndpoint(destination)];
  if (from.family !== to.family) {
    throw new CommandError(`${quoted(source)} and ${quoted(destination)} are of different families`);
  }
  return `${framesOf(service).explain(from, to, protocol)}\n`;
}

async function snapshotJson(frames: FrameView): Promise<string> {
  const { interfaceName, services, spares, outcomes, path, ...rest } = await frames.look();
  const head = { interface: interfaceName, ...rest, ...outcomes, path, spares: spares.map(withText) };
  return `${JSON.stringify(head).slice(0, -1)},"vips":${await jsonList(vipRows(services))}}\n`;
}

/** A service at a time: together they may have tens of thousands of servers. */
function* vipRows(services: readonly ServiceSnapshot[]) {
  for (const { reals, ...service } of services) yield { ...service, reals: reals.map(withText) };
}

function withText<T extends { readonly address: IpWords }>(real: T) {
  return { ...real, address: formatIp(real.address) };
}

function take(frames: FrameView, role: 'master' | 'standby'): void {
  try {
    frames.take(role);
  } catch (error) {
    throw error instanceof Refusal ? new CommandError(error.message) : error;
  }
}

function framesOf(service: Service): FrameView {
  const { frames } = service.dataPlane;
  if (!frames) throw new CommandError('pen does not return directly (start it with -O "dsr_if IF")');
  return frames;
}

async function parseEndpoint(text: string): Promise<IpEndpoint> {
  const bare = /^\[([^\]]*)\]$/.exec(text)?.[1] ?? text;
  const whole = parseIp(bare);
  if (whole) return ipEndpoint(whole, 0);
  const { host, port } = splitHostPort(text);
  const address = parseIp(host ?? '');
  if (!address || port === undefined)
    throw new CommandError(`${quoted(text)} is no address (write IP:PORT, IPv6 in brackets)`);
  if (!isV4(address) && !text.startsWith('['))
    throw new CommandError(`${quoted(text)}: write IPv6 with a port as [IP]:PORT`);
  return ipEndpoint(address, await resolvePort(port));
}
