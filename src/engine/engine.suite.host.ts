/** The main thread's end of an engine in a worker: commands as promises, completions as a queue of events. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import type { Endpoint } from '../core/address.js';
import { writeWake } from '../sys/wake.js';
import type { EngineName } from './engine.js';
import type { Operations } from './engine.suite.worker.js';

/** How long a play waits for something that should happen soon. */
export const PATIENCE_MS = 8000;

export interface Command {
  readonly id: number;
  readonly operation: keyof Operations;
  readonly args: readonly unknown[];
}

export interface PlayedPeer {
  readonly words: number[];
  readonly port: number;
  readonly isUnix: boolean;
}

export type HostEvent =
  | { kind: 'ready'; wakeDescriptor: number }
  | { kind: 'reply'; id: number; value: unknown }
  | { kind: 'failure'; id: number; message: string }
  | { kind: 'violation'; text: string }
  | { kind: 'listening'; listener: number; result: number }
  | { kind: 'accepted'; listener: number; socket: number; peer: PlayedPeer }
  | { kind: 'exhausted'; listener: number; result: number }
  | { kind: 'connected'; socket: number; result: number }
  | { kind: 'received'; socket: number; buffer: number; length: number; bytes: Uint8Array }
  | { kind: 'written'; socket: number; result: number }
  | { kind: 'collected'; socket: number; chunks: Uint8Array[]; end: number }
  | { kind: 'timer'; nowMs: number }
  | { kind: 'stopped' };

type EventOf<K extends HostEvent['kind']> = Extract<HostEvent, { kind: K }>;

export class EngineHost {
  readonly violations: string[] = [];
  readonly #worker: Worker;
  readonly #port: MessagePort;
  #wakeDescriptor = -1;
  #lastId = 0;
  readonly #replies = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #events: HostEvent[] = [];
  #arrival: (() => void) | undefined;
  hasStopped = false;

