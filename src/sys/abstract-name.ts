/**
 * Names of Unix sockets that are in no file system (unix(7), abstract): one socket of a network namespace has each, until
 * it is closed, by whatever kind of death. A lock that needs no file and outlives nobody; Linux.
 */
import { ERRNO, SystemError } from './errno.js';
import { check, lastErrno, libc } from './libc.js';
import { type Mapping, mapAnonymous } from './memory.js';
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from './uapi/socket.js';

/** sun_path, whose first byte is 0. */
const MOST_BYTES = 107;

/** The address at hand; kept, as thousands of names are taken one after the other. */
let scratch: Mapping | undefined;

/** A descriptor that has the name until it is closed; undefined if somebody has it. Throws a SystemError. */
export function takeAbstractName(name: string): number | undefined {
  const bytes = Buffer.from(name);
  if (bytes.length > MOST_BYTES) throw new RangeError(`'${name}' is longer than ${MOST_BYTES} bytes`);
  const fd = check(libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 'open a socket for', name);
  scratch ??= mapAnonymous(4096);
  new DataView(scratch.buffer).setUint16(0, AF_UNIX, true);
  new Uint8Array(scratch.buffer).set(bytes, 3);
  if (libc().bind(fd, scratch.address, 3 + bytes.length) === 0) return fd;
  const errno = lastErrno();
  libc().close(fd);
  if (errno === ERRNO.EADDRINUSE) return undefined;
  throw new SystemError('take the name', errno, name);
}
