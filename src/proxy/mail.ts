/**
 * A worker's mail from the main thread, and the configuration that it brings: what every kind of proxy obeys. A
 * counter in shared memory tells that there is mail, so that looking costs one atomic load.
 */
import type { Endpoint } from '../core/address.js';
import type { Configuration } from '../core/configuration.js';
import { reduceCapabilities } from '../sys/capabilities.js';
import { type FromWorker, type ToWorker, type WorkerStart, withChanges } from './messages.js';

/** The two directions of the mail, as the worker's thread gives them. */
export interface Post {
  send(message: FromWorker): void;
  /** The next message, undefined if there is none; never waits. */
  next(): ToWorker | undefined;
}

/** What the main thread may ask of a proxy. */
export interface Orders {
  /** A new configuration; the one before is still in `mail.configuration` while this runs. */
  configure(configuration: Configuration): void;
  /** With a descriptor: it is bound there already. */
  listen(endpoint: Endpoint, descriptor: number | undefined): void;
  closeByHand(connection: number): void;
  /** Another worker is short of places, or has given one back. */
  nudged(): void;
  stop(): void;
}

export class Mail {
  /** The one in force. */
  configuration: Configuration;
  readonly #count: Int32Array;
  readonly #post: Post;
  #read = 0;

  constructor(start: WorkerStart, post: Post) {
    this.#count = new Int32Array(start.mail);
    this.#post = post;
    this.configuration = start.configuration;
  }

  hasCome(): boolean {
    return Atomics.load(this.#count, 0) !== this.#read;
  }

  /** Has `orders` carry out what has been written, all of it. */
  read(orders: Orders): void {
    for (;;) {
      const message = this.#post.next();
      if (message === undefined) return;
      this.#read = (this.#read + 1) | 0;
      if (message.type === 'configure') {
        const configuration = withChanges(this.configuration, message.changes);
        orders.configure(configuration);
        this.configuration = configuration;
      } else if (message.type === 'listen') orders.listen(message.endpoint, message.descriptor);
      else if (message.type === 'close') orders.closeByHand(message.connection);
      else if (message.type === 'nudge') orders.nudged();
      else if (message.type === 'reduceCapabilities') this.#reduceCapabilities(message.keep);
      else orders.stop();
    }
  }

  /** The process has become another user: what the kernel has kept for this thread is more than it needs. */
  #reduceCapabilities(keep: readonly number[]): void {
    reduceCapabilities(keep);
    this.#post.send({ type: 'capabilitiesReduced' });
  }
}
