/**
 * `transparent`: which local end a connection to a server gets. The client's own address where a server can be shown
 * it; else the one of `source` or the kernel's choice, counted, or with `transparent strict` none. The counts are
 * shared by all workers; the main thread reads them and warns.
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import type { Endpoint } from '../core/address.js';
import { isV4 } from '../core/address.js';
import { defaultSettings, type Settings } from '../core/configuration.js';
import { Counters, GUARD_BYTES } from '../core/counters.js';
import type { ForeignAddress } from '../engine/engine.js';
import { ERRNO } from '../sys/errno.js';
import { sourceFor } from './source.js';

/** What can happen to a connection that should come from its client's address, by the number of its counter. */
export const TRANSPARENCY = {
  /** Made from this host's own address: client and server have no kind of address in common. */
  own: 0,
  /** The same, but `strict`: not made. */
  refused: 1,
  /** The client's port was taken, so that it got another one. */
  otherPort: 2,
  /** No port was left for that client and server. */
  noPort: 3,
  /** The server did not answer: its replies may not come back through this host. */
  unanswered: 4,
} as const;
export type TransparencyCount = keyof typeof TRANSPARENCY;

const COUNTS = Object.keys(TRANSPARENCY).length;

/** The client may not be connected to that server at all. */
export const REFUSED = 'refused';

export class Transparency {
  readonly counters: Counters;
  readonly #foreign: ForeignAddress = { kind: 'foreign', words: new Int32Array(4), port: 0 };
  #settings: Settings = defaultSettings;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(Counters.bytes(COUNTS) + GUARD_BYTES);
  }

  constructor(memory: SharedArrayBuffer) {
    this.counters = new Counters(memory, 0, COUNTS, new Int32Array(memory, Counters.bytes(COUNTS)));
  }

  configure(settings: Settings): void {
    this.#settings = settings;
  }

  /**
   * The local end for a connection to `server` on behalf of a client; `port` is the client's, or 0 if it could not be
   * kept. The result is good until the next call.
   */
  sourceFor(
    server: Endpoint,
    client: Int32Array,
    port: number,
    isUnix: boolean,
  ): Endpoint | ForeignAddress | undefined | typeof REFUSED {
    const { transparent, transparentStrict, source } = this.#settings;
    if (transparent === 'off') return sourceFor(server, source);
    if (!isUnix && canShow(server, client)) {
      const foreign = this.#foreign;
      for (let i = 0; i < 4; i++) foreign.words[i] = client[i];
      foreign.port = transparent === 'port' ? port : 0;
      return foreign;
    }
    this.counters.add(transparentStrict ? TRANSPARENCY.refused : TRANSPARENCY.own, 1);
    return transparentStrict ? REFUSED : sourceFor(server, source);
  }

  /** Books the failure (`result`, -errno) of a connect from a client's address; true if another port may do. */
  failed(result: number, hadPort: boolean): boolean {
    const isTaken = result === -ERRNO.EADDRNOTAVAIL || result === -ERRNO.EADDRINUSE;
    if (isTaken) this.counters.add(hadPort ? TRANSPARENCY.otherPort : TRANSPARENCY.noPort, 1);
    else if (result === -ERRNO.ETIMEDOUT) this.counters.add(TRANSPARENCY.unanswered, 1);
    return isTaken && hadPort;
  }
}

/**
 * Whether packets from the client's address can reach the server: both of one family; no address that means something
 * else there (loopback) or nothing without its link (fe80::/10).
 */
function canShow(server: Endpoint, client: Int32Array): boolean {
  if (server.kind !== 'ip' || isV4(client) !== (server.family === 4)) return false;
  if (isLoopback(client) !== isLoopback(server.address)) return false;
  return (client[0] & 0xffc00000) !== (0xfe800000 | 0);
}

/** 127.0.0.0/8 and ::1. */
function isLoopback(words: ArrayLike<number>): boolean {
  if (isV4(words)) return words[3] >>> 24 === 127;
  return words[0] === 0 && words[1] === 0 && words[2] === 0 && words[3] === 1;
}
