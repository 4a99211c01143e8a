/**
 * The `node` engine: libuv's sockets by `node:net`, on every platform, without FFI. It lives on the event loop
 * of its thread, so everything it reports comes from callbacks of that loop; `turn` follows in the loop's
 * check phase, after all completions of one poll.
 *
 * Where the contract meets Node's habits:
 * - Sockets are numbers of this engine, not descriptors; listeners share the number space.
 * - Clients beyond the grants wait in the listen queue, except on Windows (see native-handle).
 * - A reset asked for while the FIN of a `shutdown` is being handed over waits for that, a turn at most; Unix
 *   sockets know no reset and are closed.
 * - Running out of descriptors is foreseen (see descriptor-budget), because libuv would drop clients.
 */
import type { Endpoint } from '../../core/address.js';
import { formatIp, parseIp } from '../../core/address.js';
import { monotonicMs } from '../../sys/clock.js';
import { ERRNO } from '../../sys/errno.js';
import { addressOf } from '../../sys/memory.js';
import type { Engine, EngineHandler, ForeignAddress, PeerAddress } from '../engine.js';
import { BufferPool, CHUNK_BYTES } from './buffer-pool.js';
import { DescriptorBudget } from './descriptor-budget.js';
import type { NativeHandle } from './native-handle.js';
import { NodeListener } from './node-listener.js';
import { NOT_ENDED, NodeSocket } from './node-socket.js';

/** What setTimeout can wait at most. */
const LONGEST_TIMEOUT_MS = 0x7fffffff;
/** A client needs two: its own and one to a server. */
const DESCRIPTORS_PER_CLIENT = 2;

/** An engine on this thread's event loop. */
/** libuv listens once more on what it opens; the kernel caps it at its own limit. */
const ADOPTED_BACKLOG = 4096;

export class NodeEngine implements Engine {
  readonly name = 'node';
  readonly wakeDescriptor = -1;
  /** Node closes what its handles hold when the thread ends, however it ends. */
  readonly ownDescriptors: readonly number[] = [];
  readonly peer: PeerAddress & { words: Int32Array } = { words: new Int32Array(4), port: 0, isUnix: false };
  readonly scratch = new Uint8Array(CHUNK_BYTES);
  readonly #handler: EngineHandler;
  readonly #pool = new BufferPool();
  readonly #budget = new DescriptorBudget();
  readonly #entries: (NodeSocket | NodeListener | undefined)[] = [];
  readonly #freeNumbers: number[] = [];
  readonly #listeners = new Set<NodeListener>();
  #lingering: NodeSocket[] = [];
  #isTurnDue = false;
  #state: 'running' | 'stopping' | 'stopped' = 'running';
  #stopped: (() => void) | undefined;
  /** Keeps the loop alive between `run` and `stop`: a paused listener does not. */
  #life: NodeJS.Timeout | undefined;
  #wakeAtMs = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #timerAtMs = Infinity;

  constructor(handler: EngineHandler) {
    this.#handler = handler;
  }

  now(): number {
    return monotonicMs();
  }

  listen(endpoint: Endpoint, backlog: number): number {
    return this.#begin(new NodeListener(this, this.#newNumber(), endpoint), backlog);
  }

  adopt(descriptor: number, endpoint: Endpoint): number {
    return this.#begin(new NodeListener(this, this.#newNumber(), endpoint, descriptor), ADOPTED_BACKLOG);
  }

  boundTo(listener: number): Endpoint {
    const entry = this.#entries[listener];
    return entry instanceof NodeSocket ? entry.boundTo() : this.#listener(listener).boundTo();
  }

