/** Runs a job on several real threads at once, for tests of shared memory. This file is also what they run. */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { ClientTable, type ClientTableMemory } from './client-table.js';
import { Counters } from './counters.js';
import { acquire, release } from './lock.js';
import { ServerState, type ServerStateMemory } from './server-state.js';
import { ServerTable } from './server-table.js';
import { configuration, randomFrom, row } from './tables.suite.js';

/** What threads can be told to do; each returns a number that the test adds up or compares. */
const jobs = {
  /** Adds to one counter; returns how often. */
  count({
    buffer,
    guard,
    times,
    n,
  }: {
    buffer: SharedArrayBuffer;
    guard: Int32Array;
    times: number;
    n: number;
  }): number {
    const counters = new Counters(buffer, 0, 1, guard);
    for (let i = 0; i < times; i++) counters.add(0, n);
    return times;
  },

  /** Adds to a plain cell under a lock: any lost update is a hole in the lock. */
  underLock({ buffer, times }: { buffer: SharedArrayBuffer; times: number }): number {
    const cells = new Int32Array(buffer);
    for (let i = 0; i < times; i++) {
      acquire(cells, 0);
      cells[16] += 1;
      release(cells, 0);
    }
    return times;
  },

  /** Takes places on one server after the other until it has none left, keeping them; returns how many it got. */
  takeAll({ memory, max, servers }: { memory: ServerStateMemory; max: number; servers: number }): number {
    const table = new ServerTable(new ServerState(memory));
    table.configure(configuration(row(servers, { max }), { pendingMax: 0 }));
    let got = 0;
    for (let slot = 0; slot < servers; slot++) while (table.take(slot, false)) got++;
    return got;
  },

  /** Takes and gives back places, holding four at times; returns the most that were ever in use at once. */
  takeAndLeave({ memory, max, times }: { memory: ServerStateMemory; max: number; times: number }): number {
    const state = new ServerState(memory);
    let most = 0;
    let held = 0;
    for (let i = 0; i < times; i++) {
      const hasConnection = state.tryTakeConnection(max);
      const hasPlace = state.tryEnter(0, max, 0);
      most = Math.max(most, state.connectionsInUse(), state.connections(0));
      if (hasPlace) state.settled(0);
      if (hasConnection && hasPlace) held++;
      else if (hasPlace) state.leave(0);
      else if (hasConnection) state.releaseConnection();
      if (held === 4 || i === times - 1) {
        for (; held > 0; held--) {
          state.leave(0);
          state.releaseConnection();
        }
      }
    }
    return most;
  },

  /** Takes `times` turns; returns how often the turn was at 0. */
  takeTurns({ memory, times, n }: { memory: ServerStateMemory; times: number; n: number }): number {
    const state = new ServerState(memory);
    let zero = 0;
    for (let i = 0; i < times; i++) if (state.nextInTurn(n) === 0) zero++;
    return zero;
  },

  /** Visits random clients out of `clients`, and marks each visit in the client's own counts. */
  visit({
    memory,
    times,
    clients,
    seed,
  }: {
    memory: ClientTableMemory;
    times: number;
    clients: number;
    seed: number;
  }): number {
    const table = new ClientTable(memory);
    const random = randomFrom(seed);
    for (let i = 0; i < times; i++) {
      const client = random(clients);
      const slot = table.visit([0, 0, 0xffff, client], i, 0);
      const generation = table.visitGeneration;
      table.addConnect(slot, generation);
      table.assign(slot, client, generation);
      table.addTraffic(slot, generation, client, 2 * client);
    }
    return times;
  },
};

type Jobs = typeof jobs;

/** Starts `threads` workers, lets them go at the same moment, and gives what each returned. */
export async function onThreads<Name extends keyof Jobs>(
  threads: number,
  name: Name,
  argument: (thread: number) => Parameters<Jobs[Name]>[0],
): Promise<number[]> {
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const workers = Array.from({ length: threads }, (_, thread) => {
    return new Worker(new URL(import.meta.url), { workerData: { gate, threads, name, argument: argument(thread) } });
  });
  return Promise.all(
    workers.map((worker) => {
      return new Promise<number>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.once('exit', (code) => reject(new Error(`worker ended with ${code}`)));
      });
    }),
  );
}

if (!isMainThread && workerData?.gate) {
  const { gate, threads, name, argument } = workerData;
  if (Atomics.add(gate, 0, 1) + 1 === threads) Atomics.notify(gate, 0);
  for (let here = Atomics.load(gate, 0); here < threads; here = Atomics.load(gate, 0)) Atomics.wait(gate, 0, here);
  parentPort?.postMessage((jobs[name as keyof Jobs] as (argument: unknown) => number)(argument));
}
