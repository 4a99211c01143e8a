/** A layer of the engine seam that passes everything on to the engine below; what it does itself it overrides. */
import type { Endpoint } from '../core/address.js';
import type { Engine, EngineHandler, EngineName, ForeignAddress, PeerAddress } from '../engine/engine.js';

/** A layer as the engine below knows it: what is reported of sockets and time. The rest concerns only who is above. */
export interface Layer {
  receivedBelow(socket: number, buffer: number, length: number): void;
  sentBelow(socket: number, result: number): void;
  timeBelow(nowMs: number): void;
  turnBelow(nowMs: number): void;
}

/** Makes the engine below and the layer around it, each of which needs the other. */
export async function wrapEngine<Wrapping extends Layer>(
  above: EngineHandler,
  make: (handler: EngineHandler) => Promise<Engine>,
  wrap: (below: Engine) => Wrapping,
): Promise<Wrapping> {
  let layer: Wrapping | undefined;
  const handler: EngineHandler = {
    listening: (listener, result) => above.listening(listener, result),
    accepted: (listener, socket) => above.accepted(listener, socket),
    connected: (socket, result) => above.connected(socket, result),
    received: (socket, buffer, length) => (layer as Wrapping).receivedBelow(socket, buffer, length),
    sent: (socket, result) => (layer as Wrapping).sentBelow(socket, result),
    timer: (nowMs) => (layer as Wrapping).timeBelow(nowMs),
    turn: (nowMs) => (layer as Wrapping).turnBelow(nowMs),
  };
  layer = wrap(await make(handler));
  return layer;
}

export abstract class PassingLayer implements Engine {
  readonly name: EngineName;
  readonly peer: PeerAddress;
  readonly wakeDescriptor: number;
  readonly ownDescriptors: readonly number[];
  protected readonly below: Engine;

  constructor(below: Engine) {
    this.below = below;
    this.name = below.name;
    this.peer = below.peer;
    this.wakeDescriptor = below.wakeDescriptor;
    this.ownDescriptors = below.ownDescriptors;
  }

  now(): number {
    return this.below.now();
  }

  listen(endpoint: Endpoint, backlog: number): number {
    return this.below.listen(endpoint, backlog);
  }

  adopt(descriptor: number, endpoint: Endpoint): number {
    return this.below.adopt(descriptor, endpoint);
  }

  boundTo(listener: number): Endpoint {
    return this.below.boundTo(listener);
  }

  grantAccept(listener: number, clients: number, batch: number): void {
    this.below.grantAccept(listener, clients, batch);
  }

  closeListener(listener: number): void {
    this.below.closeListener(listener);
  }

  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined): number {
    return this.below.connect(endpoint, source);
  }

  setOptions(socket: number, noDelay: boolean, keepAlive: boolean): void {
    this.below.setOptions(socket, noDelay, keepAlive);
  }

  receive(socket: number): void {
    this.below.receive(socket);
  }

  send(socket: number, buffer: number, length: number): boolean {
    return this.below.send(socket, buffer, length);
  }

  shutdown(socket: number): void {
    this.below.shutdown(socket);
  }

  close(socket: number, reset: boolean): void {
    this.below.close(socket, reset);
  }

  unsentBytes(socket: number): number {
    return this.below.unsentBytes(socket);
  }

  bytes(buffer: number): Uint8Array {
    return this.below.bytes(buffer);
  }

  address(buffer: number): number {
    return this.below.address(buffer);
  }

  acquire(bytes?: number): number {
    return this.below.acquire(bytes);
  }

  release(buffer: number): void {
    this.below.release(buffer);
  }

  buffersInUse(): number {
    return this.below.buffersInUse();
  }

  poolBytes(): number {
    return this.below.poolBytes();
  }

  wakeAt(timeMs: number): void {
    this.below.wakeAt(timeMs);
  }

  run(): void | Promise<void> {
    return this.below.run();
  }

  stop(): void {
    this.below.stop();
  }
}
