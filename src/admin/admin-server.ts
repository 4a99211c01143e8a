/**
 * The admin port: dashboard, metrics, health and the commands over HTTP. Its clients are hostile: the time for a request,
 * its size, the connections and the reading of replies are bounded, and everything runs on the main thread, where the data
 * plane does not wait for it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { CommandError } from '../control/errors.js';
import { listenCause } from '../control/listen-cause.js';
import type { Service } from '../control/service.js';
import type { AdminDoor } from '../control/service-options.js';
import { listenPrivately, removeStale } from '../control/socket-file.js';
import { type Endpoint, formatEndpoint, formatIp, ipEndpoint } from '../core/address.js';
import { Gate } from './gate.js';
import { Refusal } from './refusal.js';
import { Router, sendJson } from './router.js';
import { Visitors } from './visitors.js';

export interface AdminLimits {
  /** Connections at once; the engines leave 64 descriptors to everything else, of which control clients may have 24. */
  readonly connections: number;
  readonly headerBytes: number;
  readonly headerMs: number;
  readonly requestMs: number;
  /** A connection on which nothing moves for so long is closed. */
  readonly silenceMs: number;
  /** Time for requests under way when the port is closed. */
  readonly closeMs: number;
}

export const defaultAdminLimits: AdminLimits = {
  connections: 32,
  headerBytes: 16_384,
  headerMs: 5_000,
  requestMs: 10_000,
  silenceMs: 30_000,
  closeMs: 1_000,
};

/** On every answer. */
const commonHeaders = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
};

export class AdminServer implements AdminDoor {
  readonly #server: Server;
  readonly #router: Router;
  readonly #service: Service;
  readonly #wanted: Endpoint;
  readonly #limits: AdminLimits;

  /** Throws CommandError if it cannot listen there. */
  static async listen(endpoint: Endpoint, service: Service, limits: Partial<AdminLimits> = {}): Promise<AdminServer> {
    if (endpoint.kind === 'unix') await removeStale(endpoint.path, 'admin');
    const server = new AdminServer(endpoint, service, { ...defaultAdminLimits, ...limits });
    await server.#listen();
    return server;
  }

  private constructor(endpoint: Endpoint, service: Service, limits: AdminLimits) {
    this.#wanted = endpoint;
    this.#service = service;
    this.#limits = limits;
    const isUnix = endpoint.kind === 'unix';
    const gate = new Gate({
      // Whoever may open the socket is the owner.
      token: () => (isUnix ? undefined : service.adminToken),
      nowMs: () => service.monotonicMs(),
    });
    const visitors = new Visitors(limits.connections);
    this.#router = new Router(service, {
      gate,
      origin: isUnix ? 'unix' : 'tcp',
      admitted: (request) => visitors.mayAsk(request.socket),
    });
    this.#server = createServer(
      {
        maxHeaderSize: limits.headerBytes,
        headersTimeout: limits.headerMs,
        requestTimeout: limits.requestMs,
        connectionsCheckingInterval: Math.min(1000, limits.headerMs),
        keepAliveTimeout: 5_000,
      },
      (request, response) => {
        const { socket } = request;
        visitors.count(socket, 1);
        response.once('close', () => visitors.count(socket, -1));
        void this.#serve(request, response);
      },
    );
    this.#server.on('connection', (socket) => visitors.arrived(socket));
    this.#server.maxHeadersCount = 64;
    this.#server.setTimeout(limits.silenceMs);
  }

  get endpoint(): Endpoint {
    const bound = this.#server.address();
    if (this.#wanted.kind === 'unix' || bound === null || typeof bound === 'string') return this.#wanted;
    return ipEndpoint(this.#wanted.address, bound.port);
  }

  async close(): Promise<void> {
    this.#router.close();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const timer = setTimeout(() => this.#server.closeAllConnections(), this.#limits.closeMs);
    this.#server.closeIdleConnections();
    await closed;
    clearTimeout(timer);
  }

  #listen(): Promise<void> {
    const wanted = this.#wanted;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => {
        const text = `cannot listen for admin on '${formatEndpoint(wanted)}': ${listenCause(error, wanted)}`;
        reject(new CommandError(text, { isFromOutside: true, cause: error }));
      });
      this.#server.once('listening', () => {
        // Accepting can fail later on (descriptors run out); the port stays open.
        this.#server.on('error', () => {});
        resolve();
      });
      if (wanted.kind === 'unix') listenPrivately(this.#server, wanted.path);
      else this.#server.listen({ host: formatIp(wanted.address), port: wanted.port, exclusive: true });
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(commonHeaders)) response.setHeader(name, value);
    try {
      await this.#router.answer(request, response);
    } catch (error) {
      if (!(error instanceof Refusal) && !request.destroyed) {
        this.#service.log(0, `admin request failed: ${(error as Error).stack ?? error}`);
      }
      if (response.headersSent || response.destroyed) {
        response.destroy();
        return;
      }
      const { status, message, headers } = error instanceof Refusal ? error : new Refusal(500, 'internal error');
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      // What is left of a body that was not read would be taken for the next request.
      if (!request.complete) response.setHeader('connection', 'close');
      sendJson(response, status, { error: message });
    }
  }
}
