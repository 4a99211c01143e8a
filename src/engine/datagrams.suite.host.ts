/** The main thread's end of a datagram engine in a worker: commands as promises, what happens as a queue of events. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { libc } from '../sys/libc.js';
import { writeWake } from '../sys/wake.js';
import type { DatagramOperations } from './datagrams.suite.worker.js';
import type { EngineName } from './engine.js';

const PATIENCE_MS = 8000;

/** An engine, or poll without recvmmsg(2) and sendmmsg(2). */
export type DatagramImplementation = EngineName | 'one by one';

export interface DatagramCommand {
  readonly id: number;
  readonly operation: keyof DatagramOperations;
  readonly args: readonly unknown[];
}

export type DatagramEvent =
  | { kind: 'ready'; wakeDescriptor: number }
  | { kind: 'reply'; id: number; value: unknown }
  | { kind: 'violation'; text: string }
  | { kind: 'listening'; listener: number; result: number }
  | { kind: 'arrived'; listener: number; sender: string; local: string; path: number; bytes: Uint8Array }
  | { kind: 'answered'; socket: number; bytes: Uint8Array }
  | { kind: 'failed'; socket: number; error: number }
  | { kind: 'unsent'; tag: number; isReply: boolean; bytes: Uint8Array; error: number }
  | { kind: 'truncated' }
  | { kind: 'timer'; nowMs: number }
  | { kind: 'stopped' };

type EventOf<K extends DatagramEvent['kind']> = Extract<DatagramEvent, { kind: K }>;

export class DatagramHost {
  readonly violations: string[] = [];
  /** The error that ended the worker, if one did. */
  error: Error | undefined;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #exit: Promise<void>;
  #wakeDescriptor = -1;
  #lastId = 0;
  readonly #replies = new Map<number, (value: unknown) => void>();
  #events: DatagramEvent[] = [];
  #isStopping = false;

  static async start(implementation: DatagramImplementation): Promise<DatagramHost> {
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(new URL('./datagrams.suite.worker.js', import.meta.url), {
      workerData: { implementation, port: port2 },
      transferList: [port2],
    });
    const host = new DatagramHost(worker, port1);
    host.#wakeDescriptor = (await host.next('ready')).wakeDescriptor;
    return host;
  }

  private constructor(worker: Worker, port: MessagePort) {
    this.#worker = worker;
    this.#port = port;
    port.on('message', (event: DatagramEvent) => {
      if (event.kind === 'violation') this.violations.push(event.text);
      else if (event.kind === 'reply') this.#replies.get(event.id)?.(event.value);
      else this.#events.push(event);
    });
    worker.on('error', (error: Error) => {
      this.error = error;
    });
    this.#exit = new Promise((resolve) => worker.on('exit', () => resolve()));
  }

  do<K extends keyof DatagramOperations>(
    operation: K,
    ...args: Parameters<DatagramOperations[K]>
  ): Promise<ReturnType<DatagramOperations[K]>> {
    const id = ++this.#lastId;
    const reply = new Promise((resolve) => this.#replies.set(id, resolve));
    this.#port.postMessage({ id, operation, args } satisfies DatagramCommand);
    if (this.#wakeDescriptor >= 0) writeWake(this.#wakeDescriptor);
    return reply as Promise<ReturnType<DatagramOperations[K]>>;
  }

  /** The oldest event of that kind that nobody has taken; the others keep their places. */
  async next<K extends DatagramEvent['kind']>(kind: K): Promise<EventOf<K>> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const at = this.#events.findIndex((event) => event.kind === kind);
      if (at >= 0) return this.#events.splice(at, 1)[0] as EventOf<K>;
      assert.ok(
        performance.now() < deadline,
        `waited in vain for '${kind}'; there was: ${JSON.stringify(this.#events)}`,
      );
      if (this.error) throw this.error;
      await sleep(1);
    }
  }

  forget(kind: DatagramEvent['kind']): void {
    this.#events = this.#events.filter((event) => event.kind !== kind);
  }

  has(kind: DatagramEvent['kind']): boolean {
    return this.#events.some((event) => event.kind === kind);
  }

  /** Resolves when the worker has ended, by itself or by `stop`. */
  async ended(): Promise<void> {
    await this.#exit;
    this.#port.close();
    if (this.#wakeDescriptor >= 0) libc().close(this.#wakeDescriptor);
    this.#wakeDescriptor = -1;
  }

  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    if (this.error === undefined) {
      void this.do('stop');
      await Promise.race([this.#exit, sleep(PATIENCE_MS, undefined, { ref: false })]);
    }
    await this.#worker.terminate();
    await this.ended();
  }
}
