/** What the program must be able to do for what there is; one that can do all is slower. */
import { isV4 } from '../core/address.js';
import type { Configuration } from '../core/configuration.js';
import { ADDRESS_BITS, type Vip } from '../core/vip.js';
import type { ProgramOptions } from './layout.js';
import { hasTarpit } from './tarpit-list.js';

/** All but tunnels, which are used before a configuration says so. */
export function programOptions(
  services: readonly { readonly vip: Vip }[],
  configuration: Configuration,
): Omit<ProgramOptions, 'tunnels'> {
  const { settings, acls } = configuration;
  const families = new Set(services.map(({ vip }) => (isV4(vip.address) ? 4 : 6)));
  const acl = (acls[settings.clientAcl]?.length ?? 0) > 0;
  const prefixes = services.some(({ vip }) => vip.bits < ADDRESS_BITS);
  const tarpit = hasTarpit(configuration);
  // Without a VIP there is nothing to know, but a program there must be.
  return {
    ipv4: families.has(4) || families.size === 0 || tarpit,
    ipv6: families.has(6) || tarpit,
    vlan: true,
    acl,
    prefixes,
    tarpit,
  };
}
