/**
 * Datagrams on non-blocking sockets, with a poller to tell which can be read: the same for epoll, poll, kqueue and
 * io_uring. A turn reads what there is into slots, batch after batch, has the handler say where each datagram goes, and
 * sends them all before the slots are used again.
 *
 * Hot path: typed arrays by descriptor, positional numbers, no objects, no closures.
 */
import type { Endpoint, IpEndpoint } from '../../core/address.js';
import { monotonicMs } from '../../sys/clock.js';
import { DatagramSockets, isWildcard } from '../../sys/datagram-socket.js';
import { ERRNO } from '../../sys/errno.js';
import { libc } from '../../sys/libc.js';
import { mapAnonymous, unmap } from '../../sys/memory.js';
import { raiseFileLimit } from '../../sys/privileges.js';
import { familyOf, writeSockaddr } from '../../sys/sockaddr.js';
import { type MessageAbi, messageAbi } from '../../sys/uapi/message.js';
import { AF_INET6 } from '../../sys/uapi/socket.js';
import { createWakePair } from '../../sys/wake.js';
import type { DatagramHandler, DatagramOptions, Datagrams } from '../datagrams.js';
import type { EngineName, ForeignAddress } from '../engine.js';
import { FAILED, type Poller, READABLE } from '../readiness/poller.js';
import { ReturnPaths } from './return-paths.js';
import { SendQueue } from './send-queue.js';
import { SLOTS, Slots } from './slots.js';

// Bits of a socket's state.
const OPEN = 1;
const LISTENING = 2;
const WILDCARD = 4;
/** Was not empty when it was last read, so it is read again without being reported. */
const LEFT = 8;

/** A server's socket is read that many at a time: its slots must not push out those of others. */
const SERVER_BATCH = 16;
/** Batches in a row from one socket, before the others have their turn. */
const ROUNDS = 4;
/** Words that say where a connected socket's datagrams must come from: family and port, address. */
const PEER_WORDS = 5;

export interface DescriptorOptions extends DatagramOptions {
  /** Do without recvmmsg(2) and sendmmsg(2), as on systems that lack them. */
  readonly oneByOne?: boolean;
}

export class DescriptorDatagrams implements Datagrams {
  readonly name: EngineName;
  readonly sender = { words: new Int32Array(4), port: 0 };
  readonly local = new Int32Array(4);
  readonly memory: Uint8Array;
  readonly wakeDescriptor: number;
  readonly ownDescriptors: readonly number[];
  readonly #handler: DatagramHandler;
  readonly #poller: Poller;
  readonly #sockets = new DatagramSockets();
  readonly #slots: Slots;
  readonly #paths = new ReturnPaths();
  readonly #queue: SendQueue;
  readonly #wakeReads: number;
  readonly #wakeMemory = mapAnonymous(4096);

  // By descriptor.
  #state = new Uint8Array(1024);
  #peer = new Int32Array(1024 * PEER_WORDS);

  /** Slots that hold datagrams which may be queued. */
  #used = 0;
  /** The slot whose datagram the handler is looking at. */
  #current = 0;
  /** Sockets with LEFT. */
  #left: number[] = [];
  /** Closed while something queued may still name them. */
  #closing: number[] = [];
  /** Outcomes of `listen`, told on the next turn: pairs of listener and result. */
  #listened: number[] = [];
  #now = monotonicMs();
  #wakeTime = Infinity;
  #running = false;
  #stopped = false;

