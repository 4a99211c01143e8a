/** What a data plane has to tell of connections where none pass through: clients and servers speak to each other. */
import { ClientTable } from '../core/client-table.js';
import type { ConnectionSnapshot, DataPlane } from '../proxy/data-plane.js';
import { Transparency } from '../proxy/transparency.js';
import { NO_TLS_COUNTS, type TlsCounts } from '../tls/counts.js';

type OfConnections =
  | 'clients'
  | 'transparency'
  | 'logRings'
  | 'reduceCapabilities'
  | 'idlers'
  | 'connectionsInUse'
  | 'workers'
  | 'activeConnections'
  | 'tlsCounts'
  | 'connection'
  | 'connectionOfSocket'
  | 'closeConnection';

export abstract class Connectionless implements Pick<DataPlane, OfConnections> {
  readonly clients = new ClientTable(ClientTable.allocate(0));
  readonly transparency = new Transparency(Transparency.allocate()).counters;
  /** Nothing to log. */
  readonly logRings = [];

  /** There are no workers; what is open stays open. */
  async reduceCapabilities(): Promise<void> {}

  tlsCounts(): TlsCounts {
    return NO_TLS_COUNTS;
  }

  idlers(): number {
    return 0;
  }

  connectionsInUse(): number {
    return 0;
  }

  workers(): [] {
    return [];
  }

  activeConnections(): [] {
    return [];
  }

  connection(): ConnectionSnapshot | undefined {
    return undefined;
  }

  connectionOfSocket(): number {
    return -1;
  }

  closeConnection(): boolean {
    return false;
  }
}
