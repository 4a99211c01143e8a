/** Direct server return: on which interface, what it does, and where a packet would go. */
import type { IpEndpoint } from '../../core/address.js';
import { ipEndpoint, isV4, parseIp, splitHostPort } from '../../core/address.js';
import { DSR_MODES } from '../../core/configuration.js';
import type { FrameView } from '../../proxy/data-plane.js';
import { type Argument, optional, takeWord, word } from '../argument.js';
import { action, type Command, setting } from '../command.js';
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
  action({
    name: 'dsr',
    section: 'Looking',
    help: 'direct server return: VIPs, servers with MAC address and state, packets, flows, drops by reason',
    isNew: true,
    run({ service }) {
      return framesOf(service).describe();
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
