/**
 * The control port or socket: one command, one reply, close. Its clients are hostile: the line is bounded in
 * length and time, the number of clients and the bytes waiting to be read are bounded, and who is slow only
 * waits for itself. docs/internals/control-protocol.md draws the life of a client.
 */
import { closeSync, openSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { type Endpoint, formatEndpoint, formatIp, ipEndpoint, parseIp } from '../core/address.js';
import { ControlClient } from './control-client.js';
import { CommandError, causeOf } from './errors.js';
import { listenCause } from './listen-cause.js';
import { listenPrivately, removeStale } from './socket-file.js';

export interface ControlHandler {
  /** The reply to one line. Never rejects. */
  execute(line: string, origin: 'unix' | 'tcp'): Promise<string>;
  /** Whether a TCP client may talk at all. */
  admits(address: ArrayLike<number>): boolean;
}

export interface ControlLimits {
  /** Longest line, bytes. */
  readonly lineBytes: number;
  /** Time for the line to come. */
  readonly lineMs: number;
  /** A line without an end is one when nothing follows for that long: C Pen takes what the first read gives. */
  readonly quietMs: number;
  /** Time in which a part of the reply must be read, and all of it. */
  readonly stallMs: number;
  readonly replyMs: number;
  /**
   * Clients at once; the one that has waited longest for its own line gives way to a new one. The engines leave 64
   * descriptors to everything else: these must fit among them, or connections could lock penctl out.
   */
  readonly clients: number;
  /** Replies that nobody has read yet, bytes over all clients. */
  readonly replyBytes: number;
}

export const defaultControlLimits: ControlLimits = {
  lineBytes: 65_536,
  lineMs: 5_000,
  quietMs: 500,
  stallMs: 5_000,
  replyMs: 60_000,
  clients: 24,
  replyBytes: 64 * 1024 * 1024,
};

export class ControlServer {
  readonly #server: Server;
  readonly #handler: ControlHandler;
  readonly #limits: ControlLimits;
  /** In the order in which they came. */
  readonly #clients = new Set<ControlClient>();
  readonly #wanted: Endpoint;

  /** Throws CommandError if it cannot listen there; the socket file of a pen that is gone is replaced. */
  static async listen(
    endpoint: Endpoint,
    handler: ControlHandler,
    limits: Partial<ControlLimits> = {},
  ): Promise<ControlServer> {
    if (endpoint.kind === 'unix') await removeStale(endpoint.path, 'control');
    const server = new ControlServer(endpoint, handler, { ...defaultControlLimits, ...limits });
    await server.#listen();
    return server;
  }

  private constructor(endpoint: Endpoint, handler: ControlHandler, limits: ControlLimits) {
    this.#wanted = endpoint;
    this.#handler = handler;
    this.#limits = limits;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** What it is bound to, the port that was chosen for port 0. */
  get endpoint(): Endpoint {
    const bound = this.#server.address();
    if (this.#wanted.kind === 'unix' || bound === null || typeof bound === 'string') return this.#wanted;
    return ipEndpoint(this.#wanted.address, bound.port);
  }

  /** Ends every client and removes the socket file, if it still can. Idempotent. */
  async close(): Promise<void> {
    for (const client of this.#clients) client.drop();
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #listen(): Promise<void> {
    const wanted = this.#wanted;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        const text = `cannot listen for control on '${formatEndpoint(wanted)}': ${listenCause(error, wanted)}`;
        reject(new CommandError(text, { isFromOutside: true, cause: error }));
      });
      this.#server.once('listening', () => {
        // Accepting can fail later on (descriptors run out); the port stays open and the next client has more luck.
        this.#server.on('error', () => this.#makeRoom());
        resolve();
      });
      if (wanted.kind === 'ip')
        this.#server.listen({ host: formatIp(wanted.address), port: wanted.port, exclusive: true });
      else listenPrivately(this.#server, wanted.path);
    });
  }

  #accept(socket: Socket): void {
    const isUnix = this.#wanted.kind === 'unix';
    if (!isUnix && !this.#isAdmitted(socket)) {
      socket.on('error', () => {});
      socket.destroy();
      return;
    }
    if (this.#clients.size >= this.#limits.clients && !this.#makeRoom()) {
      socket.on('error', () => {});
      socket.end('error: too many control clients\n', () => socket.destroy());
      return;
    }
    const client = new ControlClient(socket, this.#limits, {
      execute: (line) => this.#execute(line, isUnix ? 'unix' : 'tcp'),
      over: () => this.#clients.delete(client),
    });
    this.#clients.add(client);
    if (!hasSpareDescriptor()) this.#makeRoom();
  }

  async #execute(line: string, origin: 'unix' | 'tcp'): Promise<string> {
    const reply = await this.#handler.execute(line, origin);
    let waiting = 0;
    for (const client of this.#clients) waiting += client.waitingBytes;
    const hasRoom = waiting === 0 || waiting + Buffer.byteLength(reply) <= this.#limits.replyBytes;
    return hasRoom ? reply : 'error: too many replies wait to be read\n';
  }

  #isAdmitted(socket: Socket): boolean {
    const address = parseIp((socket.remoteAddress ?? '').replace(/%.*$/, ''));
    return address !== undefined && this.#handler.admits(address);
  }

  /** Drops the client that has waited longest for its own line; false if all have sent one. */
  #makeRoom(): boolean {
    for (const client of this.#clients) {
      if (!client.isReading) continue;
      client.drop();
      return true;
    }
    return false;
  }
}

/**
 * Whether the next client can be accepted: without a free descriptor libuv closes it unasked, and nobody is told. What
 * is opened does not matter, only that there is always one.
 */
function hasSpareDescriptor(): boolean {
  try {
    closeSync(openSync('/', 'r'));
    return true;
  } catch (error) {
    return !['EMFILE', 'ENFILE'].includes(causeOf(error));
  }
}