  grantAccept(listener: number, clients: number, batch: number): void {
    const entry = this.#listener(listener);
    entry.grant(clients, batch);
    if (this.#budget.hasRoom(DESCRIPTORS_PER_CLIENT)) return;
    entry.rest();
    setImmediate(() => this.#reportExhausted(entry));
  }

  closeListener(listener: number): void {
    const entry = this.#listener(listener);
    entry.close();
    this.#listeners.delete(entry);
    this.#freeNumber(listener);
  }

  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined): number {
    // libuv has no option for it, and no socket to set one on before it binds.
    if (source?.kind === 'foreign') return -ERRNO.EOPNOTSUPP;
    if (!this.#budget.hasRoom(1)) return -ERRNO.EMFILE;
    const socket = new NodeSocket(this, this.#newNumber(), undefined);
    this.#entries[socket.number] = socket;
    this.#budget.opened();
    if (endpoint.kind === 'unix') {
      socket.connect({ path: endpoint.path });
    } else {
      const from = source?.kind === 'ip' ? { localAddress: formatIp(source.address), localPort: source.port } : {};
      socket.connect({ host: formatIp(endpoint.address), port: endpoint.port, ...from });
    }
    return socket.number;
  }

  setOptions(socket: number, noDelay: boolean, keepAlive: boolean): void {
    this.#socket(socket).setNoDelay(noDelay).setKeepAlive(keepAlive);
  }

  /** Node does not tell. */
  unsentBytes(): number {
    return -1;
  }

  receive(number: number): void {
    const socket = this.#socket(number);
    socket.isReceiving = true;
    if (socket.heldBuffer < 0 && socket.ended === NOT_ENDED) socket.startReading();
    else process.nextTick(() => this.#deliverHeld(socket));
  }

  send(number: number, buffer: number, length: number): boolean {
    const socket = this.#socket(number);
    if (socket.sendError !== 0) {
      socket.sendBuffer = buffer;
      process.nextTick(() => this.onSent(socket, socket.sendError));
      return false;
    }
    const isSent = socket.writeNow(this.#pool.bytes(buffer).subarray(0, length));
    if (isSent) this.#pool.release(buffer);
    else socket.sendBuffer = buffer;
    return isSent;
  }

  shutdown(socket: number): void {
    this.#socket(socket).end();
  }

  close(number: number, reset: boolean): void {
    const socket = this.#socket(number);
    socket.finish(reset);
    if (socket.heldBuffer < 0) return;
    this.#pool.release(socket.heldBuffer);
    socket.heldBuffer = -1;
  }

  bytes(buffer: number): Uint8Array {
    return this.#pool.bytes(buffer);
  }

  address(buffer: number): number {
    return addressOf(this.#pool.bytes(buffer));
  }

  acquire(bytes = CHUNK_BYTES): number {
    return this.#pool.take(Math.min(bytes, CHUNK_BYTES));
  }

  release(buffer: number): void {
    this.#pool.release(buffer);
  }

  buffersInUse(): number {
    return this.#pool.inUse;
  }

  poolBytes(): number {
    return this.#pool.totalBytes;
  }

  wakeAt(timeMs: number): void {
    this.#wakeAtMs = timeMs;
    // An alarm that is too early sets itself again, which costs less than resetting it each time.
    if (timeMs < this.#timerAtMs) this.#setTimer();
  }

  run(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#state === 'stopped') {
        resolve();
        return;
      }
      this.#stopped = resolve;
      this.#life = setInterval(() => {}, LONGEST_TIMEOUT_MS);
    });
  }

  stop(): void {
    if (this.#state !== 'running') return;
    this.#state = 'stopping';
    setImmediate(() => this.#closeAll());
  }

  onListening(listener: NodeListener, result: number): void {
    if (result < 0) this.closeListener(listener.number);
    this.#handler.listening(listener.number, result);
    this.#turnIsDue();
  }

  onConnection(listener: NodeListener, status: number, client: NativeHandle | undefined): void {
    if (client === undefined) {
      listener.rest();
      this.#handler.accepted(listener.number, status);
    } else {
      this.#accept(listener, client);
    }
    this.#turnIsDue();
  }

  onConnected(socket: NodeSocket, result: number): void {
    this.#handler.connected(socket.number, result);
    this.#turnIsDue();
  }

  onChunk(socket: NodeSocket, length: number): void {
    const buffer = this.#pool.take(length);
    this.#pool.bytes(buffer).set(length === CHUNK_BYTES ? this.scratch : this.scratch.subarray(0, length));
    if (!socket.isReceiving) {
      socket.heldBuffer = buffer;
      socket.heldLength = length;
      return;
    }
    if (!socket.isLingering) {
      socket.isLingering = true;
      this.#lingering.push(socket);
    }
    socket.isReceiving = false;
    this.#handler.received(socket.number, buffer, length);
    this.#turnIsDue();
  }

  onEnd(socket: NodeSocket, result: number): void {
    if (!socket.isReceiving) return;
    socket.isReceiving = false;
    this.#handler.received(socket.number, -1, result);
    this.#turnIsDue();
  }

  onSent(socket: NodeSocket, result: number): void {
    this.#pool.release(socket.sendBuffer);
    socket.sendBuffer = -1;
    if (!socket.isOpen) return;
    this.#handler.sent(socket.number, result);
    this.#turnIsDue();
  }

  onGone(socket: NodeSocket): void {
    this.#budget.closed();
    this.#freeNumber(socket.number);
  }

  #accept(listener: NodeListener, client: NativeHandle): void {
    this.#budget.opened();
    if (!this.#readPeer(listener, client)) {
      // Reset while it waited in the queue: there is nobody left to serve, and the grant is still to be used.
      client.close(() => this.#budget.closed());
      listener.giveBack();
      return;
    }
    const socket = new NodeSocket(this, this.#newNumber(), client);
    this.#entries[socket.number] = socket;
    this.#handler.accepted(listener.number, socket.number);
    if (this.#budget.hasRoom(DESCRIPTORS_PER_CLIENT)) return;
    listener.rest();
    this.#reportExhausted(listener);
  }

  #readPeer(listener: NodeListener, client: NativeHandle): boolean {
    const { peer } = this;
    peer.isUnix = listener.endpoint.kind === 'unix';
    peer.port = 0;
    peer.words.fill(0);
    if (peer.isUnix) return true;
    const name: { address?: string; port?: number } = {};
    if (client.getpeername?.(name) !== 0 || name.address === undefined) return false;
    const words = parseIp(name.address.split('%', 1)[0] as string);
    if (words === undefined) return false;
    peer.words.set(words);
    peer.port = name.port ?? 0;
    return true;
  }

  #reportExhausted(listener: NodeListener): void {
    if (this.#entries[listener.number] !== listener) return;
    this.#handler.accepted(listener.number, -ERRNO.EMFILE);
    this.#turnIsDue();
  }

  #deliverHeld(socket: NodeSocket): void {
    if (!socket.isOpen || !socket.isReceiving) return;
    if (socket.heldBuffer < 0) {
      this.onEnd(socket, socket.ended);
      return;
    }
    const buffer = socket.heldBuffer;
    socket.heldBuffer = -1;
    socket.isReceiving = false;
    this.#handler.received(socket.number, buffer, socket.heldLength);
    this.#turnIsDue();
  }

  #turnIsDue(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnDue = false;
    const lingering = this.#lingering;
    this.#lingering = [];
    for (const socket of lingering) {
      socket.isLingering = false;
      if (!socket.isReceiving && socket.isOpen) socket.stopReading();
    }
    for (const listener of this.#listeners) listener.nextTurn();
    if (this.#state !== 'stopped') this.#handler.turn(monotonicMs());
  }

  #setTimer(): void {
    clearTimeout(this.#timer);
    this.#timerAtMs = this.#wakeAtMs;
    if (this.#wakeAtMs === Infinity || this.#state === 'stopped') return;
    const waitMs = Math.min(Math.max(Math.ceil(this.#wakeAtMs - monotonicMs()), 0), LONGEST_TIMEOUT_MS);
    this.#timer = setTimeout(() => this.#onTimer(), waitMs);
  }

  #onTimer(): void {
    this.#timerAtMs = Infinity;
    const nowMs = monotonicMs();
    if (nowMs < this.#wakeAtMs) {
      this.#setTimer();
      return;
    }
    this.#wakeAtMs = Infinity;
    this.#handler.timer(nowMs);
    this.#turnIsDue();
  }

  #closeAll(): void {
    this.#state = 'stopped';
    for (const entry of this.#entries) {
      if (entry instanceof NodeListener) this.closeListener(entry.number);
      else if (entry?.isOpen) this.close(entry.number, false);
    }
    clearTimeout(this.#timer);
    clearInterval(this.#life);
    // The handles are gone after the loop's closing phase, which follows this one.
    setImmediate(() => this.#stopped?.());
  }

  #socket(number: number): NodeSocket {
    const entry = this.#entries[number];
    if (!(entry instanceof NodeSocket) || !entry.isOpen) throw new RangeError(`no such socket: ${number}`);
    return entry;
  }

  #begin(listener: NodeListener, backlog: number): number {
    this.#entries[listener.number] = listener;
    this.#listeners.add(listener);
    listener.listen(backlog);
    return listener.number;
  }

  #listener(number: number): NodeListener {
    const entry = this.#entries[number];
    if (!(entry instanceof NodeListener)) throw new RangeError(`no such listener: ${number}`);
    return entry;
  }

  #newNumber(): number {
    return this.#freeNumbers.pop() ?? this.#entries.push(undefined) - 1;
  }

  #freeNumber(number: number): void {
    this.#entries[number] = undefined;
    this.#freeNumbers.push(number);
  }
}
