/**
 * Which groups the interface must let in: who looks for an IPv6 address asks a group that only its owner has joined
 * (RFC 4861 7.2.2), and neither network card nor switch would let the question through to us, who own none of the VIPs.
 */
import { type IpWords, isV4 } from '../core/address.js';
import type { Configuration } from '../core/configuration.js';
import { ADDRESS_BITS, type Vip } from '../core/vip.js';
import { solicitedNodeGroup } from '../frame/ndp.js';
import { MulticastGroups } from '../sys/multicast-groups.js';
import { addressBytes } from './record.js';
import { hasTarpit } from './tarpit-list.js';

export class GroupMembership {
  readonly #groups: MulticastGroups;

  /** Throws a SystemError: ENODEV, EPERM. */
  constructor(interfaceName: string) {
    this.#groups = new MulticastGroups(interfaceName);
  }

  /** Joins for these services, in whatever role: the kernel ignores what comes for a standby. */
  follow(services: readonly { readonly vip: Vip }[], configuration: Configuration): void {
    const six = services.map(({ vip }) => vip).filter(({ address }) => !isV4(address));
    const whole = six.filter(({ bits }) => bits === ADDRESS_BITS);
    this.#groups.set(whole.map(({ address }) => groupOf(address)));
    // Addresses of a prefix, or of a list, have more groups than can be joined.
    this.#groups.hearEverything(whole.length < six.length || isSixTarpitted(configuration));
  }

  close(): void {
    this.#groups.close();
  }
}

function isSixTarpitted(configuration: Configuration): boolean {
  const { acls, settings } = configuration;
  if (!hasTarpit(configuration)) return false;
  return acls[settings.tarpitAcl].some((entry) => entry.permit && entry.kind === 'network' && !isV4(entry.address));
}

function groupOf(address: IpWords): Uint8Array {
  return solicitedNodeGroup(addressBytes(address));
}
