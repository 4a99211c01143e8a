/** Who gets at a control port: it is unauthenticated, so strangers must be kept out by address. */
import { Acl, type AclEntry } from '../core/acl.js';
import { type Endpoint, formatEndpoint, type IpEndpoint, type IpWords, isV4 } from '../core/address.js';
import type { Setup } from './draft.js';
import { CommandError } from './errors.js';

/** 127.0.0.1 */
export const LOOPBACK_V4: IpWords = [0, 0, 0xffff, 0x7f000001];

/** Whether only this machine can reach the address: 127.0.0.0/8 (RFC 1122) and ::1 (RFC 4291). */
export function isLoopback({ address }: IpEndpoint): boolean {
  if (isV4(address)) return address[3] >>> 24 === 127;
  return address[0] === 0 && address[1] === 0 && address[2] === 0 && address[3] === 1;
}

/** Throws CommandError if a control port would be open to the world. */
export function requireGuarded(endpoint: Endpoint, { configuration }: Setup): void {
  if (endpoint.kind === 'unix' || isLoopback(endpoint)) return;
  const { controlAcl } = configuration.settings;
  if (!admitsStrangers(configuration.acls[controlAcl] ?? [], endpoint)) return;
  throw new CommandError(
    `control port ${formatEndpoint(endpoint)} would be open to the world (let control_acl, now ${controlAcl}, permit only your hosts)`,
  );
}

/** Who may talk at the control port. */
export function controlAclOf({ configuration }: Setup): Acl {
  return new Acl(configuration.acls[configuration.settings.controlAcl] ?? []);
}

/** Whether an address that no entry names gets in. An IPv6 listener hears IPv4 clients as well. */
export function admitsStrangers(entries: readonly AclEntry[], endpoint: IpEndpoint): boolean {
  if (endpoint.family === 4) return decidesForRest(entries, coversAllV4);
  return decidesForRest(entries, coversAllV4) || decidesForRest(entries, coversAllV6);
}

function decidesForRest(entries: readonly AclEntry[], coversAll: (entry: AclEntry) => boolean): boolean {
  const decision = entries.find(coversAll);
  return decision ? decision.permit : !entries.at(-1)?.permit;
}

function coversAllV4(entry: AclEntry): boolean {
  return entry.kind === 'network' && isV4(entry.address) && entry.mask[2] === -1 && entry.mask[3] === 0;
}

function coversAllV6(entry: AclEntry): boolean {
  return entry.kind === 'network' && entry.mask[0] === 0 && entry.mask[2] === 0 && entry.mask[3] === 0;
}
