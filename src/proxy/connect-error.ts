/** Why a connect failed: the server's doing, or this host's, which blames nobody. */
import { CAUSES, type Cause } from '../core/meters.js';
import { ERRNO } from '../sys/errno.js';

const SHORTAGES = new Set([
  ERRNO.EMFILE,
  ERRNO.ENFILE,
  ERRNO.ENOBUFS,
  ERRNO.ENOMEM,
  // A Unix server's queue is full.
  ERRNO.EAGAIN,
]);

const FAULTS = new Set([ERRNO.EADDRNOTAVAIL, ERRNO.EADDRINUSE, ERRNO.EAFNOSUPPORT, ERRNO.EINVAL, ERRNO.EPERM]);

/** `result` (-errno): something has run out that will be there again: worth waiting for. */
export function isShortage(result: number): boolean {
  return SHORTAGES.has(-result);
}

/** `result` (-errno): the connect failed on this host before it reached the server. */
export function isOurFault(result: number): boolean {
  return FAULTS.has(-result);
}

const causes = new Map<number, Cause>([
  [ERRNO.ECONNREFUSED, 'refused'],
  [ERRNO.ENOENT, 'refused'],
  [ERRNO.ETIMEDOUT, 'timeout'],
  [ERRNO.EHOSTUNREACH, 'unreachable'],
  [ERRNO.ENETUNREACH, 'unreachable'],
  [ERRNO.ENETDOWN, 'unreachable'],
  [ERRNO.ECONNRESET, 'reset'],
]);

const LOCAL = CAUSES.indexOf('local');
const OTHER = CAUSES.indexOf('other');
const places = new Map([...causes].map(([errno, cause]) => [errno, CAUSES.indexOf(cause)]));

/** `result` (-errno): what to count it as, a place in CAUSES. */
export function causeOf(result: number): number {
  return isOurFault(result) || isShortage(result) ? LOCAL : (places.get(-result) ?? OTHER);
}
