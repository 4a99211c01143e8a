/** Where a request goes (RFC 9112 3.2), for the forms that are rarer than `/path`, and what its fields say about that. */

import { octetsOf } from '../text.js';

const FORWARDED = octetsOf('forwarded');

/** `http://host[:port][/...]`; users and passwords are refused, as they have no meaning there. */
const ABSOLUTE = /^https?:\/\/([A-Za-z0-9.\-_]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?(?:[/?].*)?$/i;
/** `host:port`, for CONNECT. */
const AUTHORITY = /^([A-Za-z0-9.\-_]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/;

/** True for the forms of RFC 9112 3.2 that are not `/path`; an absolute one must name the host that the Host field names. */
export function isSoundTarget(target: string, host: string | undefined, isConnect: boolean): boolean {
  if (isConnect) return AUTHORITY.test(target);
  if (target === '*') return true;
  const match = ABSOLUTE.exec(target);
  if (!match) return false;
  return host === undefined || host.toLowerCase() === `${match[1]}${match[2] ?? ''}`.toLowerCase();
}

/** The name in a Host field or authority: lower case, without port and last dot; '' if there is none. */
export function hostName(text: string): string {
  const match = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(text);
  return (match?.[1] ?? '').toLowerCase().replace(/\.$/, '');
}

/** True if the value of a Connection field names a field that says who the client is. */
export function namesForwarded(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i + FORWARDED.length <= end; i++) {
    if ((bytes[i] | 0x20) !== FORWARDED[0]) continue;
    let same = 1;
    while (same < FORWARDED.length && (bytes[i + same] | 0x20) === FORWARDED[same]) same++;
    if (same === FORWARDED.length) return true;
  }
  return false;
}
