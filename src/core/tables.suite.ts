/** Server tables for tests: short specs in, a configured table out. */
import type { AclEntry } from './acl.js';
import { type IpWords, ipEndpoint, parseIp } from './address.js';
import {
  type Configuration,
  defaultSettings,
  emptyConfiguration,
  emptySlot,
  type ServerSpec,
  type Settings,
} from './configuration.js';
import { ServerState } from './server-state.js';
import { ServerTable } from './server-table.js';

export function ip(text: string): IpWords {
  const words = parseIp(text);
  if (!words) throw new Error(`not an address: ${text}`);
  return words;
}

/** A server on 10.1.x.y:80 where x.y is `n`; `undefined` spec fields are the defaults of `server N`. */
export function server(n: number, spec: Partial<ServerSpec> = {}): ServerSpec {
  return { ...emptySlot, endpoint: ipEndpoint(ip(`10.1.${n >> 8}.${n & 255}`), 80), ...spec };
}

/** The first `count` of a row of servers, each with the same spec. */
export function row(count: number, spec: Partial<ServerSpec> = {}): ServerSpec[] {
  return Array.from({ length: count }, (_, n) => server(n, spec));
}

export function configuration(
  servers: readonly ServerSpec[],
  settings: Partial<Settings> = {},
  rest: Partial<Configuration> = {},
): Configuration {
  return { ...emptyConfiguration, servers, settings: { ...defaultSettings, ...settings }, ...rest };
}

/** The ten lists, those given by number and the others empty. */
export function acls(lists: Record<number, readonly AclEntry[]>): Configuration['acls'] {
  return emptyConfiguration.acls.map((empty, n) => lists[n] ?? empty);
}

/** An entry for one address, as `acl N permit|deny ADDRESS` makes it. */
export function only(permit: boolean, address: string): AclEntry {
  return { kind: 'network', permit, address: ip(address), mask: [-1, -1, -1, -1] };
}

export function tableOf(...args: Parameters<typeof configuration>): ServerTable {
  const table = new ServerTable(new ServerState(ServerState.allocate()));
  table.configure(configuration(...args));
  return table;
}

/** Seeded random integers below `n` (mulberry32). */
export function randomFrom(seed: number): (n: number) => number {
  let state = seed | 0;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}
