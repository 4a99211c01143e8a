/**
 * The seam between the balancer and its algorithms: given the table, name a server for a client. An algorithm
 * keeps what it works out of a configuration; what it must remember from one connection to the next lives in
 * ServerState, so that all threads choose as one.
 */
import type { ServerTable } from '../server-table.js';

export interface Selector {
  readonly name: string;
  /** Called before the first `select` and whenever the table has been configured. */
  configure(table: ServerTable): void;
  /** A slot that takes this client as a new one, or NONE. Reserves nothing. */
  select(table: ServerTable, address: ArrayLike<number>, port: number, isUnix: boolean, nowMs: number): number;
}
