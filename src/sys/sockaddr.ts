/**
 * struct sockaddr_in, sockaddr_in6 and sockaddr_un <-> Endpoint:
 *
 *   sockaddr_in   family:16 port:16be address:32be zero:64
 *   sockaddr_in6  family:16 port:16be flowinfo:32 address:128be scope:32
 *   sockaddr_un   family:16 path (NUL-terminated, or by length)
 *
 * On the BSDs and macOS the family has 8 bits and the length of the whole stands before it: length:8 family:8.
 */
import type { Endpoint, IpWords } from '../core/address.js';
import { AF_INET, AF_UNIX, type SocketAbi, socketAbi } from './uapi/socket.js';

/** ::ffff:0:0/96, the third word of an IPv4-mapped address. */
const MAPPED = 0xffff;

export function familyOf(endpoint: Endpoint, abi: SocketAbi = socketAbi): number {
  if (endpoint.kind === 'unix') return AF_UNIX;
  return endpoint.family === 4 ? AF_INET : abi.AF_INET6;
}

/** Writes the address at `offset` and returns its length in bytes; throws a RangeError on a path that is too long. */
export function writeSockaddr(view: DataView, offset: number, endpoint: Endpoint, abi: SocketAbi = socketAbi): number {
  const family = familyOf(endpoint, abi);
  if (endpoint.kind === 'ip') return writeIpSockaddr(view, offset, family, endpoint.address, endpoint.port, abi);
  const path = Buffer.from(endpoint.path);
  const pathMax = abi.UNIX_PATH_MAX;
  if (path.length >= pathMax) {
    throw new RangeError(`cannot use socket path "${endpoint.path}": longer than ${pathMax - 1} bytes`);
  }
  for (let i = 0; i < path.length; i++) view.setUint8(offset + 2 + i, path[i] as number);
  view.setUint8(offset + 2 + path.length, 0);
  return writeHead(view, offset, family, 2 + path.length + 1, abi);
}

/** The same for an address of four words (IPv4 mapped) and a port, as a sockaddr of that family. */
export function writeIpSockaddr(
  view: DataView,
  offset: number,
  family: number,
  words: ArrayLike<number>,
  port: number,
  abi: SocketAbi = socketAbi,
): number {
  view.setUint16(offset + 2, port, false);
  if (family === AF_INET) {
    view.setInt32(offset + 4, words[3] as number, false);
    view.setFloat64(offset + 8, 0);
    return writeHead(view, offset, family, 16, abi);
  }
  view.setUint32(offset + 4, 0);
  for (let i = 0; i < 4; i++) view.setInt32(offset + 8 + 4 * i, words[i] as number, false);
  view.setUint32(offset + 24, 0);
  return writeHead(view, offset, family, 28, abi);
}

function writeHead(view: DataView, offset: number, family: number, length: number, abi: SocketAbi): number {
  if (abi.hasLength) {
    view.setUint8(offset, length);
    view.setUint8(offset + 1, family);
  } else {
    view.setUint16(offset, family, true);
  }
  return length;
}

/** Reads the IP address at `offset` into `words` (IPv4 as IPv4-mapped); returns the port, -1 if it is no IP address. */
export function readIpSockaddr(view: DataView, offset: number, words: Int32Array, abi: SocketAbi = socketAbi): number {
  const family = abi.hasLength ? view.getUint8(offset + 1) : view.getUint16(offset, true);
  if (family === AF_INET) {
    words[0] = 0;
    words[1] = 0;
    words[2] = MAPPED;
    words[3] = view.getInt32(offset + 4, false);
  } else if (family === abi.AF_INET6) {
    for (let i = 0; i < 4; i++) words[i] = view.getInt32(offset + 8 + 4 * i, false);
  } else {
    words.fill(0);
    return -1;
  }
  return view.getUint16(offset + 2, false);
}

/** The endpoint at `offset`, `length` bytes long. */
export function readSockaddr(view: DataView, offset: number, length: number, abi: SocketAbi = socketAbi): Endpoint {
  const words = new Int32Array(4);
  const port = readIpSockaddr(view, offset, words, abi);
  if (port >= 0) {
    const family = (abi.hasLength ? view.getUint8(offset + 1) : view.getUint16(offset, true)) === AF_INET ? 4 : 6;
    return { kind: 'ip', family, address: [...words] as unknown as IpWords, port };
  }
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset + 2, Math.max(0, length - 2));
  const end = bytes.indexOf(0);
  return { kind: 'unix', path: Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString() };
}
