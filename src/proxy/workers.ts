/** The data plane on worker threads, seen from the main thread: starts them, feeds them, looks on, replaces the dead. */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Endpoint } from '../core/address.js';
import { ClientTable } from '../core/client-table.js';
import { type Configuration, isTransparent, MAX_SERVERS, NONE } from '../core/configuration.js';
import type { Counters } from '../core/counters.js';
import { ServerState } from '../core/server-state.js';
import { chooseEngine, type EngineChoice } from '../engine/choose.js';
import type { EngineName } from '../engine/engine.js';
import { SystemError } from '../sys/errno.js';
import { hasFfi } from '../sys/ffi.js';
import { raiseFileLimit } from '../sys/privileges.js';
import { transparencyObstacle } from '../sys/transparency.js';
import { allocateTlsCounts, readTlsCounts, type TlsCounts } from '../tls/counts.js';
import { LogRing, type LogRingMemory } from '../weblog/log-ring.js';
import { FROM_UNIX } from './connection-flag.js';
import { type ConnectionTable, STATE } from './connection-table.js';
import type { ConnectionSnapshot, DataPlane, WorkerSnapshot } from './data-plane.js';
import { ListenerGroup } from './listener-group.js';
import { changesBetween } from './messages.js';
import { Transparency } from './transparency.js';
import { DROP_NAMES, type DropReason, Drops } from './udp-drops.js';
import { removeStaleSocket } from './unix-path.js';
import { type SharedStart, WorkerThread } from './worker-thread.js';

/** Descriptors kept for logs, control clients, files and Node itself. */
const DESCRIPTOR_MARGIN = 64;
/** UDP sockets that a worker may have to close at the end of a batch. */
const CLOSING_MARGIN = 64;
/** A worker that dies this soon after its start is not replaced again: it would only die again. */
const SHORTEST_LIFE_MS = 1000;

export interface DataPlaneOptions {
  readonly configuration: Configuration;
  readonly listen: Endpoint;
  readonly engine: EngineName | 'auto';
  /** Seeds the client table's hash: unpredictable in service, fixed in tests. */
  readonly seed: number;
  /** Level 0 is for everybody, higher ones are for `debug`. */
  log(level: number, line: string): void;
  /** A worker has died and could not be replaced; the data plane is of no more use. */
  failed(error: Error): void;
  /** The code of a worker's thread, worker.js unless a test has its own way into it. */
  readonly workerModule?: URL;
}

