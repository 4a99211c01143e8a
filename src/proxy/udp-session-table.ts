/**
 * The UDP sessions of one worker: who sends to which server through which socket. What the control plane looks at is a
 * row of the shared ConnectionTable; this adds what only the worker needs, in columns of the same numbering.
 *
 *   key     client address, what it came by, and the server where each datagram is chosen for. What it came by is the local
 *           address it wrote to and its port, or, where a proxy names the client, the proxy's address and both ports
 *   found   by a keyed hash and chains: who does not know the key cannot make sessions that share a chain
 *   order   a doubly linked list by last use, for eviction
 *
 * A row that is released rests until `rest`: what is still queued under its number must not meet another client.
 */
import { NONE } from '../core/configuration.js';
import { halfSipHash } from '../core/siphash.js';
import { type ConnectionTable, STATE } from './connection-table.js';

const FIRST_ROWS = 1024;
/** ::ffff:0:0/96, the third word of an IPv4-mapped address. */
const MAPPED = 0xffff;

export class UdpSessionTable {
  /** The epoch of its server's slot when the session came to it: another one means that another server is there now. */
  epoch = new Int32Array(FIRST_ROWS);
  /** Datagrams of the client and of the server. */
  requests = new Float64Array(FIRST_ROWS);
  answers = new Float64Array(FIRST_ROWS);
  /** When the oldest datagram was sent that may still be answered, 0 = everything has been. */
  waitingSinceMs = new Float64Array(FIRST_ROWS);
  /** Datagrams since then. */
  unanswered = new Int32Array(FIRST_ROWS);
  /** The last unanswered datagram, see KeptDatagrams. */
  keptAt = new Float64Array(FIRST_ROWS).fill(NONE);
  keptLength = new Int32Array(FIRST_ROWS);
  /** Bytes that the shared counters have not been told of. */
  sentBytes = new Float64Array(FIRST_ROWS);
  receivedBytes = new Float64Array(FIRST_ROWS);
  readonly rows: ConnectionTable;
  /** Sessions that there are. */
  size = 0;

  #via = new Int32Array(FIRST_ROWS * 4);
  /** The server in the key, NONE where it is no part of it. */
  #keyPort = new Int32Array(FIRST_ROWS);
  #keyServer = new Int32Array(FIRST_ROWS);
  #next = new Int32Array(FIRST_ROWS);
  #older = new Int32Array(FIRST_ROWS);
  #newer = new Int32Array(FIRST_ROWS);
  /** First row of each chain; as many chains as rows at least. */
  #chains = new Int32Array(FIRST_ROWS).fill(NONE);
  #oldest = NONE;
  #newest = NONE;
  readonly #resting: number[] = [];
  readonly #key0: number;
  readonly #key1: number;
  /** Scratch. */
  readonly #key = new Int32Array(9);
  readonly #peerKey = new Int32Array(4);
  readonly #viaKey = new Int32Array(4);

  constructor(rows: ConnectionTable, key0: number, key1: number) {
    this.rows = rows;
    this.#key0 = key0;
    this.#key1 = key1;
  }

  /** The session of that client, NONE if it has none. */
  find(peer: Int32Array, keyPort: number, via: Int32Array, server: number): number {
    const { peer: peers } = this.rows;
    const vias = this.#via;
    for (let row = this.#chains[this.#chainOf(peer, keyPort, via, server)]; row !== NONE; row = this.#next[row]) {
      const at = row * 4;
      if (
        peers[at + 3] === peer[3] &&
        this.#keyPort[row] === keyPort &&
        this.#keyServer[row] === server &&
        vias[at + 3] === via[3] &&
        peers[at + 2] === peer[2] &&
        peers[at + 1] === peer[1] &&
        peers[at] === peer[0] &&
        vias[at + 2] === via[2] &&
        vias[at + 1] === via[1] &&
        vias[at] === via[0]
      ) {
        return row;
      }
    }
    return NONE;
  }