  private constructor(worker: Worker, port: MessagePort) {
    this.#worker = worker;
    this.#port = port;
    port.on('message', (event: HostEvent) => this.#onEvent(event));
    worker.on('exit', () => {
      for (const { reject } of this.#replies.values()) reject(new Error('the engine has stopped'));
    });
    worker.on('error', (error) => this.#onEvent({ kind: 'violation', text: `worker: ${error.stack}` }));
  }

  static async start(name: EngineName): Promise<EngineHost> {
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(new URL('./engine.suite.worker.js', import.meta.url), {
      workerData: { name, port: port2 },
      transferList: [port2],
    });
    const host = new EngineHost(worker, port1);
    host.#wakeDescriptor = (await host.event('ready')).wakeDescriptor;
    return host;
  }

  /** Calls the engine (or the worker) and gives what it returned. */
  call<K extends keyof Operations>(
    operation: K,
    ...args: Parameters<Operations[K]>
  ): Promise<ReturnType<Operations[K]>> {
    const id = ++this.#lastId;
    const reply = new Promise((resolve, reject) => {
      this.#replies.set(id, { resolve, reject });
    });
    this.#port.postMessage({ id, operation, args } satisfies Command);
    if (this.#wakeDescriptor >= 0) writeWake(this.#wakeDescriptor);
    return reply as Promise<ReturnType<Operations[K]>>;
  }

  /** The first event of that kind (about that socket) not taken yet; waits for it. */
  async event<K extends HostEvent['kind']>(kind: K, socket?: number): Promise<EventOf<K>> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const index = this.#events.findIndex((e) => isAbout(e, kind, socket));
      if (index >= 0) return this.#events.splice(index, 1)[0] as EventOf<K>;
      const left = deadline - Date.now();
      if (left <= 0 || this.violations.length > 0) throw this.#missing(kind, socket);
      await this.#nextArrival(left);
    }
  }

  /** Events of that kind that wait to be taken. */
  waiting<K extends HostEvent['kind']>(kind: K, socket?: number): EventOf<K>[] {
    return this.#events.filter((e) => isAbout(e, kind, socket)) as EventOf<K>[];
  }

  async listen(endpoint: Endpoint, options: { backlog?: number; role?: 'echo' | Endpoint; grants?: number } = {}) {
    const listener = await this.call('listen', endpoint, options.backlog ?? 511, options.role);
    const { result } = await this.event('listening');
    assert.equal(result, 0, `listen failed with ${result}`);
    const bound = await this.call('boundTo', listener);
    const grants = options.grants ?? 1_000_000;
    if (grants > 0) await this.call('grantAccept', listener, grants, 1000);
    return { listener, endpoint: bound };
  }

  /** Connects; the result must be 0. */
  async connect(endpoint: Endpoint): Promise<number> {
    const socket = await this.call('connect', endpoint, undefined);
    const { result } = await this.event('connected', socket);
    assert.equal(result, 0, `connect failed with ${result}`);
    return socket;
  }

  /** One receive: the bytes, or the number that ended the stream (0 or -errno). */
  async read(socket: number): Promise<Uint8Array | number> {
    await this.call('receive', socket);
    const { buffer, length, bytes } = await this.event('received', socket);
    if (length <= 0) return length;
    await this.call('release', buffer);
    return bytes;
  }

  /** Reads to the end: the bytes and how the stream ended. */
  async readAll(socket: number): Promise<{ bytes: Buffer; end: number }> {
    await this.call('readAll', socket);
    const { chunks, end } = await this.event('collected', socket);
    return { bytes: Buffer.concat(chunks), end };
  }

  /** Sends all of it, in as many buffers as it takes: 0 or the -errno that ended it. */
  async write(socket: number, bytes: Uint8Array): Promise<number> {
    await this.call('write', socket, bytes);
    return (await this.event('written', socket)).result;
  }

  /** Closes every listener and socket, and waits until no buffer is in anybody's hands. */
  async closeAll(): Promise<void> {
    for (const { length, buffer } of this.waiting('received')) if (length > 0) await this.call('release', buffer);
    await this.call('closeAll');
    const deadline = Date.now() + PATIENCE_MS / 4;
    for (;;) {
      const { buffersInUse } = await this.call('numbers');
      if (buffersInUse === 0) return;
      assert.ok(Date.now() < deadline, `${buffersInUse} buffers are still in use`);
      await sleep(5);
    }
  }

  /** Stops the engine and waits for its thread to end. */
  async stop(): Promise<void> {
    if (this.hasStopped) return;
    this.hasStopped = true;
    const exit = once(this.#worker, 'exit');
    void this.call('stop').catch(() => {});
    const [code] = (await Promise.race([exit, sleep(PATIENCE_MS, ['no exit'], { ref: false })])) as [unknown];
    this.#port.close();
    if (code === 'no exit') void this.#worker.terminate();
    assert.equal(code, 0, 'the engine ends when told to stop');
  }

  #onEvent(event: HostEvent): void {
    if (event.kind === 'reply') this.#settle(event.id)?.resolve(event.value);
    else if (event.kind === 'failure') this.#settle(event.id)?.reject(new Error(event.message));
    else if (event.kind === 'violation') this.violations.push(event.text);
    else this.#events.push(event);
    this.#arrival?.();
  }

  #settle(id: number) {
    const reply = this.#replies.get(id);
    this.#replies.delete(id);
    return reply;
  }

  #nextArrival(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#arrival = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #missing(kind: string, socket: number | undefined): Error {
    const about = socket === undefined ? '' : ` about ${socket}`;
    const told = this.#events.map((e) => JSON.stringify({ ...e, bytes: undefined })).join(' ');
    return new Error(
      `no "${kind}"${about} (violations: ${this.violations.join('; ') || 'none'}; other events: ${told})`,
    );
  }
}

function isAbout(event: HostEvent, kind: string, socket: number | undefined): boolean {
  return event.kind === kind && (socket === undefined || ('socket' in event && event.socket === socket));
}
