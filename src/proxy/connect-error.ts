/** Why a connect failed: the server's doing, or this host's, which blames nobody. */
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
