/**
 * The listening sockets of one address, one a worker. They belong to the main thread, which lends copies: a worker
 * may die, the socket stays and its queue with it, also when the port could not be bound again (privileges dropped).
 */
import { type Endpoint, ipEndpoint } from '../core/address.js';
import { DatagramSockets } from '../sys/datagram-socket.js';
import { SystemError } from '../sys/errno.js';
import { familyOf } from '../sys/sockaddr.js';
import { removeSocketFile, StreamSockets } from '../sys/stream-socket.js';

let streams: StreamSockets | undefined;
let datagrams: DatagramSockets | undefined;

export class ListenerGroup {
  /** With the port that was chosen for port 0. */
  readonly endpoint: Endpoint;
  readonly #descriptors: readonly number[];
  readonly #sockets: StreamSockets | DatagramSockets;
  #isTransparent: boolean;

  /** For TCP. Throws a SystemError (EADDRINUSE, EACCES ...). */
  static open(endpoint: Endpoint, backlog: number, count: number, isTransparent: boolean): ListenerGroup {
    streams ??= new StreamSockets();
    const descriptors = streams.listenGroup(endpoint, backlog, count, 0, isTransparent);
    return new ListenerGroup(streams, endpoint, descriptors, isTransparent);
  }

  /** For UDP, where listening is being bound. Throws a SystemError. */
  static bind(endpoint: Endpoint, count: number, isTransparent: boolean): ListenerGroup {
    datagrams ??= new DatagramSockets();
    const descriptors = datagrams.bindGroup(endpoint, count, isTransparent);
    return new ListenerGroup(datagrams, endpoint, descriptors, isTransparent);
  }

  private constructor(
    sockets: StreamSockets | DatagramSockets,
    endpoint: Endpoint,
    descriptors: number[] | number,
    isTransparent: boolean,
  ) {
    if (typeof descriptors === 'number') throw new SystemError('listen', descriptors);
    this.#sockets = sockets;
    this.#descriptors = descriptors;
    this.#isTransparent = isTransparent;
    this.endpoint = endpoint.kind === 'unix' ? endpoint : sockets.boundTo(descriptors[0]);
  }

  /** Whether clients on their way to other hosts are taken. Throws a SystemError (EPERM); copies that are lent follow. */
  setTransparent(isTransparent: boolean): void {
    const sockets = this.#sockets;
    if (isTransparent === this.#isTransparent || this.endpoint.kind === 'unix') return;
    const family = familyOf(this.endpoint);
    for (const descriptor of this.#descriptors) {
      const result = sockets.setTransparent(descriptor, family, isTransparent);
      if (result < 0) throw new SystemError('setsockopt', result);
    }
    this.#isTransparent = isTransparent;
  }

  /** Where an accepted client was going, if that need not be here. The socket may be closed meanwhile: for people only. */
  destination(socket: number): Endpoint | undefined {
    if (!this.#isTransparent || socket < 0) return undefined;
    const bound = this.#sockets.boundTo(socket);
    // To a dual-stack listener an IPv4 address is an IPv6 one.
    return bound.kind === 'ip' ? ipEndpoint(bound.address, bound.port) : undefined;
  }

  /** A copy for the worker of that place, which owns it from now on. */
  lend(place: number): { readonly endpoint: Endpoint; readonly descriptor: number } {
    const descriptor = this.#sockets.duplicate(this.#descriptors[place]);
    if (descriptor < 0) throw new SystemError('dup', descriptor);
    return { endpoint: this.endpoint, descriptor };
  }

  /** Datagrams that the kernel threw away because they came faster than they were read. */
  overflow(): number {
    const sockets = this.#sockets;
    if (!(sockets instanceof DatagramSockets)) return 0;
    return this.#descriptors.reduce((sum, descriptor) => sum + sockets.dropped(descriptor), 0);
  }

  /** Stops listening; the file of a Unix socket goes too. */
  close(): void {
    for (const descriptor of this.#descriptors) this.#sockets.close(descriptor);
    if (this.endpoint.kind === 'unix') removeSocketFile(this.endpoint.path);
  }
}
