/** Whether this process may make sockets with an address that is not this host's. */
import { permitsCapability } from './capabilities.js';
import { ERRNO, errnoName } from './errno.js';
import { hasFfi } from './ffi.js';
import { StreamSockets } from './stream-socket.js';
import { CAP_NET_ADMIN, CAP_NET_RAW } from './uapi/capability.js';
import { AF_INET, SOCKET_ABIS, socketAbi } from './uapi/socket.js';

/**
 * What a process that drops its privileges is to keep for transparent sockets (Linux; elsewhere it must stay root).
 * Either of CAP_NET_ADMIN and CAP_NET_RAW does (do_ip_setsockopt in net/ipv4/ip_sockglue.c): root in a container often
 * has the second alone.
 */
export function transparencyCapabilities(): readonly number[] {
  if (process.platform !== 'linux') return [];
  return [CAP_NET_ADMIN, CAP_NET_RAW].filter(permitsCapability).slice(0, 1);
}

let sockets: StreamSockets | undefined;

/** Why nobody can make one here; '' if somebody with the privilege can. */
export function transparencyLack(): string {
  const isKnown = process.platform in SOCKET_ABIS && socketAbi.transparent !== undefined;
  if (!isKnown) return `${process.platform} has no such sockets`;
  return hasFfi() ? '' : `no FFI on ${process.platform}-${process.arch}`;
}

/** Why the calling thread cannot make one, with what to do about it; '' if it can. */
export function transparencyObstacle(): string {
  const lack = transparencyLack();
  if (lack !== '') return lack;
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
