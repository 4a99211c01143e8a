/**
 * Datagrams on node:dgram: every platform, no FFI. One datagram at a time, and a copy of each on its way out, because
 * libuv may still be sending when the memory is used again. Node does not tell which local address a datagram was sent
 * to, so on a wildcard listener of a host with several addresses the system chooses the source of an answer.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { ANY_V4, type Endpoint, formatIp, type IpEndpoint, ipEndpoint, parseIp } from '../../core/address.js';
import { monotonicMs } from '../../sys/clock.js';
import { ERRNO } from '../../sys/errno.js';
import type { DatagramHandler, DatagramOptions, Datagrams } from '../datagrams.js';
import type { ForeignAddress } from '../engine.js';

const BUFFER_BYTES = 4 * 1024 * 1024;
const DATAGRAM_BYTES = 65_536;

/** Connects and binds at once: addresses are numbers here. */
function asItIs(host: string, _options: unknown, tell: (error: null, address: string, family: number) => void): void {
  tell(null, host, host.includes(':') ? 6 : 4);
}

export class NodeDatagrams implements Datagrams {
  readonly name = 'node';
  readonly sender = { words: new Int32Array(4), port: 0 };
  readonly local = new Int32Array(4);
  readonly memory: Uint8Array;
  readonly wakeDescriptor = -1;
  readonly ownDescriptors: readonly number[] = [];
  readonly #handler: DatagramHandler;
  /** Where the datagram at hand lies. */
  readonly #at: number;
  readonly #sockets: (Socket | undefined)[] = [];
  readonly #free: number[] = [];
  #senderAddress = '';
  readonly #pathAddress: string[] = [];
  readonly #pathPort: number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isTurnDue = false;
  #stopped = false;
  #ended: () => void = () => {};
  #failed: (error: unknown) => void = () => {};

  constructor(handler: DatagramHandler, { keptBytes }: DatagramOptions) {
    this.#handler = handler;
    this.#at = keptBytes;
    this.memory = new Uint8Array(keptBytes + DATAGRAM_BYTES);
  }

  now(): number {
    return monotonicMs();
  }

  listen(endpoint: Endpoint): number {
    const { address, port } = endpoint as IpEndpoint;
    return this.#bind(endpoint, { address: formatIp(address), port, exclusive: true });
  }

  adopt(descriptor: number, endpoint: Endpoint): number {
    return this.#bind(endpoint, { fd: descriptor, exclusive: true });
  }

  boundTo(listener: number): Endpoint {
    const { address, port } = (this.#sockets[listener] as Socket).address();
    return ipEndpoint(parseIp(address) ?? ANY_V4, port);
  }

  connect(endpoint: Endpoint, source: Endpoint | ForeignAddress | undefined): number {
    if (source?.kind === 'foreign') return -ERRNO.EOPNOTSUPP;
    const { family, address, port } = endpoint as IpEndpoint;
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', lookup: asItIs as never });
    const number = this.#number(socket);
    const host = formatIp(address);
    socket.on('message', (bytes, from) => {
      if (from.port !== port || from.address !== host) return;
      this.#run(() => {
        this.#take(bytes);
        this.#handler.answered(number, this.#at, bytes.length);
      });
    });
    let error = 0;
    socket.on('error', (failure: NodeJS.ErrnoException) => {
      error = failure.errno ?? -ERRNO.EINVAL;
      if (this.#sockets[number] === socket) this.#run(() => this.#handler.failed(number, error));
    });
    try {
      if (source?.kind === 'ip') socket.bind({ port: 0, address: formatIp(source.address), exclusive: true });
      socket.connect(port, host);
      socket.remoteAddress();
    } catch (failure) {
      // Not connected; what it died of is told as an event by Node, later.
      this.close(number);
      return (failure as NodeJS.ErrnoException).errno ?? -ERRNO.EADDRNOTAVAIL;
    }
    return number;
  }

  close(number: number): void {
    const socket = this.#sockets[number];
    if (socket === undefined) return;
    this.#sockets[number] = undefined;
    this.#free.push(number);
    socket.removeAllListeners('message');
    socket.close();
  }

  keepPath(path: number): void {
    this.#pathAddress[path] = this.#senderAddress;
    this.#pathPort[path] = this.sender.port;
  }

