/**
 * The few things the engine needs of Node's own handle objects that `node:net` does not offer, all in one
 * place. They have been stable since Node 8 (cluster and http2 are built on them), and each is probed: where
 * one is missing, the engine does what the public interface allows.
 *
 * Stopping to accept. libuv accepts as long as a listening handle lives, and closing it would drop whoever
 * waits in the listen queue. But a stream handle can stop reading, and on a listening handle that means "stop
 * polling the descriptor": the queue stays in the kernel. libuv refuses to start reading again unless the
 * handle is marked readable, a mark that only `open(fd)` sets; so a bound handle is opened on its own
 * descriptor before it listens (libuv allows that for the descriptor the handle already has). Windows has no
 * descriptors: there, connections that libuv accepts ahead of a grant are held unread until there is one.
 */
import { existsSync } from 'node:fs';
import net from 'node:net';
import { dirname } from 'node:path';
import { getSystemErrorName } from 'node:util';
import type { Endpoint } from '../../core/address.js';
import { formatIp } from '../../core/address.js';
import { ERRNO } from '../../sys/errno.js';

/** A TCP or pipe handle of Node; results are 0 or libuv's negative error numbers. */
export interface NativeHandle {
  readonly fd?: number;
  onconnection?: (status: number, client: NativeHandle | undefined) => void;
  open?(fd: number): number;
  listen?(backlog: number): number;
  readStart?(): number;
  readStop?(): number;
  getpeername?(out: { address?: string; port?: number }): number;
  getsockname?(out: { address?: string; port?: number }): number;
  reset?(done: () => void): number;
  close(done?: () => void): void;
}

/** The handle of a server or socket; undefined once it is closed. */
export function handleOf(owner: net.Server | net.Socket): NativeHandle | undefined {
  return (owner as unknown as { _handle: NativeHandle | null })._handle ?? undefined;
}

type CreateServerHandle = (address: string, port: number, type: number, fd?: number) => NativeHandle | number;

/** A handle that is bound, does not listen yet, and can stop accepting; -errno; undefined where that is not to be had. */
export function bindStoppable(endpoint: Endpoint): NativeHandle | number | undefined {
  const create = (net as unknown as { _createServerHandle?: CreateServerHandle })._createServerHandle;
  if (typeof create !== 'function' || process.platform === 'win32') return undefined;
  const handle =
    endpoint.kind === 'unix'
      ? create(endpoint.path, -1, -1)
      : create(formatIp(endpoint.address), endpoint.port, endpoint.family);
  // libuv says EACCES for a folder that does not exist, as Windows would.
  if (handle === -ERRNO.EACCES && endpoint.kind === 'unix' && !existsSync(dirname(endpoint.path))) return -ERRNO.ENOENT;
  if (typeof handle === 'number') return errnoOfLibuv(handle);
  if (typeof handle.fd === 'number' && handle.fd >= 0 && handle.open?.(handle.fd) === 0) return handle;
  handle.close();
  return undefined;
}

/** A handle for a descriptor that listens already, able to stop accepting; -errno where Node cannot open it. */
export function openStoppable(descriptor: number): NativeHandle | number {
  const create = (net as unknown as { _createServerHandle?: CreateServerHandle })._createServerHandle;
  const handle = create?.('', 0, 0, descriptor) ?? -ERRNO.ENOSYS;
  return typeof handle === 'number' ? errnoOfLibuv(handle) : handle;
}

/** libuv's negative number as this platform's: they differ on Windows only. */
export function errnoOfLibuv(status: number): number {
  if (process.platform !== 'win32') return status;
  return errnoOfCode(getSystemErrorName(status));
}

/** The negative errno of an error that Node made of a failed system call. */
export function errnoOfError(error: Error): number {
  const { errno, code } = error as NodeJS.ErrnoException;
  if (process.platform !== 'win32' && errno !== undefined && errno < 0) return errno;
  return errnoOfCode(code);
}

function errnoOfCode(code: string | undefined): number {
  return -((ERRNO as Record<string, number>)[code ?? ''] ?? ERRNO.EIO);
}
