/** Starts direct server return: checks what is asked for, opens a path for the packets, and lets clients in. */
import { randomInt } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { maglevSize } from '../core/selection/maglev.js';
import { choosePath } from './choose-path.js';
import { type DsrOptions, DsrPlane } from './dsr-plane.js';
import { GroupMembership } from './group-membership.js';
import { foreignTo, vethWarning } from './interface-facts.js';
import { defaultDimensions } from './layout.js';
import { LinkProbes } from './link-probes.js';
import { OwnInterface } from './own-interface.js';
import type { Link } from './path.js';
import { requireServices, requireVip } from './requirements.js';
import { pagesToMake } from './room.js';
import { listenVip, pagesFor } from './services.js';
import { requireTarpitApart } from './tarpit-list.js';
import { claimedBy, VipClaims } from './vip-claims.js';

/** Resolves when packets are sent on; rejects with a DsrError, SystemError or BpfError, leaving nothing behind. */
export async function startDsr(options: DsrOptions): Promise<DsrPlane> {
  const { interfaceName, configuration, udp } = options;
  const own = new OwnInterface(interfaceName);
  const foreign = foreignTo(configuration, interfaceName);
  const listen = options.listen && listenVip(requireVip(options.listen, interfaceName, foreign), udp);
  requireServices(configuration, listen, { interfaceName, own: foreign });
  requireTarpitApart(configuration, listen);
  const slots = maglevSize(configuration.servers.length);
  const size = { ...defaultDimensions, pages: pagesToMake(pagesFor(configuration, slots)) };
  const all = { ipv4: true, ipv6: true, vlan: true, acl: true, tunnels: true, prefixes: true, tarpit: true };
  const { mode, pinDirectory, log, failed } = options;
  const random = () => randomInt(2 ** 32);
  const threads = configuration.settings.threads || availableParallelism();
  const path = choosePath({ mode, pinDirectory, interfaceName, size, threads, program: all, random, log, failed });
  const warning = path.mode === 'native' ? vethWarning(interfaceName) : undefined;
  if (warning !== undefined) log(warning);
  let probes: Link | undefined;
  let groups: GroupMembership | undefined;
  // Of a program the kernel lets an interface have one, of packet sockets any number.
  const claims = path.mode === 'packet' ? new VipClaims(interfaceName) : undefined;
  try {
    claims?.take(claimedBy(configuration, listen));
    probes = path.link ?? new LinkProbes(interfaceName);
    groups = new GroupMembership(interfaceName);
    const plane = new DsrPlane(options, { path, claims, probes, groups, own, size, slots, listen });
    await plane.begin();
    return plane;
  } catch (error) {
    probes?.close();
    groups?.close();
    own.close();
    await path.close();
    claims?.close();
    throw error;
  }
}