  /** The poller becomes this object's. */
  constructor(name: EngineName, poller: Poller, handler: DatagramHandler, options: DescriptorOptions) {
    this.name = name;
    this.#poller = poller;
    this.#handler = handler;
    const abi: MessageAbi = messageAbi;
    const hasBatches = abi.hasBatches && options.oneByOne !== true;
    this.#slots = new Slots(options.keptBytes, abi, hasBatches);
    this.memory = this.#slots.bytes;
    const events = {
      isOpen: (socket: number) => (this.#state[socket] & OPEN) !== 0,
      unsent: (tag: number, isReply: boolean, at: number, length: number, error: number) =>
        handler.unsent(tag, isReply, at, length, error),
    };
    this.#queue = new SendQueue(this.#slots.memory.address, this.#paths, events, abi, hasBatches);
    raiseFileLimit();
    const { reads, writes } = createWakePair();
    this.#wakeReads = reads;
    this.wakeDescriptor = writes;
    this.ownDescriptors = [poller.descriptor, reads].filter((fd) => fd >= 0 && fd !== writes);
    poller.add(reads, READABLE);
  }

  /** As it was when this turn began, while it runs. */
  now(): number {
    return this.#running ? this.#now : monotonicMs();
  }

  listen(endpoint: Endpoint): number {
    const group = this.#sockets.bindGroup(endpoint, 1);
    if (typeof group !== 'number') return this.adopt(group[0], endpoint);
    // There is no descriptor to name it by: the number of a listener that failed is the error itself.
    this.#listened.push(group, group);
    return group;
  }

  adopt(descriptor: number, endpoint: Endpoint): number {
    const isAny = isWildcard(endpoint);
    this.local.fill(0);
    if (isAny) this.#sockets.askDestination(descriptor, familyOf(endpoint) === AF_INET6);
    this.#sockets.joinReceived(descriptor);
    this.#opened(descriptor, isAny ? LISTENING | WILDCARD : LISTENING);
    const added = this.#poller.add(descriptor, READABLE);
    this.#listened.push(descriptor, added);
    if (added < 0) this.close(descriptor);
    else this.#keepReading(descriptor);
    return descriptor;
  }

  boundTo(listener: number): Endpoint {
    return this.#sockets.boundTo(listener);
  }

  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined): number {
    const fd = this.#sockets.connect(this.#sockets.sockaddr(endpoint), source);
    if (fd < 0) return fd;
    this.#opened(fd, 0);
    this.#expectFrom(fd, endpoint as IpEndpoint);
    const added = this.#poller.add(fd, READABLE);
    if (added === 0) return fd;
    this.close(fd);
    return added;
  }

