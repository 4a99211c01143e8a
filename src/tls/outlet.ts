/**
 * What leaves a link: the session's own words (`tail`: flights, tickets, alerts, answers) and sealed plaintext (`output`),
 * through the thread's ring into buffers of the engine below. The ring is empty whenever a method returns.
 */
import type { Engine } from '../engine/engine.js';
import { ERRNO } from '../sys/errno.js';
import { type Mapping, mapAnonymous } from '../sys/memory.js';
import { type Link, OPEN } from './link.js';
import { type Session, WANTS_ROOM } from './session.js';
import { RING_BYTES, Transport, WRITE_BYTES } from './transport.js';

/** A record's header, nonce, padding and check value, at the most (TLS 1.2 with CBC: 5 + 16 + 16 + 48). */
const RECORD_OVERHEAD = 96;
const RECORD_BYTES = 16_384;
/** Ciphertext that is sealed before it is handed to the kernel: what was just written is then still in the cache. */
const BATCH_BYTES = 131_072;

export class Outlet {
  readonly transport = new Transport();
  readonly #below: Engine;
  /** The link has something for its handler. */
  readonly #getReady: (link: Link) => void;
  /** For what does not go to a buffer of the engine's at once: the whole ring. */
  readonly #scratch: Mapping = mapAnonymous(RING_BYTES);
  readonly #scratchBytes = new Uint8Array(this.#scratch.buffer);

  constructor(below: Engine, getReady: (link: Link) => void) {
    this.#below = below;
    this.#getReady = getReady;
  }

  /** Sends what there is to send, until the engine below has enough. */
  pump(link: Link): void {
    const below = this.#below;
    while (!link.isSending && link.sendError === 0) {
      const hasTail = link.tail !== undefined && !link.isTailLazy;
      const isLast = link.isEnding && !link.hasEnded && link.output < 0 && link.session !== undefined;
      if (isLast && link.state === OPEN) {
        this.sayEnd(link);
        continue;
      }
      if (!hasTail && link.output < 0) break;
      const target = below.acquire(
        (link.tail?.length ?? 0) +
          (link.output < 0 ? 0 : Math.min(sealedBytes(link.outputEnd - link.outputAt), BATCH_BYTES)),
      );
      if (target < 0) {
        this.fail(link, -ERRNO.ENOBUFS);
        break;
      }
      const length = this.#fill(link, target);
      if (length < 0) {
        below.release(target);
        this.fail(link, -ERRNO.EPIPE);
        break;
      }
      link.isSending = !below.send(link.socket, target, length);
    }
    if (link.hasEnded && link.isEnding && link.tail === undefined && link.sendError === 0) {
      link.isEnding = false;
      below.shutdown(link.socket);
    }
  }

  /** Puts the tail and sealed output into the buffer; how many bytes, or -1 if the session is broken. */
  #fill(link: Link, target: number): number {
    const below = this.#below;
    const bytes = below.bytes(target);
    let length = 0;
    const { tail } = link;
    if (tail !== undefined) {
      length = Math.min(tail.length, bytes.length);
      bytes.set(length === tail.length ? tail : tail.subarray(0, length));
      link.tail = length === tail.length ? undefined : tail.subarray(length);
      link.isTailLazy = false;
      if (link.tail !== undefined) return length;
    }
    if (link.output < 0) return length;
    const session = link.session as Session;
    const limit = Math.min(bytes.length, length + BATCH_BYTES);
    const to = below.address(target);
    const from = below.address(link.output);
    while (link.outputAt < link.outputEnd) {
      const wanted = Math.min(link.outputEnd - link.outputAt, WRITE_BYTES, plainBytes(limit - length));
      if (wanted <= 0) break;
      const taken = session.write(from + link.outputAt, wanted);
      if (taken > 0) link.outputAt += taken;
      else if (taken !== WANTS_ROOM) return -1;
      const moved = this.transport.take(to + length, bytes.length - length);
      if (taken <= 0 && moved === 0) return -1;
      length += moved;
    }
    // Never the case by the bounds above; but bytes left in the ring would reach another peer.
    if (length === bytes.length) this.keepTail(link);
    if (link.outputAt === link.outputEnd) {
      below.release(link.output);
      link.output = -1;
    }
    return length;
  }

  /** Sends what the session has written; false if more of it is left. */
  sendFlight(link: Link): boolean {
    const target = this.#below.acquire(RECORD_BYTES);
    if (target < 0) return false;
    const bytes = this.#below.bytes(target).length;
    const length = this.transport.take(this.#below.address(target), bytes);
    if (length === 0) this.#below.release(target);
    else link.isSending = !this.#below.send(link.socket, target, length);
    return length < bytes;
  }

  /** Sets aside what the session has written by itself; whether there was any. The ring is empty after it. */
  keepTail(link: Link): boolean {
    const { address, bytes } = this.#scratch;
    const length = this.transport.take(address, bytes);
    if (length === 0) return false;
    const fresh = this.#scratchBytes.slice(0, length);
    link.tail = link.tail === undefined ? fresh : joined(link.tail, fresh);
    return true;
  }

  /** The notice that nothing more will be sent joins the tail. */
  sayEnd(link: Link): void {
    (link.session as Session).end();
    this.keepTail(link);
    link.hasEnded = true;
    link.isTailLazy = false;
  }

  fail(link: Link, result: number): void {
    link.sendError = result;
    link.tail = undefined;
    if (link.output >= 0) this.#below.release(link.output);
    link.output = -1;
    if (link.isPromised) this.#getReady(link);
  }
}

/** What that many bytes of plaintext can become at the most. */
function sealedBytes(plain: number): number {
  return plain + RECORD_OVERHEAD * (Math.ceil(plain / RECORD_BYTES) + 1);
}

/** How many bytes of plaintext surely fit. */
function plainBytes(room: number): number {
  return room - RECORD_OVERHEAD * (Math.ceil(room / RECORD_BYTES) + 1);
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
