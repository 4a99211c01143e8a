/** What accept(2) may answer instead of a client. */
import { ERRNO } from '../sys/errno.js';

/** Descriptors or memory have run out: accepting rests until somebody says that there are more. */
export function isExhausted(result: number): boolean {
  const errno = -result;
  return errno === ERRNO.EMFILE || errno === ERRNO.ENFILE || errno === ERRNO.ENOBUFS || errno === ERRNO.ENOMEM;
}

/** That client has gone, or its connection has failed already (accept(2), Error handling): the next one may be well. */
export function isPassing(result: number): boolean {
  const errno = -result;
  return (
    errno === ERRNO.ECONNABORTED ||
    errno === ERRNO.EINTR ||
    errno === ERRNO.EPROTO ||
    errno === ERRNO.EPERM ||
    errno === ERRNO.ENETDOWN ||
    errno === ERRNO.EHOSTUNREACH ||
    errno === ERRNO.ENETUNREACH
  );
}
