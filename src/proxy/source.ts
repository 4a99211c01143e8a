/** `source`: the local address of a connection to a server. */
import type { Endpoint } from '../core/address.js';

/** `source` where it can serve: an address of the same family as the server's; undefined leaves it to the kernel. */
export function sourceFor(server: Endpoint, source: Endpoint | undefined): Endpoint | undefined {
  if (source?.kind !== 'ip' || server.kind !== 'ip' || source.family !== server.family) return undefined;
  return source;
}
