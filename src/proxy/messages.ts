/** What the main thread and a worker say to each other. Plain values; shared memory travels once, at the start. */
import type { Endpoint } from '../core/address.js';
import type { ClientTableMemory } from '../core/client-table.js';
import type { Configuration } from '../core/configuration.js';
import type { ServerStateMemory } from '../core/server-state.js';
import type { EngineName } from '../engine/engine.js';
import type { LogRingMemory } from '../weblog/log-ring.js';
import type { ConnectionMemory } from './connection-table.js';

export interface WorkerStart {
  readonly engine: EngineName;
  readonly configuration: Configuration;
  readonly servers: ServerStateMemory;
  readonly clients: ClientTableMemory;
  readonly connections: ConnectionMemory;
  /** Where it writes what is to be logged. */
  readonly log: LogRingMemory;
  /** One Int32: the number of messages sent so far; a worker that finds it ahead of its own count has mail. */
  readonly mail: SharedArrayBuffer;
  /** One Int32 for all workers: not 0 if some worker is short of places (`-x`). */
  readonly shortage: SharedArrayBuffer;
  /** The counters of transparency.ts, of all workers. */
  readonly transparency: SharedArrayBuffer;
  /** Why datagrams were dropped, over all workers: see udp-drops.ts. */
  readonly drops: SharedArrayBuffer;
  /** One Float64 a server slot: when some worker last heard of it, in milliseconds. For UDP. */
  readonly heard: SharedArrayBuffer;
  /** Workers that there are, and which of them this one is, from 0. */
  readonly threads: number;
  readonly place: number;
  /** Connections that the descriptor limit leaves room for. */
  readonly connectionCapacity: number;
  /** Counts of handshakes, see tls/vault.ts. */
  readonly tlsCounts: SharedArrayBuffer;
}

export interface ConfigurationChanges extends Partial<Omit<Configuration, 'acls'>> {
  /** By ACL number. */
  readonly acls: ReadonlyMap<number, Configuration['acls'][number]>;
}

export type ToWorker =
  /** Only the parts that have changed: what stays the same object need not be compiled again. */
  | { readonly type: 'configure'; readonly changes: ConfigurationChanges }
  /** With a descriptor: it listens there already; accept on it. */
  | { readonly type: 'listen'; readonly endpoint: Endpoint; readonly descriptor?: number }
  | { readonly type: 'close'; readonly connection: number }
  /** Another worker has given back a place while this one had clients waiting for one. */
  | { readonly type: 'nudge' }
  /** Privileges have been dropped: the worker's thread leaves itself these (sys/capabilities.ts). */
  | { readonly type: 'reduceCapabilities'; readonly keep: readonly number[] }
  | { readonly type: 'stop' };

export type FromWorker =
  | {
      readonly type: 'started';
      readonly wakeDescriptor: number;
      readonly ownDescriptors: readonly number[];
      /** The kernel's number of the thread, 0 where /proc does not tell. */
      readonly thread: number;
    }
  | { readonly type: 'listening'; readonly endpoint: Endpoint }
  | { readonly type: 'listenFailed'; readonly errno: number }
  /** A place has been given back and some worker is short of places. */
  | { readonly type: 'placesFree' }
  | { readonly type: 'capabilitiesReduced' }
  /** A line for the log, seen by everybody at level 0. */
  | { readonly type: 'log'; readonly level: number; readonly line: string }
  /** Every descriptor of the worker's has been closed. */
  | { readonly type: 'stopped' };

/** What must be sent to someone who has `before` so that he has `after`. */
export function changesBetween(before: Configuration, after: Configuration): ConfigurationChanges {
  const acls = new Map([...after.acls.entries()].filter(([number, entries]) => entries !== before.acls[number]));
  return {
    acls,
    ...(before.settings !== after.settings && { settings: after.settings }),
    ...(before.servers !== after.servers && { servers: after.servers }),
    ...(before.emergency !== after.emergency && { emergency: after.emergency }),
    ...(before.abuse !== after.abuse && { abuse: after.abuse }),
    ...(before.tls !== after.tls && { tls: after.tls }),
    ...(before.tickets !== after.tickets && { tickets: after.tickets }),
  };
}

export function withChanges(before: Configuration, changes: ConfigurationChanges): Configuration {
  const acls = before.acls.map((entries, number) => changes.acls.get(number) ?? entries);
  return { ...before, ...changes, acls };
}
