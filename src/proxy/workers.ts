/** The data plane on worker threads, seen from the main thread: starts them, feeds them, looks on. */
import { readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Endpoint } from '../core/address.js';
import { ClientTable } from '../core/client-table.js';
import { type Configuration, NONE } from '../core/configuration.js';
import { ServerState } from '../core/server-state.js';
import { chooseEngine, type EngineChoice } from '../engine/choose.js';
import type { EngineName } from '../engine/engine.js';
import { SystemError } from '../sys/errno.js';
import { hasFfi } from '../sys/ffi.js';
import { raiseFileLimit } from '../sys/privileges.js';
import { writeWake } from '../sys/wake.js';
import { ConnectionTable, STATE } from './connection-table.js';
import type { ConnectionSnapshot, DataPlane } from './data-plane.js';
import { changesBetween, type FromWorker, type ToWorker, type WorkerStart } from './messages.js';
import { removeStaleSocket } from './unix-path.js';

/** Descriptors kept for logs, control clients, files and Node itself. */
const DESCRIPTOR_MARGIN = 64;

export interface DataPlaneOptions {
  readonly configuration: Configuration;
  readonly listen: Endpoint;
  readonly engine: EngineName | 'auto';
  /** Seeds the client table's hash: unpredictable in service, fixed in tests. */
  readonly seed: number;
  log(line: string): void;
  /** A worker has died; the data plane is of no more use. */
  failed(error: Error): void;
}

/** Resolves when the data plane listens; rejects with a SystemError (EADDRINUSE ...) or an Error, leaving nothing behind. */
export async function startDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const choice = await chooseEngine(options.engine);
  const plane = new WorkerDataPlane(options, choice);
  try {
    await plane.start();
    await plane.listen(options.listen);
  } catch (error) {
    await plane.stop();
    throw error;
  }
  return plane;
}

class WorkerDataPlane implements DataPlane {
  readonly engine: EngineName;
  readonly engineReason: string;
  readonly servers: ServerState;
  readonly clients: ClientTable;
  readonly #options: DataPlaneOptions;
  readonly #connections: ConnectionTable;
  readonly #worker: Worker;
  readonly #mail = new SharedArrayBuffer(4);
  readonly #mailSent = new Int32Array(this.#mail);
  readonly #capacity = connectionCapacity();
  #configuration: Configuration;
  #connectionsMax = 0;
  #wakeDescriptor = NONE;
  #listening: Endpoint | undefined;
  #stopping = false;
  #exited = false;
  /** Whoever waits for the worker's next word of a kind. */
  readonly #waiters = new Set<{ take(message: FromWorker): boolean; fail(error: Error): void }>();

