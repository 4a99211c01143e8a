/** Why an address cannot be listened on, for people: the name of the error and what it means there. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Endpoint } from '../core/address.js';
import { causeOf } from './errors.js';

const hints: Readonly<Record<Endpoint['kind'], Readonly<Record<string, string>>>> = {
  ip: {
    EACCES: 'start as root, with -u to drop privileges, or choose a port from 1024 on',
    EADDRINUSE: 'another program listens there',
    EADDRNOTAVAIL: 'no address of this machine',
  },
  unix: {
    EACCES: 'the folder does not admit this user',
    EADDRINUSE: 'another program listens there',
    ENOENT: 'the folder does not exist',
    ENOTSOCK: 'the file exists and is no socket',
  },
};

/** `EADDRINUSE (another program listens there)`. */
export function listenCause(error: unknown, endpoint: Endpoint): string {
  const code = codeOf(error, endpoint);
  const hint = hints[endpoint.kind][code];
  return hint === undefined ? code : `${code} (${hint})`;
}

/** libuv calls a folder that is not there EACCES, as Windows does. */
function codeOf(error: unknown, endpoint: Endpoint): string {
  const code = causeOf(error);
  const isMissing = code === 'EACCES' && endpoint.kind === 'unix' && !existsSync(dirname(endpoint.path));
  return isMissing ? 'ENOENT' : code;
}
