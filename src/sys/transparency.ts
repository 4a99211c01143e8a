/** Whether this process may make sockets with an address that is not this host's. */
import { ERRNO, errnoName } from './errno.js';
import { hasFfi } from './ffi.js';
import { StreamSockets } from './stream-socket.js';
import { CAP_NET_ADMIN } from './uapi/capability.js';
import { AF_INET, SOCKET_ABIS, socketAbi } from './uapi/socket.js';

/**
 * What a process that drops its privileges keeps for transparent sockets. Either of CAP_NET_ADMIN and CAP_NET_RAW
 * would do (do_ip_setsockopt in net/ipv4/ip_sockglue.c). Elsewhere only root may, for good.
 */
export const TRANSPARENCY_CAPABILITIES: readonly number[] = process.platform === 'linux' ? [CAP_NET_ADMIN] : [];

let sockets: StreamSockets | undefined;

/** Why the calling thread cannot make one, with what to do about it; '' if it can. */
export function transparencyObstacle(): string {
  if (!(process.platform in SOCKET_ABIS) || socketAbi.transparent === undefined) {
    return `${process.platform} has no such sockets`;
  }
  if (!hasFfi()) return `no FFI on ${process.platform}-${process.arch}`;
  sockets ??= new StreamSockets();
  const fd = sockets.create(AF_INET, 0);
  const result = fd < 0 ? fd : sockets.setTransparent(fd, AF_INET, true);
  if (fd >= 0) sockets.close(fd);
  if (result === 0) return '';
  return result === -ERRNO.EPERM ? `EPERM (${advice()})` : errnoName(result);
}

function advice(): string {
  if (process.platform !== 'linux') return 'only root may; start pen as root and without -u';
  return 'it takes CAP_NET_ADMIN: start pen as root with "transparent" on, then -u keeps that right and drops the rest';
}