  constructor(options: DataPlaneOptions, choice: EngineChoice) {
    this.#options = options;
    this.engine = choice.name;
    this.#configuration = options.configuration;
    this.engineReason = choice.reason;
    const servers = ServerState.allocate();
    const clients = ClientTable.allocate(options.seed);
    const connections = ConnectionTable.allocate();
    this.servers = new ServerState(servers);
    this.clients = new ClientTable(clients);
    this.#connections = new ConnectionTable(connections);
    const start: WorkerStart = {
      engine: choice.name,
      configuration: options.configuration,
      servers,
      clients,
      connections,
      mail: this.#mail,
      connectionCapacity: this.#capacity,
    };
    this.#noteLimit(options.configuration);
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: start, name: 'pen-worker-0' });
    this.#worker.on('message', (message: FromWorker) => this.#take(message));
    this.#worker.on('error', (error) => this.#died(error));
    this.#worker.on('exit', () => {
      this.#exited = true;
      this.#died(new Error('worker ended unexpectedly'));
    });
  }

  get listening(): Endpoint | undefined {
    return this.#listening;
  }

  async start(): Promise<void> {
    const started = await this.#expect('started');
    this.#wakeDescriptor = started.wakeDescriptor;
  }

  configure(configuration: Configuration): void {
    this.#noteLimit(configuration);
    this.#send({ type: 'configure', changes: changesBetween(this.#configuration, configuration) });
    this.#configuration = configuration;
  }

  async listen(endpoint: Endpoint): Promise<void> {
    if (endpoint.kind === 'unix') await removeStaleSocket(endpoint.path);
    const answer = this.#expect('listening', 'listenFailed');
    this.#send({ type: 'listen', endpoint });
    const message = await answer;
    if (message.type === 'listenFailed') throw new SystemError('listen', message.errno);
    this.#listening = message.endpoint;
  }

  idlers(): number {
    return this.#connections.idlers;
  }

  connectionsInUse(): number {
    return this.servers.connectionsInUse();
  }

  connection(index: number): ConnectionSnapshot | undefined {
    if (!this.#inRange(index)) return undefined;
    const table = this.#connections;
    // Rows that were never used are all zero: no sockets, no client, no server.
    const used = index < table.highWater;
    const state = table.state[index];
    return {
      index,
      state,
      clientSocket: used ? table.clientSocket[index] : NONE,
      serverSocket: used ? table.serverSocket[index] : NONE,
      client: used ? table.client[index] : NONE,
      server: used ? table.server[index] : NONE,
      pending: state === STATE.connecting ? 1 : 0,
    };
  }

  connectionOfSocket(socket: number): number {
    return socket < 0 ? NONE : this.#connections.rowOfSocket(socket);
  }

  closeConnection(index: number): boolean {
    if (!this.#inRange(index)) return false;
    this.#send({ type: 'close', connection: index });
    return true;
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    if (!this.#exited) {
      const exit = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()));
      this.#send({ type: 'stop' });
      await exit;
    }
    this.#listening = undefined;
  }

  #inRange(index: number): boolean {
    return index >= 0 && index < Math.max(this.#connectionsMax, this.#connections.highWater);
  }

  #noteLimit(configuration: Configuration): void {
    const wanted = configuration.settings.connectionsMax;
    if (wanted > this.#capacity && wanted !== this.#connectionsMax) {
      const line = `serving at most ${this.#capacity} connections of ${wanted}: the limit on open files allows no more`;
      this.#options.log(`${line} (raise it with ulimit -n)`);
    }
    this.#connectionsMax = wanted;
  }

  #send(message: ToWorker): void {
    this.#worker.postMessage(message);
    // After the message: a worker that sees the count finds the message.
    Atomics.add(this.#mailSent, 0, 1);
    if (this.#wakeDescriptor >= 0) writeWake(this.#wakeDescriptor);
  }

  #expect<T extends FromWorker['type']>(...types: T[]): Promise<Extract<FromWorker, { type: T }>> {
    return new Promise((resolve, reject) => {
      const waiter = {
        take: (message: FromWorker) => {
          if (!types.includes(message.type as T)) return false;
          this.#waiters.delete(waiter);
          resolve(message as Extract<FromWorker, { type: T }>);
          return true;
        },
        fail: reject,
      };
      this.#waiters.add(waiter);
    });
  }

  #take(message: FromWorker): void {
    for (const waiter of this.#waiters) {
      if (waiter.take(message)) return;
    }
    if (message.type === 'log') this.#options.log(message.line);
  }

  #died(error: Error): void {
    if (this.#waiters.size > 0) {
      for (const waiter of this.#waiters) waiter.fail(error);
      this.#waiters.clear();
    } else if (!this.#stopping) {
      this.#stopping = true;
      this.#options.failed(error);
    }
  }
}

/** Connections that the descriptor limit has room for: two descriptors each, beside those that are open already. */
function connectionCapacity(): number {
  if (!hasFfi() || process.platform === 'win32') return Number.MAX_SAFE_INTEGER;
  return Math.max(1, Math.floor((raiseFileLimit() - openDescriptors() - DESCRIPTOR_MARGIN) / 2));
}

function openDescriptors(): number {
  try {
    return readdirSync('/dev/fd').length;
  } catch {
    return DESCRIPTOR_MARGIN;
  }
}
