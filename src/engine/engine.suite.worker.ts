/**
 * A worker that owns one engine and does what the play on the main thread says: commands come by message
 * (a blocking engine fetches them in `turn`, after a wake-up), completions go back as events. It is also the
 * referee: whatever breaks the contract of engine.ts is reported as a violation, whichever case is played.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { Endpoint } from '../core/address.js';
import { createEngine } from './choose.js';
import type { Engine, EngineHandler, EngineName, ForeignAddress } from './engine.js';
import type { Command, HostEvent } from './engine.suite.host.js';

interface Stand {
  isConnecting: boolean;
  isReceiving: boolean;
  isSending: boolean;
  /** The socket that gets what this one receives: itself for an echo. */
  partner: number;
  isEnded: boolean;
  /** What is being sent piece by piece, and how far it has got. */
  outgoing: Uint8Array;
  written: number;
  /** The piece under way. */
  piece: number;
  /** What is being received to its end. */
  incoming: Uint8Array[] | undefined;
}

const { name, port } = workerData as { name: EngineName; port: MessagePort };
const stands = new Map<number, Stand>();
const listeners = new Set<number>();
/** What to do with the clients of a listener: nothing, send back what they say, or relay to a server. */
const roles = new Map<number, 'echo' | Endpoint>();
let isInCall = false;
let acceptedThisTurn = 0;
let mostAcceptedInATurn = 0;

const handler: EngineHandler = {
  listening(listener, result) {
    expectOutside('listening');
    if (result < 0) listeners.delete(listener);
    tell({ kind: 'listening', listener, result });
  },
  accepted(listener, socket) {
    expectOutside('accepted');
    if (!listeners.has(listener)) violation(`accepted from closed listener ${listener}`);
    if (socket < 0) {
      tell({ kind: 'exhausted', listener, result: socket });
      return;
    }
    acceptedThisTurn++;
    mostAcceptedInATurn = Math.max(mostAcceptedInATurn, acceptedThisTurn);
    enter(socket, false);
    const role = roles.get(listener);
    if (role === undefined) {
      const { words, port: peerPort, isUnix } = engine.peer;
      tell({ kind: 'accepted', listener, socket, peer: { words: [...words], port: peerPort, isUnix } });
    } else if (role === 'echo') {
      stand(socket).partner = socket;
      receive(socket);
    } else {
      relay(socket, role);
    }
  },
  connected(socket, result) {
    const state = reported('connected', socket);
    if (state === undefined) return;
    if (!state.isConnecting) violation(`connected told twice about ${socket}`);
    state.isConnecting = false;
    if (state.partner < 0) {
      tell({ kind: 'connected', socket, result });
    } else if (result < 0) {
      closePair(socket);
    } else {
      receive(socket);
      receive(state.partner);
    }
  },
  received(socket, buffer, length) {
    const state = reported('received', socket);
    if (state === undefined) return;
    if (!state.isReceiving) violation(`received without a receive on ${socket}`);
    state.isReceiving = false;
    if (state.partner >= 0) {
      forward(socket, buffer, length);
      return;
    }
    const bytes = length > 0 ? engine.bytes(buffer).slice(0, length) : new Uint8Array(0);
    if (state.incoming !== undefined) {
      collect(socket, state.incoming, buffer, length, bytes);
      return;
    }
    tell({ kind: 'received', socket, buffer, length, bytes });
  },
  sent(socket, result) {
    const state = reported('sent', socket);
    if (state === undefined) return;
    if (!state.isSending) violation(`sent without a send on ${socket}`);
    state.isSending = false;
    if (result > 0) violation(`sent told ${result}`);
    if (state.partner < 0) proceed(socket, result);
    else if (result < 0) closePair(socket);
    else receive(state.partner);
  },
  timer(nowMs) {
    expectOutside('timer');
    tell({ kind: 'timer', nowMs });
  },
  turn() {
    expectOutside('turn');
    acceptedThisTurn = 0;
    if (engine.wakeDescriptor >= 0) drain();
  },
};

const engine: Engine = await createEngine(name, handler);

function drain(): void {
  for (;;) {
    const message = receiveMessageOnPort(port) as { message: Command } | undefined;
    if (message === undefined) return;
    execute(message.message);
  }
}

function execute({ id, operation, args }: Command): void {
  isInCall = true;
  try {
    const perform = operations[operation] as (...args: unknown[]) => unknown;
    const value = perform(...args);
    isInCall = false;
    tell({ kind: 'reply', id, value });
  } catch (error) {
    isInCall = false;
    tell({ kind: 'failure', id, message: `${operation}: ${(error as Error).message}` });
  }
}