  send(number: number, at: number, length: number, tag: number): void {
    const socket = this.#sockets[number];
    const bytes = Buffer.from(this.memory.subarray(at, at + length));
    socket?.send(bytes, (failure) => {
      // Once the socket is closed its tag may be somebody else's.
      if (failure && this.#sockets[number] === socket) this.#unsent(tag, false, bytes, failure);
    });
  }

  reply(listener: number, path: number, at: number, length: number): void {
    const bytes = Buffer.from(this.memory.subarray(at, at + length));
    const tell = (failure: Error | null) => failure && this.#unsent(path, true, bytes, failure);
    // Node refuses port 0 by throwing.
    if (this.#pathPort[path] === 0) process.nextTick(tell, Object.assign(new Error(), { errno: -ERRNO.EINVAL }));
    else this.#sockets[listener]?.send(bytes, this.#pathPort[path], this.#pathAddress[path], tell);
  }

  wakeAt(timeMs: number): void {
    clearTimeout(this.#timer);
    if (timeMs === Infinity || this.#stopped) return;
    const wait = Math.min(Math.max(0, Math.ceil(timeMs - this.now())), 0x7fffffff);
    this.#timer = setTimeout(() => this.#run(() => this.#handler.timer(this.now())), wait);
  }

  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#ended = resolve;
      this.#failed = reject;
      if (this.#stopped) resolve();
    });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const number of this.#sockets.keys()) this.close(number);
    this.#ended();
  }

  #bind(endpoint: Endpoint, options: object): number {
    const { family } = endpoint as IpEndpoint;
    const socket = createSocket({
      type: family === 4 ? 'udp4' : 'udp6',
      lookup: asItIs as never,
      sendBufferSize: BUFFER_BYTES,
      recvBufferSize: BUFFER_BYTES,
    });
    const number = this.#number(socket);
    // Node tells at once where it is given a descriptor, or the port is busy; nobody expects to be called by `adopt`.
    let isBound = false;
    socket.once('listening', () => {
      isBound = true;
      setImmediate(() => this.#run(() => this.#handler.listening(number, 0)));
    });
    socket.on('error', (failure: NodeJS.ErrnoException) => {
      if (this.#sockets[number] !== socket) return;
      // An error of a bound listener is about no datagram of anybody's.
      if (isBound) return;
      this.close(number);
      setImmediate(() => this.#run(() => this.#handler.listening(number, failure.errno ?? -ERRNO.EINVAL)));
    });
    socket.on('message', (bytes, from) => {
      if (this.#sockets[number] !== socket) return;
      this.#run(() => {
        this.#take(bytes);
        this.#noteSender(from);
        this.#handler.arrived(number, this.#at, bytes.length);
      });
    });
    socket.bind(options);
    return number;
  }

  #number(socket: Socket): number {
    const number = this.#free.pop() ?? this.#sockets.length;
    this.#sockets[number] = socket;
    return number;
  }

  #take(bytes: Uint8Array): void {
    this.memory.set(bytes, this.#at);
  }

  #noteSender({ address, port }: RemoteInfo): void {
    const { words } = this.sender;
    const zone = address.indexOf('%');
    const ip = parseIp(zone < 0 ? address : address.slice(0, zone)) ?? ANY_V4;
    for (let i = 0; i < 4; i++) words[i] = ip[i];
    this.sender.port = port;
    this.#senderAddress = address;
  }

  #unsent(tag: number, isReply: boolean, bytes: Uint8Array, failure: NodeJS.ErrnoException): void {
    if (this.#stopped) return;
    this.#run(() => {
      this.#take(bytes);
      this.#handler.unsent(tag, isReply, this.#at, bytes.length, failure.errno ?? -ERRNO.EINVAL);
    });
  }

  /** Calls the handler, and its `turn` when this round of events is over. A handler that throws ends the engine. */
  #run(body: () => void): void {
    if (this.#stopped) return;
    try {
      body();
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#isTurnDue || this.#stopped) return;
    this.#isTurnDue = true;
    setImmediate(() => {
      this.#isTurnDue = false;
      if (this.#stopped) return;
      try {
        this.#handler.turn(this.now());
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  #fail(error: unknown): void {
    // Before the orderly end, which would count otherwise.
    this.#failed(error);
    this.stop();
  }
}
