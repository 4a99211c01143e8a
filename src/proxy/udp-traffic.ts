/**
 * What sessions carry, on its way to the shared counters. Those are behind locks and atomics, and people look at them
 * once a second at best: each session adds up for itself and tells ten times a second.
 */
import type { ClientTable } from '../core/client-table.js';
import { NONE } from '../core/configuration.js';
import type { ServerState } from '../core/server-state.js';
import type { UdpSessionTable } from './udp-session-table.js';

const INTERVAL_MS = 100;

export class UdpTraffic {
  readonly #sessions: UdpSessionTable;
  readonly #servers: ServerState;
  readonly #clients: ClientTable;
  /** Sessions with something to tell, each once or more often. */
  #waiting = new Int32Array(1024);
  #count = 0;
  #dueMs = Infinity;

  constructor(sessions: UdpSessionTable, servers: ServerState, clients: ClientTable) {
    this.#sessions = sessions;
    this.#servers = servers;
    this.#clients = clients;
  }

  sent(row: number, bytes: number, nowMs: number): void {
    if (this.#sessions.sentBytes[row] + this.#sessions.receivedBytes[row] === 0) this.#wait(row, nowMs);
    this.#sessions.sentBytes[row] += bytes;
  }

  received(row: number, bytes: number, nowMs: number): void {
    if (this.#sessions.sentBytes[row] + this.#sessions.receivedBytes[row] === 0) this.#wait(row, nowMs);
    this.#sessions.receivedBytes[row] += bytes;
  }

  /** When `tell` is to be called next. */
  dueMs(): number {
    return this.#dueMs;
  }

  tell(): void {
    for (let i = 0; i < this.#count; i++) this.tellOf(this.#waiting[i]);
    this.#count = 0;
    this.#dueMs = Infinity;
  }

  /** Before the session gets another server, or ends. */
  tellOf(row: number): void {
    const { sentBytes, receivedBytes, rows } = this.#sessions;
    const sent = sentBytes[row];
    const received = receivedBytes[row];
    if (sent + received === 0) return;
    sentBytes[row] = 0;
    receivedBytes[row] = 0;
    const server = rows.server[row];
    if (server !== NONE) {
      this.#servers.addSent(server, sent);
      this.#servers.addReceived(server, received);
    }
    const client = rows.client[row];
    if (client !== NONE) this.#clients.addTraffic(client, rows.clientGeneration[row], sent, received);
  }

  #wait(row: number, nowMs: number): void {
    if (this.#count === this.#waiting.length) {
      // Sessions that ended meanwhile have left their entries.
      const grown = new Int32Array(this.#count * 2);
      grown.set(this.#waiting);
      this.#waiting = grown;
    }
    this.#waiting[this.#count++] = row;
    if (this.#dueMs === Infinity) this.#dueMs = nowMs + INTERVAL_MS;
  }
}
