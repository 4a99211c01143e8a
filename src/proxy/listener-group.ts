/**
 * The listening sockets of one address, one a worker. They belong to the main thread, which lends copies: a worker
 * may die, the socket stays and its queue with it, also when the port could not be bound again (privileges dropped).
 */
import type { Endpoint } from '../core/address.js';
import { SystemError } from '../sys/errno.js';
import { removeSocketFile, StreamSockets } from '../sys/stream-socket.js';

let sockets: StreamSockets | undefined;

export class ListenerGroup {
  /** With the port that was chosen for port 0. */
  readonly endpoint: Endpoint;
  readonly #descriptors: readonly number[];
  readonly #sockets: StreamSockets;

  /** Throws a SystemError (EADDRINUSE, EACCES ...). */
  static open(endpoint: Endpoint, backlog: number, count: number): ListenerGroup {
    sockets ??= new StreamSockets();
    const descriptors = sockets.listenGroup(endpoint, backlog, count, 0);
    if (typeof descriptors === 'number') throw new SystemError('listen', descriptors);
    return new ListenerGroup(sockets, endpoint, descriptors);
  }

  private constructor(streamSockets: StreamSockets, endpoint: Endpoint, descriptors: readonly number[]) {
    this.#sockets = streamSockets;
    this.#descriptors = descriptors;
    this.endpoint = endpoint.kind === 'unix' ? endpoint : streamSockets.boundTo(descriptors[0]);
  }

  /** A copy for the worker of that place, which owns it from now on. */
  lend(place: number): { readonly endpoint: Endpoint; readonly descriptor: number } {
    const descriptor = this.#sockets.duplicate(this.#descriptors[place]);
    if (descriptor < 0) throw new SystemError('dup', descriptor);
    return { endpoint: this.endpoint, descriptor };
  }

  /** Stops listening; the file of a Unix socket goes too. */
  close(): void {
    for (const descriptor of this.#descriptors) this.#sockets.close(descriptor);
    if (this.endpoint.kind === 'unix') removeSocketFile(this.endpoint.path);
  }
}
