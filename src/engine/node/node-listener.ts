/** One listening socket of the `node` engine, and how it rests while no client is granted (see native-handle). */
import net from 'node:net';
import type { Endpoint } from '../../core/address.js';
import { formatIp } from '../../core/address.js';
import {
  bindStoppable,
  errnoOfError,
  errnoOfLibuv,
  handleOf,
  type NativeHandle,
  openStoppable,
} from './native-handle.js';

export interface ListenerOwner {
  onListening(listener: NodeListener, result: number): void;
  /** `status` is 0 with a handle, or -errno. */
  onConnection(listener: NodeListener, status: number, client: NativeHandle | undefined): void;
}

export class NodeListener {
  readonly number: number;
  readonly endpoint: Endpoint;
  readonly #owner: ListenerOwner;
  readonly #descriptor: number;
  #handle: NativeHandle | undefined;
  /** Only where the handle had to be made by a server. */
  #server: net.Server | undefined;
  #isStoppable = false;
  #isPolling = true;
  #isClosed = false;
  #isExhausted = false;
  #grants = 0;
  #batch = 1;
  #reportedThisTurn = 0;
  /** Accepted without a grant by a handle that cannot stop. */
  #held: NativeHandle[] = [];

  /** With a descriptor: one that is bound to `endpoint` and listens already. */
  constructor(owner: ListenerOwner, number: number, endpoint: Endpoint, descriptor = -1) {
    this.#owner = owner;
    this.number = number;
    this.endpoint = endpoint;
    this.#descriptor = descriptor;
  }

  /** Tells the owner how it went, later. */
  listen(backlog: number): void {
    const bound = this.#descriptor < 0 ? bindStoppable(this.endpoint) : openStoppable(this.#descriptor);
    if (typeof bound === 'number') setImmediate(() => this.#report(bound));
    else if (bound !== undefined) this.#listenOn(bound, backlog);
    else this.#listenByServer(backlog);
  }

  /** The endpoint asked for, with the port that the system chose. */
  boundTo(): Endpoint {
    if (this.endpoint.kind === 'unix') return this.endpoint;
    const bound: { port?: number } = {};
    this.#handle?.getsockname?.(bound);
    return { ...this.endpoint, port: bound.port ?? this.endpoint.port };
  }

  /** Calls nobody before it returns. */
  grant(clients: number, batch: number): void {
    this.#grants += clients;
    this.#batch = Math.max(1, batch);
    this.#isExhausted = false;
    this.#poll();
    if (this.#held.length > 0) setImmediate(() => this.#deliverHeld());
  }

  /** The client that was just reported has turned out to be gone. */
  giveBack(): void {
    this.#grants++;
    this.#poll();
  }

  /** Reports nobody until the next grant. */
  rest(): void {
    this.#isExhausted = true;
    this.#poll();
  }

  /** A new batch may begin. */
  nextTurn(): void {
    if (this.#reportedThisTurn === 0) return;
    this.#reportedThisTurn = 0;
    this.#poll();
    if (this.#held.length > 0) setImmediate(() => this.#deliverHeld());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const client of this.#held) client.close();
    this.#held = [];
    if (this.#server === undefined) this.#handle?.close();
    else this.#server.close();
    this.#handle = undefined;
  }

  #listenOn(handle: NativeHandle, backlog: number): void {
    this.#handle = handle;
    handle.onconnection = (status, client) => this.#onConnection(status, client);
    const status = handle.listen?.(backlog) ?? 0;
    // Marks the handle as reading, which is what a later stop looks at.
    if (status === 0) this.#isStoppable = handle.readStart?.() === 0;
    this.#poll();
    setImmediate(() => this.#report(errnoOfLibuv(status)));
  }

  #listenByServer(backlog: number): void {
    const server = net.createServer();
    this.#server = server;
    server.once('error', (error) => this.#report(errnoOfError(error)));
    server.once('listening', () => {
      this.#handle = handleOf(server);
      if (this.#handle !== undefined)
        this.#handle.onconnection = (status, client) => this.#onConnection(status, client);
      this.#report(0);
    });
    if (this.endpoint.kind === 'unix') server.listen({ path: this.endpoint.path, backlog, exclusive: true });
    else server.listen({ host: formatIp(this.endpoint.address), port: this.endpoint.port, backlog, exclusive: true });
  }

  #report(result: number): void {
    if (this.#isClosed) return;
    this.#owner.onListening(this, result);
  }

  #onConnection(status: number, client: NativeHandle | undefined): void {
    if (this.#isClosed) {
      client?.close();
    } else if (status !== 0 || client === undefined) {
      this.#owner.onConnection(this, errnoOfLibuv(status), undefined);
    } else if (this.#mayReport()) {
      this.#reportClient(client);
      this.#poll();
    } else {
      this.#held.push(client);
    }
  }

  #deliverHeld(): void {
    while (this.#mayReport()) {
      const client = this.#held.shift();
      if (client === undefined) break;
      this.#reportClient(client);
    }
    this.#poll();
  }

  #reportClient(client: NativeHandle): void {
    this.#grants--;
    this.#reportedThisTurn++;
    this.#owner.onConnection(this, 0, client);
  }

  #mayReport(): boolean {
    return this.#grants > 0 && this.#reportedThisTurn < this.#batch && !this.#isExhausted && !this.#isClosed;
  }

  /** Starts or stops polling the listen queue, as the grants say. */
  #poll(): void {
    const wanted = this.#mayReport();
    if (!this.#isStoppable || wanted === this.#isPolling || this.#isClosed) return;
    this.#isPolling = wanted;
    if (wanted) this.#handle?.readStart?.();
    else this.#handle?.readStop?.();
  }
}
