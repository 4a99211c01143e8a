/** What a play of the engine suite stands on: hosts with engines, plain node:net peers, and an end that cleans up. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Endpoint, formatIp, ipEndpoint, parseIp } from '../core/address.js';
import type { EngineName } from './engine.js';
import { EngineHost } from './engine.suite.host.js';

export interface Case {
  /** Reads after the engine's name: "uring reports ...". */
  readonly name: string;
  /** Why this process cannot play it, '' if it can. */
  obstacle?(): string;
  play(stage: Stage): Promise<void>;
}

export class Stage {
  readonly engine: EngineName;
  readonly #hosts: EngineHost[] = [];
  readonly #sockets: net.Socket[] = [];
  readonly #servers: net.Server[] = [];
  #folder: string | undefined;

  constructor(engine: EngineName) {
    this.engine = engine;
  }

  async host(): Promise<EngineHost> {
    const host = await EngineHost.start(this.engine);
    this.#hosts.push(host);
    return host;
  }

  /** A path for a Unix socket. */
  path(name: string): Endpoint {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'pen-'));
    return { kind: 'unix', path: join(this.#folder, name) };
  }

  /** A connected client that reads nothing until told to, and keeps its half open. */
  async dial(endpoint: Endpoint): Promise<net.Socket> {
    const socket = this.dialLater(endpoint);
    await once(socket, 'connect');
    return socket;
  }

  /** The same while it is still connecting. */
  dialLater(endpoint: Endpoint): net.Socket {
    const socket = net.connect({ ...target(endpoint), allowHalfOpen: true });
    return this.adopt(socket.pause());
  }

  /** A server; its connections wait in `clients`, unread. */
  async serve(endpoint: Endpoint, onClient?: (socket: net.Socket) => void) {
    const clients: net.Socket[] = [];
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      clients.push(this.adopt(socket));
      onClient?.(socket);
    });
    this.#servers.push(server);
    server.listen(target(endpoint));
    await once(server, 'listening');
    const address = server.address();
    const bound = address !== null && typeof address === 'object' ? { ...endpoint, port: address.port } : endpoint;
    const nextClient = async (): Promise<net.Socket> => {
      if (clients.length === 0) await once(server, 'connection');
      return clients.shift() as net.Socket;
    };
    return { endpoint: bound, clients, nextClient, server };
  }

  /** The socket will be destroyed at the end, and its errors are somebody else's business. */
  adopt(socket: net.Socket): net.Socket {
    this.#sockets.push(socket);
    return socket.on('error', () => {});
  }

  /** Closes everything; every engine must have kept to the contract and have all its buffers back. */
  async end(): Promise<void> {
    const problems: string[] = [];
    for (const host of this.#hosts) {
      try {
        if (!host.hasStopped) await host.closeAll();
      } catch (error) {
        problems.push((error as Error).message);
      }
      await host.stop().catch((error: Error) => problems.push(error.message));
      problems.push(...host.violations);
    }
    await this.abandon();
    assert.deepEqual(problems, []);
  }

  /** Closes everything without a judgement. */
  async abandon(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const server of this.#servers) server.close();
    await Promise.all(this.#hosts.map((host) => host.stop().catch(() => {})));
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** An IP endpoint by its text; port 0 unless given. */
export function ip(text: string, port = 0): Endpoint {
  const words = parseIp(text);
  assert.ok(words);
  return ipEndpoint(words, port);
}

export const LOOPBACK = ip('127.0.0.1');

/** Everything the socket says until its end; rejects if it ends by an error. */
export async function drain(socket: net.Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.resume();
  if (!socket.readableEnded) await once(socket, 'end');
  return Buffer.concat(chunks);
}

/** Reads that many bytes. */
export async function take(socket: net.Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let missing = length;
  while (missing > 0) {
    const chunk = socket.read(Math.min(missing, Math.max(socket.readableLength, 1))) as Buffer | null;
    if (chunk === null) {
      assert.ok(!socket.readableEnded && !socket.destroyed, `the stream ended ${missing} bytes early`);
      await readableOrEnd(socket);
    } else {
      chunks.push(chunk);
      missing -= chunk.length;
    }
  }
  return Buffer.concat(chunks);
}

function readableOrEnd(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('readable', done).off('end', done).off('close', done);
      resolve();
    };
    socket.on('readable', done).on('end', done).on('close', done);
  });
}

/** How a socket ends: 'end', or the code of its error. Reads and forgets what it says. */
export function fate(socket: net.Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.once('end', () => resolve('end'));
    socket.once('close', () => resolve('close'));
    socket.resume();
  });
}

export function checksum(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

/** Equal bytes, compared by length and checksum so that a failure stays readable. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array, message = ''): void {
  assert.equal(
    `${actual.length} bytes ${checksum(actual)}`,
    `${expected.length} bytes ${checksum(expected)}`,
    message || undefined,
  );
}

/** Numbers in [0, 1) and bytes that are the same for the same seed (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from 0 to limit - 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    const words = new Int32Array(Math.ceil(length / 4));
    for (let i = 0; i < words.length; i++) words[i] = this.next() * 2 ** 32;
    bytes.set(new Uint8Array(words.buffer, 0, length));
    return bytes;
  }
}

function target(endpoint: Endpoint): { path: string } | { host: string; port: number } {
  if (endpoint.kind === 'unix') return { path: endpoint.path };
  return { host: formatIp(endpoint.address), port: endpoint.port };
}
