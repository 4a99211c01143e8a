/**
 * A worker that owns one datagram engine and does what the play on the main thread says: commands come by message (a
 * blocking engine fetches them in `turn`, after a wake-up), what happens goes back as events.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type Endpoint, formatIp } from '../core/address.js';
import { createDatagrams } from './choose.js';
import type { DatagramHandler, Datagrams } from './datagrams.js';
import type { DatagramCommand, DatagramEvent, DatagramImplementation } from './datagrams.suite.host.js';
import type { EngineName, ForeignAddress } from './engine.js';

const KEPT_BYTES = 1 << 20;
/** More than can be queued at a time. */
const PATHS = 65_536;

const { implementation, port } = workerData as { implementation: DatagramImplementation; port: MessagePort };
/** What to do with a listener's datagrams: tell, send back, or pass to a server and its answers back. */
const roles = new Map<number, 'tell' | 'echo' | 'throw' | Endpoint>();
/** The relay's sessions: socket of each client, and the path back from each socket. */
const sockets = new Map<string, number>();
const paths = new Map<number, { listener: number; path: number }>();
let lastPath = 0;
let keptAt = 0;
let isInCall = false;
let received = 0;

const handler: DatagramHandler = {
  listening(listener, result) {
    expectOutside('listening');
    tell({ kind: 'listening', listener, result });
  },
  arrived(listener, at, length) {
    expectOutside('arrived');
    received++;
    const role = roles.get(listener);
    const { words, port: from } = engine.sender;
    if (role === 'throw') throw new Error('thrown by a handler');
    if (role === 'echo') {
      lastPath = (lastPath + 1) % PATHS;
      engine.keepPath(lastPath);
      engine.reply(listener, lastPath, at, length);
    } else if (role === 'tell' || role === undefined) {
      engine.keepPath(++lastPath);
      const sender = `${formatIp(words)} ${from}`;
      const local = engine.local.some((word) => word !== 0) ? formatIp(engine.local) : '';
      tell({ kind: 'arrived', listener, sender, local, path: lastPath, bytes: copy(at, length) });
    } else {
      pass(role, listener, `${formatIp(words)} ${from} ${formatIp(engine.local)}`, at, length);
    }
  },
  answered(socket, at, length) {
    expectOutside('answered');
    const way = paths.get(socket);
    if (way) engine.reply(way.listener, way.path, at, length);
    else tell({ kind: 'answered', socket, bytes: copy(at, length) });
  },
  failed(socket, error) {
    expectOutside('failed');
    tell({ kind: 'failed', socket, error });
  },
  unsent(tag, isReply, at, length, error) {
    expectOutside('unsent');
    tell({ kind: 'unsent', tag, isReply, bytes: copy(at, length), error });
  },
  truncated() {
    tell({ kind: 'truncated' });
  },
  timer(nowMs) {
    tell({ kind: 'timer', nowMs });
  },
  turn() {
    for (;;) {
      const message = receiveMessageOnPort(port)?.message as DatagramCommand | undefined;
      if (message === undefined) return;
      obey(message);
    }
  },
};

const operations = {
  listen: (endpoint: Endpoint, role: 'tell' | 'echo' | 'throw' | Endpoint) => {
    const listener = engine.listen(endpoint);
    roles.set(listener, role);
    return listener;
  },
  adopt: (descriptor: number, endpoint: Endpoint) => {
    const listener = engine.adopt(descriptor, endpoint);
    roles.set(listener, 'echo');
    return listener;
  },
  boundTo: (listener: number) => engine.boundTo(listener),
  connect: (endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined) => engine.connect(endpoint, source),
  close: (socket: number) => engine.close(socket),
  send: (socket: number, bytes: Uint8Array, tag: number) => {
    engine.send(socket, keep(bytes), bytes.length, tag);
  },
  reply: (listener: number, path: number, bytes: Uint8Array) => {
    engine.reply(listener, path, keep(bytes), bytes.length);
  },
  /** That many of one size, cut from `bytes`, at once; then `socket` may be closed at once too. */
  sendMany: (socket: number, bytes: Uint8Array, size: number, isClosed: boolean) => {
    const from = keep(bytes);
    for (let at = 0; at < bytes.length; at += size) {
      engine.send(socket, from + at, Math.min(size, bytes.length - at), at);
    }
    if (isClosed) engine.close(socket);
  },
  wakeAt: (timeMs: number) => engine.wakeAt(timeMs),
  now: () => engine.now(),
  received: () => received,
  stop: () => engine.stop(),
};
export type DatagramOperations = typeof operations;

function pass(server: Endpoint, listener: number, client: string, at: number, length: number): void {
  let socket = sockets.get(client);
  if (socket === undefined) {
    socket = engine.connect(server, undefined);
    sockets.set(client, socket);
    engine.keepPath(++lastPath);
    paths.set(socket, { listener, path: lastPath });
  }
  engine.send(socket, at, length, lastPath);
}

/** Bytes of the play's in the engine's memory, where they stay for a while. */
function keep(bytes: Uint8Array): number {
  if (keptAt + bytes.length > KEPT_BYTES) keptAt = 0;
  const at = keptAt;
  engine.memory.set(bytes, at);
  keptAt += bytes.length;
  return at;
}

function obey({ id, operation, args }: DatagramCommand): void {
  isInCall = true;
  const value = (operations[operation] as (...given: readonly unknown[]) => unknown)(...args);
  isInCall = false;
  tell({ kind: 'reply', id, value });
}

function expectOutside(what: string): void {
  if (isInCall) tell({ kind: 'violation', text: `${what} was called by an operation` });
}

function copy(at: number, length: number): Uint8Array {
  return engine.memory.slice(at, at + length);
}

function tell(event: DatagramEvent): void {
  port.postMessage(event);
}

async function make(): Promise<Datagrams> {
  const options = { keptBytes: KEPT_BYTES };
  if (implementation !== 'one by one') return createDatagrams(implementation as EngineName, handler, options);
  const { PollPoller } = await import('./readiness/poll.js');
  const { DescriptorDatagrams } = await import('./datagrams/descriptor-datagrams.js');
  return new DescriptorDatagrams('poll', new PollPoller(), handler, { ...options, oneByOne: true });
}

const engine = await make();
tell({ kind: 'ready', wakeDescriptor: engine.wakeDescriptor });
if (engine.wakeDescriptor < 0) port.on('message', obey);
try {
  await engine.run();
} finally {
  tell({ kind: 'stopped' });
  port.close();
}
