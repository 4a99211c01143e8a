/** What each path of the admin port answers. docs/internals/admin.md has the table. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Origin } from '../control/argument.js';
import { collected } from '../control/piecemeal.js';
import type { Service } from '../control/service.js';
import type { ServerBrief } from '../control/statistics.js';
import { Metrics } from '../metrics/metrics.js';
import { readAssets } from './assets.js';
import { readJson } from './body.js';
import { answerOf, commandLine, commandOfPath, dataOf, hasJson, isReadable, readingLine } from './command-api.js';
import type { Gate } from './gate.js';
import { sendInPieces } from './in-pieces.js';
import { Live } from './live.js';
import { openApiDocument } from './openapi.js';
import { Paced } from './paced.js';
import { Refusal } from './refusal.js';

const COMMANDS = '/api/v1/commands/';
const API = '/api/v1/';

/** Pages run only what comes from here, and nobody may frame them. */
const pageHeaders = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
};

export interface RouterOptions {
  readonly gate: Gate;
  /** What commands may do: those that name files only over a Unix socket. */
  readonly origin: Origin;
  /** Called for each request of somebody who may command. */
  admitted(request: IncomingMessage): void;
}

export class Router {
  readonly #service: Service;
  readonly #options: RouterOptions;
  readonly #live: Live;
  readonly #metrics: Metrics;
  readonly #reading: Paced<readonly Buffer[]>;
  /** Servers that take connections. Whoever can reach the port may ask for that. */
  readonly #able: Paced<number>;
  readonly #assets = readAssets();
  readonly #openApi = JSON.stringify(openApiDocument());

  constructor(service: Service, options: RouterOptions) {
    this.#service = service;
    this.#options = options;
    this.#live = new Live(service);
    this.#metrics = new Metrics(service);
    this.#reading = new Paced(
      () => this.#metrics.read(),
      () => performance.now(),
    );
    this.#able = new Paced(
      async () => (await collected(service.views.briefs())).filter(isAble).length,
      () => performance.now(),
    );
  }

  /** Answers the request; throws Refusal. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = parsedUrl(request.url ?? '/');
    const { pathname } = url;
    const asset = this.#assets.get(pathname);
    const isProbe = pathname === '/healthz' || pathname === '/readyz';
    if (this.#options.gate.check(request, asset !== undefined || isProbe)) this.#options.admitted(request);
    if (pathname.startsWith(COMMANDS)) {
      requireMethod(request, 'POST');
      return this.#command(request, response, pathname.slice(COMMANDS.length));
    }
    if (pathname === `${API}live`) {
      requireMethod(request, 'GET');
      return this.#live.watch(response);
    }
    requireMethod(request, 'GET', 'HEAD');
    if (asset) return send(response, 200, asset.type, asset.bytes, pageHeaders);
    if (pathname === '/healthz') return send(response, 200, 'text/plain', 'ok\n');
    if (pathname === '/readyz') return this.#readiness(response);
    if (pathname === '/metrics') return sendInPieces(response, this.#metrics.contentType, await this.#reading.get());
    if (pathname === '/openapi.json') return send(response, 200, 'application/json', this.#openApi);
    if (pathname === `${API}history`) return this.#history(response, url.searchParams);
    if (pathname.startsWith(API)) return this.#read(response, pathname.slice(API.length), url.searchParams);
    throw new Refusal(404, 'there is nothing here');
  }

  close(): void {
    this.#live.close();
  }

  async #command(request: IncomingMessage, response: ServerResponse, name: string): Promise<void> {
    const command = commandOfPath(name);
    if (!command) throw new Refusal(404, 'there is no such command');
    const body = await readJson(request);
    if (typeof body !== 'object' || body === null) throw new Refusal(400, 'expected an object');
    const { arguments: words = [], ...others } = body as Record<string, unknown>;
    const [other] = Object.keys(others);
    if (other !== undefined) throw new Refusal(400, 'expected "arguments" and nothing else');
    const isData = hasJson(command);
    const line = `${commandLine(command, words)}${isData ? ' --json' : ''}`;
    const reply = await this.#service.execute(line, this.#options.origin);
    send(response, 200, 'application/json', answerOf(reply, isData));
  }

  async #read(response: ServerResponse, name: string, query: URLSearchParams): Promise<void> {
    const command = commandOfPath(name);
    if (!command || !isReadable(command)) throw new Refusal(404, 'there is nothing here');
    const line = readingLine(command, query.getAll('argument'));
    send(response, 200, 'application/json', dataOf(await this.#service.execute(line, this.#options.origin)));
  }

  #history(response: ServerResponse, query: URLSearchParams): void {
    const seconds = wholeNumber(query, 'seconds', 300, 3600);
    const step = wholeNumber(query, 'step', 1, 60);
    sendJson(response, 200, this.#service.observer.history.series(seconds, step));
  }

  async #readiness(response: ServerResponse): Promise<void> {
    const able = await this.#able.get();
    if (able > 0) send(response, 200, 'text/plain', `ready: ${able} ${able === 1 ? 'server' : 'servers'}\n`);
    else send(response, 503, 'text/plain', 'not ready: no server takes connections\n');
  }
}

function isAble({ server, state }: ServerBrief): boolean {
  return state === 'up' && server !== 'abuse';
}

function parsedUrl(text: string): URL {
  try {
    return new URL(text, 'http://pen');
  } catch {
    throw new Refusal(400, 'the path is none');
  }
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, 'application/json', `${JSON.stringify(value)}\n`);
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body), ...headers });
  response.end(body);
}

function requireMethod(request: IncomingMessage, ...methods: readonly string[]): void {
  if (methods.includes(request.method ?? '')) return;
  throw new Refusal(405, `expected ${methods.join(' or ')}`, { allow: methods.join(', ') });
}

function wholeNumber(query: URLSearchParams, name: string, otherwise: number, max: number): number {
  const text = query.get(name) ?? String(otherwise);
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > max) throw new Refusal(400, `${name}: expected a number from 1 to ${max}`);
  return value;
}
