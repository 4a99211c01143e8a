/** Which addresses are tarpitted: what a list permits by name, and never anybody who is there. */
import { Acl, type AclEntry } from '../core/acl.js';
import { formatIp, type IpWords, isV4 } from '../core/address.js';
import type { Configuration } from '../core/configuration.js';
import type { Vip } from '../core/vip.js';
import { DsrError } from './errors.js';

/** Behind the last entry nobody is listed, whatever the end of a list means elsewhere: it would be all the world. */
const NOBODY_ELSE: readonly AclEntry[] = [
  { permit: false, kind: 'network', address: [0, 0, 0xffff, 0], mask: [-1, -1, -1, 0] },
  { permit: false, kind: 'network', address: [0, 0, 0, 0], mask: [0, 0, 0, 0] },
];

/** Whether there is a tarpit: a list that has entries. */
export function hasTarpit({ settings, acls }: Configuration): boolean {
  return settings.tarpitAcl >= 0 && (acls[settings.tarpitAcl]?.length ?? 0) > 0;
}

/** The list for the tables: without the VIPs, the servers, and the balancer's `own` addresses. Empty without a tarpit. */
export function tarpitEntries(
  configuration: Configuration,
  listen: Vip | undefined,
  own: readonly IpWords[],
): AclEntry[] {
  const list = listOf(configuration);
  if (list.length === 0) return [];
  const tarpit = new Acl(list);
  const { servers, emergency, abuse, vips } = configuration;
  const present = [
    ...own,
    ...(listen ? [listen.address] : []),
    ...[...servers, emergency, abuse].map((spec) =>
      spec?.endpoint?.kind === 'ip' ? spec.endpoint.address : undefined,
    ),
    ...vips.flatMap((vip) => [vip.address, ...vip.servers.map(({ address }) => address)]),
  ];
  const spared = present.filter((address) => address !== undefined && tarpit.permits(address)) as IpWords[];
  return [...spared.map(entryOf), ...list];
}

/** Throws a DsrError if the list has a VIP: whoever wrote it did not mean that. */
export function requireTarpitApart(configuration: Configuration, listen: Vip | undefined): void {
  const list = listOf(configuration);
  if (list.length === 0) return;
  const tarpit = new Acl(list);
  const covered = [...(listen ? [listen] : []), ...configuration.vips].find(({ address }) => tarpit.permits(address));
  if (!covered) return;
  const { tarpitAcl } = configuration.settings;
  const vip = formatIp(covered.address);
  throw new DsrError(
    `tarpit_acl ${tarpitAcl}: the list has the VIP ${vip} (deny that first: no acl ${tarpitAcl}, acl ${tarpitAcl} deny ${vip}, then the rest)`,
  );
}

function listOf(configuration: Configuration): readonly AclEntry[] {
  return hasTarpit(configuration) ? [...configuration.acls[configuration.settings.tarpitAcl], ...NOBODY_ELSE] : [];
}

function entryOf(address: IpWords): AclEntry {
  const mask: IpWords = [-1, -1, -1, -1];
  return { permit: false, kind: 'network', address: isV4(address) ? address : [...address], mask };
}
