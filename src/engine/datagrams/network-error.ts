/**
 * Errors that the network makes of what a connected socket sent: an ICMP message about an earlier datagram, told by the
 * next call, whatever that was for (icmp_err_convert in Linux' net/ipv4/icmp.c, icmpv6_err_convert in net/ipv6/icmp.c).
 * A send tells them too where there is no way to the server at all.
 */
import { ERRNO } from '../../sys/errno.js';

const NETWORK_ERRORS: ReadonlySet<number> = new Set([
  ERRNO.ECONNREFUSED,
  ERRNO.EHOSTUNREACH,
  ERRNO.ENETUNREACH,
  ERRNO.ETIMEDOUT,
  ERRNO.EPROTO,
  ERRNO.ENOPROTOOPT,
  // "Administratively prohibited" of IPv6, which firewalls like to say.
  ERRNO.EACCES,
  // EHOSTDOWN and ENONET, which Node has no names for.
  ...(process.platform === 'linux' ? [112, 64] : []),
]);

/** `error` (-errno) says that the server cannot be reached; any other is about this host or this datagram. */
export function isNetworkError(error: number): boolean {
  return NETWORK_ERRORS.has(-error);
}