  /** A new session, the most recently used one; NONE if the table is full. */
  open(peer: Int32Array, keyPort: number, via: Int32Array, server: number): number {
    const row = this.rows.allocate(STATE.relaying);
    if (row === NONE) return NONE;
    if (row >= this.#next.length) this.#grow();
    const at = row * 4;
    for (let i = 0; i < 4; i++) this.rows.peer[at + i] = peer[i];
    for (let i = 0; i < 4; i++) this.#via[at + i] = via[i];
    this.rows.peerPort[row] = keyPort & 0xffff;
    this.#keyPort[row] = keyPort;
    this.#keyServer[row] = server;
    this.requests[row] = 0;
    this.answers[row] = 0;
    this.waitingSinceMs[row] = 0;
    this.keptAt[row] = NONE;
    this.sentBytes[row] = 0;
    this.receivedBytes[row] = 0;
    this.#link(row);
    this.#pushNewest(row);
    this.size++;
    return row;
  }

  /** Ends a session; its row is used again after the next `rest`. */
  close(row: number): void {
    this.#unlink(row);
    this.#unlist(row);
    this.rows.state[row] = STATE.free;
    this.#resting.push(row);
    this.size--;
  }

  /** Nothing that is queued names rows that were closed before. */
  rest(): void {
    for (const row of this.#resting) this.rows.release(row);
    this.#resting.length = 0;
  }

  isOpen(row: number): boolean {
    return this.rows.state[row] === STATE.relaying;
  }

  /** It is the most recently used one. */
  touch(row: number): void {
    if (row === this.#newest) return;
    this.#unlist(row);
    this.#pushNewest(row);
  }

  /** The least recently used one, NONE if there is none. */
  oldest(): number {
    return this.#oldest;
  }

  /** Gives the key another server, where that is part of it. */
  changeServer(row: number, server: number): void {
    if (this.#keyServer[row] === NONE) return;
    this.#unlink(row);
    this.#keyServer[row] = server;
    this.#link(row);
  }

  #chainOf(peer: ArrayLike<number>, keyPort: number, via: ArrayLike<number>, server: number): number {
    const key = this.#key;
    key[0] = peer[3];
    // Servers are numbered up to 2^16 + 1; NONE is -1. Of a proxy's port and its client's the lower, which varies, goes up.
    key[1] = (keyPort << 16) ^ (keyPort >>> 16) ^ server;
    key[2] = via[3];
    if (peer[2] === MAPPED && peer[1] === 0 && peer[0] === 0) {
      return halfSipHash(key, 3, this.#key0, this.#key1) & (this.#chains.length - 1);
    }
    for (let i = 0; i < 3; i++) {
      key[3 + i] = peer[i];
      key[6 + i] = via[i];
    }
    return halfSipHash(key, 9, this.#key0, this.#key1) & (this.#chains.length - 1);
  }

  #chainOfRow(row: number): number {
    for (let i = 0; i < 4; i++) {
      this.#peerKey[i] = this.rows.peer[row * 4 + i];
      this.#viaKey[i] = this.#via[row * 4 + i];
    }
    return this.#chainOf(this.#peerKey, this.#keyPort[row], this.#viaKey, this.#keyServer[row]);
  }

  #link(row: number): void {
    const chain = this.#chainOfRow(row);
    this.#next[row] = this.#chains[chain];
    this.#chains[chain] = row;
  }

  #unlink(row: number): void {
    const chain = this.#chainOfRow(row);
    if (this.#chains[chain] === row) {
      this.#chains[chain] = this.#next[row];
      return;
    }
    let before = this.#chains[chain];
    while (this.#next[before] !== row) before = this.#next[before];
    this.#next[before] = this.#next[row];
  }

  #pushNewest(row: number): void {
    this.#older[row] = this.#newest;
    this.#newer[row] = NONE;
    if (this.#newest !== NONE) this.#newer[this.#newest] = row;
    else this.#oldest = row;
    this.#newest = row;
  }

  #unlist(row: number): void {
    const older = this.#older[row];
    const newer = this.#newer[row];
    if (older !== NONE) this.#newer[older] = newer;
    else this.#oldest = newer;
    if (newer !== NONE) this.#older[newer] = older;
    else this.#newest = older;
  }

  /** Twice the rows, and chains for them. */
  #grow(): void {
    const size = this.#next.length * 2;
    this.epoch = grown(this.epoch, new Int32Array(size));
    this.requests = grown(this.requests, new Float64Array(size));
    this.answers = grown(this.answers, new Float64Array(size));
    this.waitingSinceMs = grown(this.waitingSinceMs, new Float64Array(size));
    this.unanswered = grown(this.unanswered, new Int32Array(size));
    this.keptAt = grown(this.keptAt, new Float64Array(size).fill(NONE));
    this.keptLength = grown(this.keptLength, new Int32Array(size));
    this.sentBytes = grown(this.sentBytes, new Float64Array(size));
    this.receivedBytes = grown(this.receivedBytes, new Float64Array(size));
    this.#via = grown(this.#via, new Int32Array(size * 4));
    this.#keyPort = grown(this.#keyPort, new Int32Array(size));
    this.#keyServer = grown(this.#keyServer, new Int32Array(size));
    this.#next = grown(this.#next, new Int32Array(size));
    this.#older = grown(this.#older, new Int32Array(size));
    this.#newer = grown(this.#newer, new Int32Array(size));
    this.#chains = new Int32Array(size).fill(NONE);
    for (let row = this.#oldest; row !== NONE; row = this.#newer[row]) this.#link(row);
  }
}

function grown<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