/** Resolves when the data plane listens; rejects with a SystemError (EADDRINUSE ...) or an Error, leaving nothing behind. */
export async function startDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const choice = await chooseEngine(options.engine);
  if (isTransparent(options.configuration.settings)) requireTransparency(choice.name);
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
  readonly threads: number;
  readonly servers: ServerState;
  readonly clients: ClientTable;
  readonly transparency: Counters;
  readonly logRings: readonly LogRingMemory[];
  readonly #options: DataPlaneOptions;
  readonly #shared: Omit<SharedStart, 'configuration'>;
  readonly #module: URL;
  readonly #workers: WorkerThread[] = [];
  #configuration: Configuration;
  #connectionsMax = 0;
  #listeners: ListenerGroup | undefined;
  #listening: Endpoint | undefined;
  #isStopping = false;
  readonly #isUdp: boolean;
  readonly #drops = Drops.allocate();
  /** Dropped by the kernel at listeners that are gone. */
  #overflow = 0;

  constructor(options: DataPlaneOptions, choice: EngineChoice) {
    this.#options = options;
    this.#configuration = options.configuration;
    this.#isUdp = options.configuration.settings.udp;
    this.#module = options.workerModule ?? new URL('./worker.js', import.meta.url);
    this.engine = choice.name;
    this.engineReason = choice.reason;
    const wanted = options.configuration.settings.threads || availableParallelism();
    // Without descriptors there is no sharing of a port between threads.
    this.threads = sharesDescriptors() ? wanted : 1;
    const servers = ServerState.allocate();
    const clients = ClientTable.allocate(options.seed);
    this.servers = new ServerState(servers);
    this.clients = new ClientTable(clients);
    const transparency = Transparency.allocate();
    this.transparency = new Transparency(transparency).counters;
    const wake = new SharedArrayBuffer(4);
    this.logRings = Array.from({ length: this.threads }, () => LogRing.allocate(wake));
    this.#shared = {
      engine: choice.name,
      servers,
      clients,
      shortage: new SharedArrayBuffer(4),
      transparency,
      threads: this.threads,
      connectionCapacity: connectionCapacity(this.threads, this.#isUdp),
      drops: this.#drops,
      heard: new SharedArrayBuffer((MAX_SERVERS + 2) * 8),
      tlsCounts: allocateTlsCounts(),
    };
    this.#noteLimit(options.configuration);
  }

  get listening(): Endpoint | undefined {
    return this.#listening;
  }

  async start(): Promise<void> {
    for (let place = 0; place < this.threads; place++) this.#workers.push(this.#spawn(place));
    await Promise.all(this.#workers.map((worker) => worker.started()));
  }

  configure(configuration: Configuration): void {
    this.#listeners?.setTransparent(configuration.settings.transparentListen);
    this.#noteLimit(configuration);
    const changes = changesBetween(this.#configuration, configuration);
    this.#configuration = configuration;
    for (const worker of this.#workers) worker.send({ type: 'configure', changes });
  }

  async listen(endpoint: Endpoint): Promise<void> {
    if (endpoint.kind === 'unix') await removeStaleSocket(endpoint.path);
    if (!sharesDescriptors()) {
      this.#listening = await askToListen(this.#workers[0], { endpoint });
      return;
    }
    const { listenBacklog, transparentListen } = this.#configuration.settings;
    const fresh = this.#isUdp
      ? ListenerGroup.bind(endpoint, this.threads, transparentListen)
      : ListenerGroup.open(endpoint, listenBacklog, this.threads, transparentListen);
    const before = this.#listeners;
    try {
      await Promise.all(this.#workers.map((worker, place) => askToListen(worker, fresh.lend(place))));
    } catch (error) {
      fresh.close();
      throw error;
    }
    this.#listeners = fresh;
    this.#listening = fresh.endpoint;
    this.#overflow += before?.overflow() ?? 0;
    before?.close();
  }

  async reduceCapabilities(keep: readonly number[]): Promise<void> {
    const reduced = this.#workers.map((worker) => {
      const answer = worker.expect('capabilitiesReduced');
      worker.send({ type: 'reduceCapabilities', keep });
      return answer;
    });
    await Promise.all(reduced);
  }

  drops(): ReadonlyArray<readonly [DropReason, number]> {
    if (!this.#isUdp) return [];
    const drops = new Drops(this.#drops);
    const overflow = this.#overflow + (this.#listeners?.overflow() ?? 0);
    return DROP_NAMES.map((name) => [name, name === 'overflow' ? overflow : drops.read(name)]);
  }

  idlers(): number {
    return this.#workers.reduce((sum, worker) => sum + worker.connections.idlers, 0);
  }

  tlsCounts(): TlsCounts {
    return readTlsCounts(this.#shared.tlsCounts);
  }

  connectionsInUse(): number {
    return this.servers.connectionsInUse();
  }

  /** Connections are numbered across the workers: row 0 of each, then row 1 of each. */
  connection(index: number): ConnectionSnapshot | undefined {
    if (!this.#inRange(index)) return undefined;
    return this.#snapshot(this.#workers[index % this.threads].connections, Math.floor(index / this.threads), index);
  }

  activeConnections(limit: number, wants = (_: ConnectionSnapshot) => true): ConnectionSnapshot[] {
    const found: ConnectionSnapshot[] = [];
    const rows = Math.max(...this.#workers.map((worker) => worker.connections.highWater));
    for (let row = 0; row < rows; row++) {
      for (const [place, { connections }] of this.#workers.entries()) {
        if (connections.state[row] === STATE.free) continue;
        const connection = this.#snapshot(connections, row, row * this.threads + place);
        if (!wants(connection)) continue;
        found.push(connection);
        if (found.length === limit) return found;
      }
    }
    return found;
  }

  workers(): WorkerSnapshot[] {
    return this.#workers.map(({ thread }, place) => ({ place, thread }));
  }

  connectionOfSocket(socket: number): number {
    for (const [place, worker] of this.#workers.entries()) {
      const row = socket < 0 ? NONE : worker.connections.rowOfSocket(socket);
      if (row !== NONE) return row * this.threads + place;
    }
    return NONE;
  }

  closeConnection(index: number): boolean {
    if (!this.#inRange(index)) return false;
    const worker = this.#workers[index % this.threads];
    worker.send({ type: 'close', connection: Math.floor(index / this.threads) });
    return true;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#workers.map((worker) => worker.stop()));
    this.#listeners?.close();
    this.#listeners = undefined;
    this.#listening = undefined;
  }

  #spawn(place: number): WorkerThread {
    const bornMs = performance.now();
    const start = { ...this.#shared, configuration: this.#configuration };
    const worker: WorkerThread = new WorkerThread(start, place, this.logRings[place], this.#module, {
      placesFree: () => {
        for (const other of this.#workers) if (other !== worker) other.send({ type: 'nudge' });
      },
      log: (level, line) => this.#options.log(level, line),
      died: (error) => {
        worker.settle(this.servers);
        if (!this.#isStopping) void this.#replace(place, error, performance.now() - bornMs);
      },
    });
    return worker;
  }

  /** Puts a new worker in the place of a dead one. Its port is still listened on, so clients wait rather than fail. */
  async #replace(place: number, error: Error, lifeMs: number): Promise<void> {
    try {
      if (lifeMs < SHORTEST_LIFE_MS || this.#listeners === undefined) throw error;
      this.#options.log(
        0,
        `worker ${place} died and is replaced, its connections are lost: ${error.stack ?? error.message}`,
      );
      const worker = this.#spawn(place);
      this.#workers[place] = worker;
      await worker.started();
      await askToListen(worker, this.#listeners.lend(place));
    } catch (failure) {
      if (!this.#isStopping) this.#options.failed(failure as Error);
    }
  }

  #snapshot(table: ConnectionTable, row: number, index: number): ConnectionSnapshot {
    const destination = row < table.highWater ? this.#listeners?.destination(table.clientSocket[row]) : undefined;
    return { ...snapshotOf(table, row, index), destination };
  }

  #inRange(index: number): boolean {
    const used = Math.max(...this.#workers.map((worker) => worker.connections.highWater)) * this.threads;
    return index >= 0 && index < Math.max(this.#connectionsMax, used);
  }

  #noteLimit(configuration: Configuration): void {
    const wanted = configuration.settings.connectionsMax;
    const capacity = this.#shared.connectionCapacity;
    if (wanted > capacity && wanted !== this.#connectionsMax) {
      const line = `serving at most ${capacity} ${this.#isUdp ? 'sessions' : 'connections'} of ${wanted}: the limit on open files allows no more`;
      this.#options.log(0, `${line} (raise it with ulimit -n)`);
    }
    this.#connectionsMax = wanted;
  }
}

/** Throws an Error that says why a connection cannot have its client's address. */
function requireTransparency(engine: EngineName): void {
  const obstacle = engine === 'node' ? 'the node engine has no sockets of its own' : transparencyObstacle();
  if (obstacle !== '') throw new Error(`cannot be transparent: ${obstacle}`);
}

function snapshotOf(table: ConnectionTable, row: number, index: number): ConnectionSnapshot {
  const used = row < table.highWater;
  const state = table.state[row];
  const hasClient = state !== STATE.free && state !== STATE.idler && state !== STATE.reaching;
  const hasPeer = used && hasClient && (table.flags[row] & FROM_UNIX) === 0;
  const [a, b, c, d] = table.peer.subarray(row * 4, row * 4 + 4);
  return {
    index,
    state,
    clientSocket: used ? table.clientSocket[row] : NONE,
    serverSocket: used ? table.serverSocket[row] : NONE,
    client: used ? table.client[row] : NONE,
    server: used ? table.server[row] : NONE,
    pending: state === STATE.connecting ? 1 : 0,
    peer: hasPeer ? [a, b, c, d] : undefined,
    peerPort: hasPeer ? table.peerPort[row] : 0,
    sinceMs: state === STATE.connecting || state === STATE.relaying ? table.sinceMs[row] : 0,
  };
}

interface ListenOrder {
  readonly endpoint: Endpoint;
  readonly descriptor?: number;
}

/** Resolves to what the worker then listens on; rejects with a SystemError. */
async function askToListen(worker: WorkerThread, order: ListenOrder): Promise<Endpoint> {
  const answer = worker.expect('listening', 'listenFailed');
  worker.send({ type: 'listen', ...order });
  const message = await answer;
  if (message.type === 'listenFailed') throw new SystemError('listen', message.errno);
  return message.endpoint;
}

/** Listening sockets are descriptors that threads can hand to each other. */
function sharesDescriptors(): boolean {
  return hasFfi() && process.platform !== 'win32';
}

/**
 * Connections that the descriptor limit has room for, beside what is open already. TCP: two descriptors each, and where
 * several workers accept at once a third for those that one has accepted ahead of its turn. UDP: one each, and some
 * for each worker that are closed a moment after their session has ended.
 */
function connectionCapacity(threads: number, isUdp: boolean): number {
  if (!sharesDescriptors()) return Number.MAX_SAFE_INTEGER;
  const spare = openDescriptors() + DESCRIPTOR_MARGIN;
  if (isUdp) return Math.max(1, raiseFileLimit() - spare - threads * CLOSING_MARGIN);
  return Math.max(1, Math.floor((raiseFileLimit() - spare) / (threads === 1 ? 2 : 3)));
}

function openDescriptors(): number {
  try {
    return readdirSync('/dev/fd').length;
  } catch {
    return DESCRIPTOR_MARGIN;
  }
}
