/**
 * The connections of one worker: a column a field, in shared memory, so that the control plane can look on.
 * Written by the worker only; a reader on another thread may see a row that is changing, never a torn field.
 *
 * The columns are reserved at their largest size; the kernel commits what is touched, and rows are handed out
 * lowest number first, so memory follows the peak number of connections.
 */
import { MAX_CONNECTIONS, NONE } from '../core/configuration.js';
import { FROM_UNIX } from './connection-flag.js';

/** 0, 1 and 2 are what C Pen's `connection N` calls them. */
export const STATE = {
  free: 0,
  connecting: 1,
  relaying: 2,
  /** Accepted, but there is no place or no descriptor for it yet. */
  waiting: 3,
  /** Connected to a server ahead of any client (`idlers`). */
  idler: 4,
  /** Answered by ourselves (`dummy`). */
  dummy: 5,
  /** An idler whose connect is under way. */
  reaching: 6,
  /** Its first bytes decide who it is or which server it gets. */
  hearing: 7,
  /** It is told why it is refused, and then closed. */
  refusing: 8,
  /** The client's TLS handshake is under way. */
  securing: 9,
} as const;

const COLUMNS = {
  state: Uint8Array,
  flags: Uint16Array,
  peerPort: Uint16Array,
  clientSocket: Int32Array,
  serverSocket: Int32Array,
  client: Int32Array,
  clientGeneration: Int32Array,
  server: Int32Array,
  firstServer: Int32Array,
  sinceMs: Float64Array,
  lastActiveMs: Float64Array,
  lastUnsent: Float64Array,
} as const;

export type ConnectionMemory = Readonly<Record<keyof typeof COLUMNS | 'peer' | 'totals', SharedArrayBuffer>>;

const HIGH_WATER = 0;
const IDLERS = 1;

export class ConnectionTable {
  readonly state: Uint8Array;
  /** The bits of connection-flag.ts. */
  readonly flags: Uint16Array;
  /** The client's address, four words a connection. */
  readonly peer: Int32Array;
  readonly peerPort: Uint16Array;
  readonly clientSocket: Int32Array;
  readonly serverSocket: Int32Array;
  /** Slot in the client table, and its generation when this connection took it. */
  readonly client: Int32Array;
  readonly clientGeneration: Int32Array;
  readonly server: Int32Array;
  /** The server tried first: failover ends when it comes round to it. */
  readonly firstServer: Int32Array;
  /** When it began to connect, or to relay. */
  readonly sinceMs: Float64Array;
  readonly lastActiveMs: Float64Array;
  /** What the kernel had still to deliver, both ways, when idleness was last looked at. */
  readonly lastUnsent: Float64Array;
  readonly #totals: Int32Array;
  /** Rows below the high-water mark that are free, a stack. */
  readonly #free: number[] = [];
  readonly #address = new Int32Array(4);

  static allocate(): ConnectionMemory {
    const memory: Record<string, SharedArrayBuffer> = {};
    for (const [name, Column] of Object.entries(COLUMNS)) {
      memory[name] = new SharedArrayBuffer(MAX_CONNECTIONS * Column.BYTES_PER_ELEMENT);
    }
    memory.peer = new SharedArrayBuffer(MAX_CONNECTIONS * 16);
    memory.totals = new SharedArrayBuffer(8);
    return memory as ConnectionMemory;
  }

  constructor(memory: ConnectionMemory) {
    this.state = new Uint8Array(memory.state);
    this.flags = new Uint16Array(memory.flags);
    this.peer = new Int32Array(memory.peer);
    this.peerPort = new Uint16Array(memory.peerPort);
    this.clientSocket = new Int32Array(memory.clientSocket);
    this.serverSocket = new Int32Array(memory.serverSocket);
    this.client = new Int32Array(memory.client);
    this.clientGeneration = new Int32Array(memory.clientGeneration);
    this.server = new Int32Array(memory.server);
    this.firstServer = new Int32Array(memory.firstServer);
    this.sinceMs = new Float64Array(memory.sinceMs);
    this.lastActiveMs = new Float64Array(memory.lastActiveMs);
    this.lastUnsent = new Float64Array(memory.lastUnsent);
    this.#totals = new Int32Array(memory.totals);
  }

  /** Rows that have ever been in use; all others are free. */
  get highWater(): number {
    return Atomics.load(this.#totals, HIGH_WATER);
  }

  get idlers(): number {
    return Atomics.load(this.#totals, IDLERS);
  }

  set idlers(count: number) {
    Atomics.store(this.#totals, IDLERS, count);
  }

  /** A row of that state with no sockets, client or server; NONE if the table is full. Worker only. */
  allocate(state: number): number {
    let row = this.#free.pop();
    if (row === undefined) {
      row = this.highWater;
      if (row === MAX_CONNECTIONS) return NONE;
      Atomics.store(this.#totals, HIGH_WATER, row + 1);
    }
    this.flags[row] = 0;
    this.clientSocket[row] = NONE;
    this.serverSocket[row] = NONE;
    this.client[row] = NONE;
    this.server[row] = NONE;
    this.firstServer[row] = NONE;
    this.state[row] = state;
    return row;
  }

  /** Worker only. */
  release(row: number): void {
    this.state[row] = STATE.free;
    this.clientSocket[row] = NONE;
    this.serverSocket[row] = NONE;
    this.#free.push(row);
  }

  /** The client's address in a scratch array that the next call overwrites. */
  address(row: number): Int32Array {
    for (let i = 0; i < 4; i++) this.#address[i] = this.peer[row * 4 + i];
    return this.#address;
  }

  /** The client came over a Unix socket: it has no address. */
  isUnix(row: number): boolean {
    return (this.flags[row] & FROM_UNIX) !== 0;
  }

  /** The connection that a socket belongs to, NONE if none. Looks at every row: for the control plane. */
  rowOfSocket(socket: number): number {
    for (let row = 0; row < this.highWater; row++) {
      if (this.state[row] === STATE.free) continue;
      if (this.clientSocket[row] === socket || this.serverSocket[row] === socket) return row;
    }
    return NONE;
  }
}
