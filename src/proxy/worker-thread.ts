/** One worker thread as the main thread has it: its mail in both directions, its table, and its end. */
import { Worker } from 'node:worker_threads';
import { NONE } from '../core/configuration.js';
import type { ServerState } from '../core/server-state.js';
import { libc } from '../sys/libc.js';
import { carriesTraffic } from '../sys/turns.js';
import { writeWake } from '../sys/wake.js';
import type { LogRingMemory } from '../weblog/log-ring.js';
import { ConnectionTable, STATE } from './connection-table.js';
import type { FromWorker, ToWorker, WorkerStart } from './messages.js';

/** All that a worker needs but what is its own. */
export type SharedStart = Omit<WorkerStart, 'mail' | 'connections' | 'place' | 'log'>;

export interface WorkerEvents {
  placesFree(): void;
  log(level: number, line: string): void;
  /** It has ended without having been told to. */
  died(error: Error): void;
}

/** States of connections that hold none of the `-x` places. */
const PLACELESS: readonly number[] = [STATE.waiting, STATE.idler, STATE.reaching];

interface Waiter {
  take(message: FromWorker): boolean;
  fail(error: Error): void;
}

export class WorkerThread {
  readonly connections: ConnectionTable;
  readonly #worker: Worker;
  readonly #events: WorkerEvents;
  readonly #mailSent: Int32Array;
  readonly #waiters = new Set<Waiter>();
  readonly #exit: Promise<void>;
  #wakeDescriptor = NONE;
  #ownDescriptors: readonly number[] = [];
  #thread = 0;
  #leave = () => {};
  /** It has closed what it had open. */
  #isTidy = false;
  #isStopping = false;
  #error: Error | undefined;

  /** `module` is the thread's code: worker.js, or a test's own way into it. */
  constructor(shared: SharedStart, place: number, log: LogRingMemory, module: URL, events: WorkerEvents) {
    const mail = new SharedArrayBuffer(4);
    const connections = ConnectionTable.allocate();
    const workerData: WorkerStart = { ...shared, place, log, mail, connections };
    this.connections = new ConnectionTable(connections);
    this.#mailSent = new Int32Array(mail);
    this.#events = events;
    this.#worker = new Worker(module, { workerData, name: `pen-worker-${place}` });
    this.#worker.on('message', (message: FromWorker) => this.#take(message));
    this.#worker.on('error', (error: Error) => {
      this.#error = error;
    });
    this.#exit = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#leave();
        this.#ended();
        resolve();
      });
    });
  }

  /** Resolves when its engine is there; rejects if it could not be made. */
  async started(): Promise<void> {
    const { wakeDescriptor, ownDescriptors, thread } = await this.expect('started');
    this.#wakeDescriptor = wakeDescriptor;
    this.#ownDescriptors = ownDescriptors;
    this.#thread = thread;
    this.#leave = carriesTraffic(thread);
  }

  /** The kernel's number of the thread, 0 if unknown. */
  get thread(): number {
    return this.#thread;
  }

  send(message: ToWorker): void {
    this.#worker.postMessage(message);
    // After the message: a worker that sees the count finds the message.
    Atomics.add(this.#mailSent, 0, 1);
    if (this.#wakeDescriptor >= 0) writeWake(this.#wakeDescriptor);
  }

  /** The next message of one of these types; rejects if the worker ends before. */
  expect<T extends FromWorker['type']>(...types: T[]): Promise<Extract<FromWorker, { type: T }>> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        take: (message) => {
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

  async stop(): Promise<void> {
    if (!this.#isStopping) {
      this.#isStopping = true;
      this.send({ type: 'stop' });
    }
    await this.#exit;
  }

  /** Gives back what the connections of a worker that has died held at the servers and of the places. */
  settle(servers: ServerState): void {
    const table = this.connections;
    // An engine without descriptors of its own is Node's, which closes its sockets with the thread.
    const leavesSockets = !this.#isTidy && this.#ownDescriptors.length > 0;
    for (let row = 0; row < table.highWater; row++) {
      const state = table.state[row];
      const server = table.server[row];
      if (state === STATE.free) continue;
      if (server >= 0) {
        if (state === STATE.connecting || state === STATE.reaching) servers.settled(server);
        servers.leave(server);
      }
      if (!PLACELESS.includes(state)) servers.releaseConnection();
      if (leavesSockets)
        for (const socket of [table.clientSocket[row], table.serverSocket[row]]) closeDescriptor(socket);
      table.state[row] = STATE.free;
    }
  }

  #take(message: FromWorker): void {
    if (message.type === 'stopped') this.#isTidy = true;
    else if (message.type === 'placesFree') this.#events.placesFree();
    else if (message.type === 'log') this.#events.log(message.level, message.line);
    for (const waiter of this.#waiters) {
      if (waiter.take(message)) return;
    }
  }

  #ended(): void {
    // Before its sockets: operations that are still under way end with the ring.
    if (!this.#isTidy) for (const descriptor of this.#ownDescriptors) closeDescriptor(descriptor);
    closeDescriptor(this.#wakeDescriptor);
    this.#wakeDescriptor = NONE;
    const error = this.#error ?? new Error('a worker thread ended unexpectedly');
    for (const waiter of this.#waiters) waiter.fail(error);
    const wasExpected = this.#waiters.size > 0 || this.#isStopping;
    this.#waiters.clear();
    if (!wasExpected) this.#events.died(error);
  }
}

function closeDescriptor(descriptor: number): void {
  if (descriptor >= 0) libc().close(descriptor);
}