  close(socket: number): void {
    if ((this.#state[socket] & OPEN) === 0) return;
    this.#state[socket] &= LEFT;
    this.#poller.remove(socket);
    // Its number must not be used again before the queue, which may name it, has been worked off.
    if (this.#queue.isEmpty) this.#sockets.close(socket);
    else this.#closing.push(socket);
  }

  keepPath(path: number): void {
    this.#paths.keep(path, this.#slots, this.#current);
  }

  send(socket: number, at: number, length: number, tag: number): void {
    this.#queue.add(socket, at, length, tag, false);
  }

  reply(listener: number, path: number, at: number, length: number): void {
    this.#queue.add(listener, at, length, path, true);
  }

  wakeAt(timeMs: number): void {
    this.#wakeTime = timeMs;
  }

  run(): void {
    this.#running = true;
    try {
      while (!this.#stopped) this.#turn();
    } finally {
      this.#running = false;
      this.#tearDown();
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  #turn(): void {
    const isBusy = this.#left.length > 0 || this.#listened.length > 0;
    const wait = isBusy ? 0 : Math.max(0, this.#wakeTime - monotonicMs());
    const told = this.#poller.wait(wait);
    this.#now = monotonicMs();
    this.#reportListened();
    this.#serveLeft();
    const { sockets, events } = this.#poller;
    for (let i = 0; i < told && !this.#stopped; i++) {
      if (sockets[i] === this.#wakeReads) this.#takeWake();
      else this.#serve(sockets[i], (events[i] & FAILED) !== 0);
    }
    this.#flush();
    if (this.#now >= this.#wakeTime && !this.#stopped) {
      this.#wakeTime = Infinity;
      this.#handler.timer(this.#now);
      this.#flush();
    }
    if (this.#stopped) return;
    this.#handler.turn(this.#now);
    // What is sent from there is in the handler's own memory or not in use again before.
    this.#flush();
  }

  /** Those that had more than their share last time. */
  #serveLeft(): void {
    if (this.#left.length === 0) return;
    const list = this.#left;
    this.#left = [];
    for (const socket of list) {
      this.#state[socket] &= ~LEFT;
      this.#serve(socket, false);
    }
  }

  /** Reads a socket until it is empty, or has had its share. */
  #serve(socket: number, hasFailed: boolean): void {
    const slots = this.#slots;
    for (let round = 0; round < ROUNDS; round++) {
      const state = this.#state[socket];
      if ((state & OPEN) === 0 || this.#stopped) return;
      if (SLOTS - this.#used < SERVER_BATCH) this.#flush();
      const wanted = (state & LISTENING) !== 0 ? SLOTS - this.#used : SERVER_BATCH;
      const received = slots.receive(socket, this.#used, wanted);
      if (received >= 0) {
        const first = this.#used;
        this.#used += received;
        for (let slot = first; slot < first + received; slot++) this.#deliver(socket, slot);
        // Fewer than asked for: the next call would have found nothing, or an error that is still to be told.
        if (received === wanted || hasFailed) continue;
      } else if (received === -ERRNO.EINTR) {
        continue;
      } else if (received !== -ERRNO.EAGAIN) {
        // A listener's error (ENOMEM) is about no datagram of anybody's: it is tried again.
        if ((state & LISTENING) === 0) this.#handler.failed(socket, received);
        continue;
      }
      this.#poller.want(socket, READABLE);
      return;
    }
    this.#keepReading(socket);
  }

  #deliver(socket: number, slot: number): void {
    const slots = this.#slots;
    const state = this.#state[socket];
    slots.readControl(slot);
    if ((state & OPEN) === 0) return;
    if (slots.isTruncated(slot)) {
      this.#handler.truncated();
      return;
    }
    const length = slots.length(slot);
    const segment = slots.segment;
    const isListener = (state & LISTENING) !== 0;
    if (isListener) {
      this.#current = slot;
      slots.readSender(slot, this.sender);
      if ((state & WILDCARD) !== 0) slots.readDestination(this.local);
    } else if (!slots.isFrom(slot, this.#peer, socket * PEER_WORDS)) {
      // Came while the socket was bound and not yet connected.
      return;
    }
    let at = slots.at(slot);
    if (segment <= 0 || segment >= length) {
      if (isListener) this.#handler.arrived(socket, at, length);
      else this.#handler.answered(socket, at, length);
      return;
    }
    for (let left = length; left > 0; left -= segment, at += segment) {
      if ((this.#state[socket] & OPEN) === 0) return;
      if (isListener) this.#handler.arrived(socket, at, Math.min(segment, left));
      else this.#handler.answered(socket, at, Math.min(segment, left));
    }
  }

  #flush(): void {
    if (!this.#queue.isEmpty) this.#queue.flush();
    this.#used = 0;
    // A turn flushes several times, and the ports of closed sockets may be what is needed next.
    this.#poller.settle?.();
    if (this.#closing.length === 0) return;
    for (const socket of this.#closing) this.#sockets.close(socket);
    this.#closing.length = 0;
  }

  #keepReading(socket: number): void {
    if ((this.#state[socket] & LEFT) !== 0) return;
    this.#state[socket] |= LEFT;
    this.#left.push(socket);
  }

  #takeWake(): void {
    libc().read(this.#wakeReads, this.#wakeMemory.address, 8);
    this.#poller.want(this.#wakeReads, READABLE);
  }

  #reportListened(): void {
    if (this.#listened.length === 0) return;
    const list = this.#listened;
    this.#listened = [];
    for (let i = 0; i < list.length; i += 2) this.#handler.listening(list[i], list[i + 1]);
  }

  #opened(socket: number, bits: number): void {
    if (socket >= this.#state.length) this.#grow(socket);
    this.#queue.opened(socket);
    this.#state[socket] = (this.#state[socket] & LEFT) | OPEN | bits;
  }

  /** Notes what `Slots.isFrom` compares. */
  #expectFrom(socket: number, endpoint: IpEndpoint): void {
    const bytes = new DataView(this.#wakeMemory.buffer);
    writeSockaddr(bytes, 64, endpoint);
    const words = new Int32Array(this.#wakeMemory.buffer, 64, 7);
    const at = socket * PEER_WORDS;
    const address = endpoint.family === 4 ? 1 : 2;
    this.#peer[at] = words[0];
    for (let i = 0; i < 4; i++) this.#peer[at + 1 + i] = words[address + i];
  }

  #grow(socket: number): void {
    const size = 2 ** Math.ceil(Math.log2(socket + 1));
    const state = new Uint8Array(size);
    state.set(this.#state);
    this.#state = state;
    const peer = new Int32Array(size * PEER_WORDS);
    peer.set(this.#peer);
    this.#peer = peer;
  }

  #tearDown(): void {
    this.#queue.flush();
    for (const socket of this.#closing) this.#sockets.close(socket);
    for (let socket = 0; socket < this.#state.length; socket++) {
      if ((this.#state[socket] & OPEN) !== 0) this.#sockets.close(socket);
    }
    if (this.#wakeReads !== this.wakeDescriptor) this.#sockets.close(this.#wakeReads);
    this.#poller.close();
    this.#queue.close();
    this.#paths.close();
    this.#slots.close();
    unmap(this.#wakeMemory);
  }
}