const operations = {
  listen(endpoint: Endpoint, backlog: number, role: 'echo' | Endpoint | undefined): number {
    const listener = engine.listen(endpoint, backlog);
    listeners.add(listener);
    if (role !== undefined) roles.set(listener, role);
    return listener;
  },
  boundTo: (listener: number): Endpoint => engine.boundTo(listener),
  grantAccept: (listener: number, clients: number, batch: number): void => engine.grantAccept(listener, clients, batch),
  closeListener(listener: number): void {
    listeners.delete(listener);
    roles.delete(listener);
    engine.closeListener(listener);
  },
  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined): number {
    const socket = engine.connect(endpoint, source);
    if (socket >= 0) enter(socket, true);
    return socket;
  },
  setOptions: (socket: number, noDelay: boolean, keepAlive: boolean): void =>
    engine.setOptions(socket, noDelay, keepAlive),
  receive,
  /** Sends all of it, a buffer after the other, then tells `written`. */
  write(socket: number, bytes: Uint8Array): void {
    Object.assign(stand(socket), { outgoing: bytes, written: 0 });
    sendPieces(socket);
  },
  written: (socket: number): number => stand(socket).written,
  /** Sends nothing after the piece under way; tells how many bytes that makes in all. */
  endAfterPiece(socket: number): number {
    const state = stand(socket);
    state.outgoing = state.outgoing.subarray(0, state.written + state.piece);
    return state.outgoing.length;
  },
  /** Receives to the end of the stream, then tells `collected`. */
  readAll(socket: number): void {
    stand(socket).incoming = [];
    receive(socket);
  },
  release: (buffer: number): void => engine.release(buffer),
  shutdown: (socket: number): void => engine.shutdown(socket),
  close,
  closeAll(): void {
    for (const listener of [...listeners]) operations.closeListener(listener);
    for (const socket of [...stands.keys()]) close(socket, false);
  },
  wakeAt: (timeMs: number): void => engine.wakeAt(timeMs),
  now: (): number => engine.now(),
  stop(): void {
    // What is torn down must not be reported either.
    stands.clear();
    listeners.clear();
    engine.stop();
  },
  numbers: () => ({
    buffersInUse: engine.buffersInUse(),
    poolBytes: engine.poolBytes(),
    sockets: stands.size,
    mostAcceptedInATurn,
  }),
};

export type Operations = typeof operations;

function enter(socket: number, isConnecting: boolean): void {
  if (stands.has(socket)) violation(`the number ${socket} was given out while it is in use`);
  stands.set(socket, {
    isConnecting,
    isReceiving: false,
    isSending: false,
    partner: -1,
    isEnded: false,
    outgoing: new Uint8Array(0),
    written: 0,
    piece: 0,
    incoming: undefined,
  });
}

function stand(socket: number): Stand {
  const state = stands.get(socket);
  if (state === undefined) throw new Error(`the play uses socket ${socket}, which is closed`);
  return state;
}

function receive(socket: number): void {
  stand(socket).isReceiving = true;
  engine.receive(socket);
}

function send(socket: number, buffer: number, length: number): boolean {
  const isDone = engine.send(socket, buffer, length);
  if (!isDone) stand(socket).isSending = true;
  return isDone;
}

/** Sends pieces until one has to wait. */
function sendPieces(socket: number): void {
  const state = stand(socket);
  while (state.written < state.outgoing.length) {
    const buffer = engine.acquire();
    if (buffer < 0) throw new Error('no buffer');
    const memory = engine.bytes(buffer);
    const piece = state.outgoing.subarray(state.written, state.written + memory.length);
    memory.set(piece);
    state.piece = piece.length;
    if (!send(socket, buffer, piece.length)) return;
    state.written += piece.length;
  }
  tell({ kind: 'written', socket, result: 0 });
}

/** A piece has gone or failed. */
function proceed(socket: number, result: number): void {
  if (result < 0) {
    tell({ kind: 'written', socket, result });
    return;
  }
  const state = stand(socket);
  state.written += state.piece;
  sendPieces(socket);
}

function collect(socket: number, chunks: Uint8Array[], buffer: number, length: number, bytes: Uint8Array): void {
  if (length <= 0) {
    stand(socket).incoming = undefined;
    tell({ kind: 'collected', socket, chunks, end: length });
    return;
  }
  chunks.push(bytes);
  engine.release(buffer);
  receive(socket);
}

function close(socket: number, reset: boolean): void {
  stands.delete(socket);
  engine.close(socket, reset);
}

function relay(client: number, target: Endpoint): void {
  const server = engine.connect(target, undefined);
  if (server < 0) {
    close(client, false);
    return;
  }
  enter(server, true);
  stand(server).partner = client;
  stand(client).partner = server;
}

function forward(socket: number, buffer: number, length: number): void {
  const state = stand(socket);
  if (length > 0) {
    if (send(state.partner, buffer, length)) receive(socket);
  } else if (length < 0) {
    closePair(socket);
  } else {
    state.isEnded = true;
    engine.shutdown(state.partner);
    if (stand(state.partner).isEnded) closePair(socket);
  }
}

function closePair(socket: number): void {
  const { partner } = stand(socket);
  close(socket, false);
  if (partner !== socket && stands.has(partner)) close(partner, false);
}

function reported(what: string, socket: number): Stand | undefined {
  expectOutside(what);
  const state = stands.get(socket);
  if (state === undefined) violation(`${what} was told about ${socket}, which is closed`);
  return state;
}

function expectOutside(what: string): void {
  if (isInCall) violation(`${what} was told inside a call`);
}

function violation(text: string): void {
  tell({ kind: 'violation', text });
}

function tell(event: HostEvent): void {
  port.postMessage(event);
}

if (engine.wakeDescriptor < 0) port.on('message', (command: Command) => execute(command));
tell({ kind: 'ready', wakeDescriptor: engine.wakeDescriptor });
await engine.run();
tell({ kind: 'stopped' });
port.close();
