/** From one Setup to the next, as the data plane is told. */
import { type Endpoint, formatEndpoint } from '../core/address.js';
import type { Configuration } from '../core/configuration.js';
import { isUnspecified, type Setup } from './draft.js';
import type { TlsKeeper } from './tls-keeper.js';

/** What the data plane gets: a row whose address is 0.0.0.0 keeps its port for people, but is empty for traffic. */
export function published(bare: Configuration, { inForce }: TlsKeeper): Configuration {
  const { loaded, tickets } = inForce;
  const configuration = { ...bare, tls: loaded.plan, tickets };
  if (!configuration.servers.some((server) => isUnspecified(server.endpoint))) return configuration;
  const servers = configuration.servers.map((server) =>
    isUnspecified(server.endpoint) ? { ...server, endpoint: undefined } : server,
  );
  return { ...configuration, servers };
}

/** Rows that have got another server: what was learnt about the one before, or ordered of it, is not about this one. */
export function replacedSlots(was: Setup, now: Setup): number[] {
  const before = was.configuration.servers;
  if (now.configuration.servers === before) return [];
  return now.configuration.servers.flatMap(({ endpoint }, slot) => {
    const old = before[slot]?.endpoint;
    return endpoint && old !== endpoint && !isSame(old, endpoint) ? [slot] : [];
  });
}

export function isSame(a: Endpoint | undefined, b: Endpoint | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && formatEndpoint(a) === formatEndpoint(b));
}
