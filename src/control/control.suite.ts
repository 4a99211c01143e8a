/**
 * What the tests of this folder share: a Service with real tables and a data plane that carries no traffic.
 * It keeps what it is told and really listens where it is told to (the real one is proxy/workers.ts).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Endpoint, formatIp, ipEndpoint } from '../core/address.js';
import { ClientTable } from '../core/client-table.js';
import type { Configuration } from '../core/configuration.js';
import { ServerState } from '../core/server-state.js';
import type { ConnectionSnapshot, DataPlane, WorkerSnapshot } from '../proxy/data-plane.js';
import { Transparency } from '../proxy/transparency.js';
import { NO_TLS_COUNTS, type TlsCounts } from '../tls/counts.js';
import { LogRing } from '../weblog/log-ring.js';
import { Service } from './service.js';
import type { CommandLine, ServiceOptions } from './service-options.js';

/** A state that a connection in use may have. */
const RELAYING = 2;

const UNUSED = {
  state: 0,
  clientSocket: -1,
  serverSocket: -1,
  client: -1,
  server: -1,
  pending: 0,
  peer: undefined,
  peerPort: 0,
  sinceMs: 0,
} as const;

export class MemoryDataPlane implements DataPlane {
  readonly engine = 'node';
  readonly engineReason = 'for tests';
  readonly threads = 1;
  readonly servers = new ServerState(ServerState.allocate());
  readonly clients = new ClientTable(ClientTable.allocate(1));
  readonly transparency = new Transparency(Transparency.allocate()).counters;
  readonly logRings = [LogRing.allocate(new SharedArrayBuffer(4), 1 << 12)];
  configuration: Configuration;
  listening: Endpoint | undefined;
  /** How often a configuration has been published. */
  published = 0;
  /** Index = connection; set by tests. */
  readonly connections: ConnectionSnapshot[] = [];
  #server: Server | undefined;

  constructor(configuration: Configuration) {
    this.configuration = configuration;
    this.clients.grow(configuration.settings.clientsMax);
  }

  configure(configuration: Configuration): void {
    this.configuration = configuration;
    this.clients.grow(configuration.settings.clientsMax);
    this.published += 1;
  }

  drops(): [] {
    return [];
  }

  async listen(endpoint: Endpoint): Promise<void> {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.once('listening', resolve);
      if (endpoint.kind === 'unix') server.listen({ path: endpoint.path });
      else server.listen({ host: formatIp(endpoint.address), port: endpoint.port });
    });
    this.#server?.close();
    this.#server = server;
    const bound = server.address();
    this.listening =
      endpoint.kind === 'ip' && typeof bound === 'object' && bound
        ? ipEndpoint(endpoint.address, bound.port)
        : endpoint;
  }

  async reduceCapabilities(): Promise<void> {}

  idlers(): number {
    return 0;
  }

  tlsCounts(): TlsCounts {
    return NO_TLS_COUNTS;
  }

  connectionsInUse(): number {
    return this.connections.length;
  }

  workers(): WorkerSnapshot[] {
    return [{ place: 0, thread: 0 }];
  }

  activeConnections(limit: number, wants = (_: ConnectionSnapshot) => true): ConnectionSnapshot[] {
    return this.connections.filter((one) => one?.state !== 0 && wants(one)).slice(0, limit);
  }

  connection(index: number): ConnectionSnapshot | undefined {
    if (!this.#inRange(index)) return undefined;
    return this.connections[index] ?? { ...MemoryDataPlane.connection(index), ...UNUSED };
  }

  connectionOfSocket(socket: number): number {
    return this.connections.findIndex((one) => one.clientSocket === socket || one.serverSocket === socket);
  }

  closeConnection(index: number): boolean {
    return this.#inRange(index);
  }

  async stop(): Promise<void> {
    this.#server?.close();
  }

  /** A connection in use, as the relay would show it. */
  static connection(index: number): ConnectionSnapshot {
    const peer = [0, 0, 0xffff, 0x7f000002] as const;
    const sockets = { clientSocket: 20, serverSocket: 21 };
    return {
      index,
      state: RELAYING,
      ...sockets,
      client: 4,
      server: 1,
      pending: 0,
      peer,
      peerPort: 4711,
      sinceMs: 999_000,
    };
  }

  #inRange(index: number): boolean {
    return index >= 0 && index < this.configuration.settings.connectionsMax;
  }
}

export interface ServiceScene {
  readonly service: Service;
  readonly plane: MemoryDataPlane;
  /** Everything that was printed for -O, -F and include. */
  printed(): string;
  readonly logged: string[];
  /** Statuses that the service wanted to exit with; -1 for an abort. */
  readonly exits: number[];
  clock: { monotonicMs: number; wallMs: number };
}

interface Scene {
  after(end: () => unknown): void;
}

/** A service with no clock but the one in `clock`. It is ended with the test. */
export function serviceOf(
  t: Scene,
  changes: Partial<ServiceOptions> = {},
): Omit<ServiceScene, 'plane'> & { plane(): MemoryDataPlane } {
  const printed: string[] = [];
  const logged: string[] = [];
  const exits: number[] = [];
  const clock = { monotonicMs: 1_000_000, wallMs: Date.UTC(2026, 0, 2, 3, 4, 5) };
  let plane: MemoryDataPlane | undefined;
  const service = new Service({
    async startDataPlane(configuration, listen) {
      plane = new MemoryDataPlane(configuration);
      if (listen) await plane.listen(listen);
      return plane;
    },
    engines: ['uring', 'epoll', 'poll', 'node'],
    monotonicMs: () => clock.monotonicMs,
    wallMs: () => clock.wallMs,
    log: (_, line) => logged.push(line),
    print: (text) => printed.push(text),
    exit: (status) => exits.push(status),
    abort: () => exits.push(-1),
    pid: 4711,
    version: '1.2.3',
    openAdmin: async (endpoint) => ({ endpoint, close: async () => {} }),
    allowExit: false,
    ...changes,
  });
  t.after(() => service.stop());
  const running = () => {
    if (!plane) throw new Error('not started');
    return plane;
  };
  return { service, plane: running, printed: () => printed.join(''), logged, exits, clock };
}

/** A started service: two servers, listening on a free port of 127.0.0.1. */
export async function startedService(
  t: Scene,
  commandLine: Partial<CommandLine> = {},
  changes: Partial<ServiceOptions> = {},
): Promise<ServiceScene> {
  const scene = serviceOf(t, changes);
  const servers = ['127.0.0.1:8001', '127.0.0.1:8002'];
  await scene.service.prepare({ listen: '127.0.0.1:0', servers, commands: [], ...commandLine });
  await scene.service.start();
  return { ...scene, plane: scene.plane() };
}

/** An empty folder, gone when the test ends. */
export function scratch(t: Scene): string {
  const folder = mkdtempSync(join(tmpdir(), 'pen-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
