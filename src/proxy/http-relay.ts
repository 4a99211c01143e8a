/**
 * The relay of `http` connections: every request says who its client is, however requests are cut into pieces, and what
 * cannot be read in one way only does not pass. docs/internals/http.md draws it.
 *
 * A request that arrives alone, as most do, is completed where it lies: the buffer it was received into gets a few lines
 * more and goes on. Bodies and tunnels pass untouched. Only what is cut or pipelined costs a second buffer and a copy.
 * A head that is not whole is held back; so are bytes behind a request for an upgrade (see answers.ts).
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import { NONE } from '../core/configuration.js';
import { type Meters, REFUSAL } from '../core/meters.js';
import type { Engine } from '../engine/engine.js';
import { FIELD } from '../wire/http/field-names.js';
import { type Forwarding, MAX_ADDED, putForwarding } from '../wire/http/forwarding.js';
import { UP_ENDED } from './connection-flag.js';
import type { ConnectionTable } from './connection-table.js';
import { HttpStream } from './http-stream.js';
import { RELAY_BROKEN, RELAY_GOES_ON, RELAY_OVER, RELAY_REFUSED, type Relay } from './relay.js';

/** The longest head: it and what is added fit every engine's buffers (16 kB). */
export const MAX_HEAD = 15_360;
const OUT_BYTES = 16_384;

export const BAD_REQUEST = 400;
export const REQUEST_TIMEOUT = 408;
export const HEAD_TOO_LARGE = 431;
const REASONS = {
  [BAD_REQUEST]: REFUSAL.bad_request,
  [REQUEST_TIMEOUT]: REFUSAL.head_too_slow,
  [HEAD_TOO_LARGE]: REFUSAL.head_too_large,
} as const;
type Status = keyof typeof REASONS;

/** Streams that are kept for connections to come. */
const SPARE = 1024;

export class HttpRelay {
  /** Milliseconds that a head may take from its first byte to its last; Infinity: any time. */
  headTimeoutMs = Infinity;
  readonly #engine: Engine;
  readonly #table: ConnectionTable;
  readonly #relay: Relay;
  readonly #meters: Meters;
  readonly #watch: (connection: number, deadlineMs: number) => void;
  /** By connection. */
  readonly #streams: (HttpStream | undefined)[] = [];
  readonly #spare: HttpStream[] = [];

  /** `watch` is to call `expired` at that time; a later one replaces an earlier one. */
  constructor(
    engine: Engine,
    table: ConnectionTable,
    relay: Relay,
    meters: Meters,
    watch: (connection: number, deadlineMs: number) => void,
  ) {
    this.#engine = engine;
    this.#table = table;
    this.#relay = relay;
    this.#meters = meters;
    this.#watch = watch;
  }

  /** The client's socket is being, or soon will be, received from. */
  begin(connection: number, forwarding: Forwarding): void {
    const stream = this.#spare.pop() ?? new HttpStream();
    stream.begin(forwarding);
    this.#streams[connection] = stream;
  }

  /** Gives back what it holds; true if the client's socket is being received from. */
  end(connection: number): boolean {
    const stream = this.#streams[connection];
    if (stream === undefined) return false;
    this.#dropInput(stream);
    this.#dropOut(stream);
    this.#streams[connection] = undefined;
    if (this.#spare.length < SPARE) this.#spare.push(stream);
    return stream.isReceiving;
  }

  received(connection: number, socket: number, buffer: number, length: number): number {
    const stream = this.#streams[connection] as HttpStream;
    const isUp = socket === this.#table.clientSocket[connection];
    if (isUp) stream.isReceiving = false;
    if (length <= 0) return this.#ended(connection, stream, socket, isUp, length);
    if (!isUp) return this.#passDown(connection, stream, socket, buffer, length);
    stream.input = buffer;
    stream.at = 0;
    stream.read = 0;
    stream.end = length;
    return this.#pump(connection, stream);
  }

  sent(connection: number, socket: number, result: number): number {
    const stream = this.#streams[connection] as HttpStream;
    if (socket === this.#table.serverSocket[connection]) {
      stream.isSendingUp = false;
      if (result >= 0) return this.#pump(connection, stream);
      this.#dropInput(stream);
      this.#dropOut(stream);
      stream.isMute = true;
      return this.#relay.sent(connection, socket, result);
    }
    stream.isSendingDown = false;
    const verdict = this.#relay.sent(connection, socket, result);
    return verdict === RELAY_GOES_ON && stream.refusal !== 0 ? this.#tryToRefuse(stream) : verdict;
  }

  /** When the head of a request that has begun must be whole; Infinity if there is none. */
  headDeadlineMs(connection: number): number {
    return this.#streams[connection]?.headDeadlineMs ?? Infinity;
  }

  /** The head of a request has taken too long. */
  headIsLate(connection: number): number {
    const stream = this.#streams[connection] as HttpStream;
    stream.headDeadlineMs = Infinity;
    return this.#refuse(stream, REQUEST_TIMEOUT, false);
  }

  /** The status of the answer that a RELAY_REFUSED connection is to get. */
  refusal(connection: number): number {
    return this.#streams[connection]?.refusal ?? BAD_REQUEST;
  }

  /** Something that it sent is not passed on. */
  refuses(connection: number): boolean {
    return (this.#streams[connection]?.refusal ?? 0) !== 0;
  }

  #passDown(connection: number, stream: HttpStream, socket: number, buffer: number, length: number): number {
    const { answers } = stream;
    const isNews = !answers.isTunnel && !answers.isLost && answers.follow(this.#engine.bytes(buffer), length);
    this.#relay.count(connection, false, length);
    if (this.#engine.send(this.#table.clientSocket[connection], buffer, length)) this.#engine.receive(socket);
    else stream.isSendingDown = true;
    if (!isNews) return RELAY_GOES_ON;
    if (stream.refusal !== 0) return this.#tryToRefuse(stream);
    if (answers.isLost && answers.holdBack) this.#silence(stream);
    return this.#pump(connection, stream);
  }

  #ended(connection: number, stream: HttpStream, socket: number, isUp: boolean, result: number): number {
    const verdict = this.#relay.received(connection, socket, NONE, result);
    if (isUp || verdict !== RELAY_GOES_ON) return verdict;
    // Behind the server's last word there is nothing that we could still be waiting for.
    if (stream.refusal !== 0) return RELAY_OVER;
    if (stream.answers.holdBack && !stream.answers.isTunnel) this.#silence(stream);
    return this.#pump(connection, stream);
  }

  /** Sends on what can be, and receives when nothing is left. */
  #pump(connection: number, stream: HttpStream): number {
    if (stream.isMute) this.#dropInput(stream);
    while (stream.input !== NONE && !stream.isSendingUp && this.#step(connection, stream));
    if (stream.outLength > 0 && !stream.isPartial && !stream.isSendingUp) this.#sendOut(connection, stream);
    if (stream.isSendingUp) return RELAY_GOES_ON;
    if (stream.refusal !== 0) return this.#tryToRefuse(stream);
    this.#heedDeadline(connection, stream);
    const hasEnded = (this.#table.flags[connection] & UP_ENDED) !== 0;
    if (stream.input === NONE && !stream.isReceiving && !hasEnded) {
      stream.isReceiving = true;
      this.#engine.receive(this.#table.clientSocket[connection]);
    }
    return RELAY_GOES_ON;
  }

  /** One step towards an empty input; false if it must wait, or if it was the last one. */
  #step(connection: number, stream: HttpStream): boolean {
    const bytes = this.#engine.bytes(stream.input);
    if (stream.at < stream.read && stream.headLength === 0) return this.#passRead(connection, stream, bytes);
    if (stream.at === stream.end) {
      this.#dropInput(stream);
      return false;
    }
    if (stream.headLength > 0) return this.#placeHead(connection, stream, bytes);
    if (stream.answers.isTunnel) {
      stream.read = stream.end;
      return true;
    }
    if (!stream.body.isDone) return this.#readBody(stream, bytes, stream.at);
    if (stream.isPartial) return this.#completeHead(stream, bytes);
    if (stream.head.length > 0) return this.#holdHead(connection, stream, bytes);
    if (stream.answers.holdBack) return false;
    return this.#readHead(stream, bytes);
  }

  /** Sends the input as it is if all that is left of it may go, else copies what may. */
  #passRead(connection: number, stream: HttpStream, bytes: Uint8Array): boolean {
    const { at, read, end } = stream;
    if (read === end && stream.outLength === 0) {
      if (at > 0) bytes.copyWithin(0, at, end);
      const buffer = stream.input;
      stream.input = NONE;
      this.#send(connection, stream, buffer, end - at);
      return true;
    }
    if (!this.#hasOut(stream)) return false;
    const count = Math.min(read - at, OUT_BYTES - stream.outLength);
    this.#engine.bytes(stream.out).set(bytes.subarray(at, at + count), stream.outLength);
    stream.outLength += count;
    stream.at += count;
    if (stream.at < read) this.#sendOut(connection, stream);
    return true;
  }

  #readBody(stream: HttpStream, bytes: Uint8Array, from: number): boolean {
    stream.read = stream.body.advance(bytes, from, stream.end);
    if (!stream.body.isWrong) return true;
    this.#refuse(stream, BAD_REQUEST, true);
    return false;
  }

  #readHead(stream: HttpStream, bytes: Uint8Array): boolean {
    const stop = stream.head.scan(bytes, stream.at, stream.end);
    if (!this.#headIsGood(stream)) return false;
    if (!stream.head.isDone) return true;
    stream.headLength = stop - stream.at;
    if (!this.#expectAnswer(stream)) return false;
    return this.#readBody(stream, bytes, stop);
  }

  /** A head lies whole in the input: completed there if nothing but its own body follows, else in `out`. */
  #placeHead(connection: number, stream: HttpStream, bytes: Uint8Array): boolean {
    const { head, headLength, at, end } = stream;
    if (at === 0 && stream.read === end && stream.outLength === 0 && end + MAX_ADDED <= bytes.length) {
      stream.end = putForwarding(bytes, 0, end, head, stream.forwarding);
      stream.read = stream.end;
    } else {
      if (stream.outLength + headLength + MAX_ADDED > OUT_BYTES) {
        this.#sendOut(connection, stream);
        return true;
      }
      if (!this.#hasOut(stream)) return false;
      const out = this.#engine.bytes(stream.out);
      out.set(bytes.subarray(at, at + headLength), stream.outLength);
      stream.outLength = putForwarding(out, stream.outLength, stream.outLength + headLength, head, stream.forwarding);
      stream.at += headLength;
    }
    stream.headLength = 0;
    head.reset();
    return true;
  }

  /** A head that is not whole moves to `out`, where the rest of it will be put. */
  #holdHead(connection: number, stream: HttpStream, bytes: Uint8Array): boolean {
    if (!stream.head.hasBegun) {
      // Empty lines between requests: nothing to wait for.
      stream.head.reset();
      stream.at = stream.end;
      stream.read = stream.end;
      return true;
    }
    if (stream.outLength > 0) {
      this.#sendOut(connection, stream);
      return true;
    }
    if (!this.#hasOut(stream)) return false;
    this.#engine.bytes(stream.out).set(bytes.subarray(stream.at, stream.end));
    stream.outLength = stream.end - stream.at;
    stream.at = stream.end;
    stream.read = stream.end;
    stream.isPartial = true;
    return true;
  }

  #completeHead(stream: HttpStream, bytes: Uint8Array): boolean {
    const { head, outLength } = stream;
    const out = this.#engine.bytes(stream.out);
    const count = Math.min(stream.end - stream.at, MAX_HEAD + 1 - outLength);
    out.set(bytes.subarray(stream.at, stream.at + count), outLength);
    const stop = head.scan(out, outLength, outLength + count);
    if (!this.#headIsGood(stream)) return false;
    stream.at += stop - outLength;
    stream.read = stream.at;
    stream.outLength = stop;
    if (!head.isDone) return true;
    if (!this.#expectAnswer(stream)) return false;
    stream.isPartial = false;
    stream.outLength = putForwarding(out, 0, stop, head, stream.forwarding);
    head.reset();
    return this.#readBody(stream, bytes, stream.at);
  }

  #headIsGood(stream: HttpStream): boolean {
    const { head } = stream;
    if (head.isWrong) this.#refuse(stream, BAD_REQUEST, false);
    else if (head.length > MAX_HEAD) this.#refuse(stream, HEAD_TOO_LARGE, false);
    return stream.refusal === 0;
  }

  /** A request is whole but for its body; false if it cannot pass, as nobody would know what comes behind it. */
  #expectAnswer(stream: HttpStream): boolean {
    const { head, body, answers } = stream;
    stream.headDeadlineMs = Infinity;
    answers.expect(head.isHead, head.isConnect, (head.fields & FIELD.upgrade) !== 0);
    if (answers.isLost && answers.awaitsUpgrade) {
      this.#refuse(stream, BAD_REQUEST, false);
      return false;
    }
    if (head.isChunked) body.beginChunked();
    else body.beginLength(Math.max(head.contentLength, 0));
    return true;
  }

  #heedDeadline(connection: number, stream: HttpStream): void {
    if (!stream.isPartial || stream.headDeadlineMs !== Infinity || this.headTimeoutMs === Infinity) return;
    stream.headDeadlineMs = this.#engine.now() + this.headTimeoutMs;
    this.#watch(connection, stream.headDeadlineMs);
  }

  /** Nothing of the client passes any more. `refusesLast`: the server has got the beginning of the request in question. */
  #refuse(stream: HttpStream, status: Status, refusesLast: boolean): number {
    this.#meters.refused(REASONS[status]);
    stream.refusal = status;
    stream.refusesLast = refusesLast;
    this.#dropInput(stream);
    // What came before it in good order has still to be sent.
    if (stream.isPartial) this.#dropOut(stream);
    return this.#tryToRefuse(stream);
  }

  /** RELAY_REFUSED as soon as the answers before it have passed; RELAY_BROKEN if it can have no place. */
  #tryToRefuse(stream: HttpStream): number {
    const { answers } = stream;
    if (answers.isLost) return RELAY_BROKEN;
    if (answers.underWay > (stream.refusesLast ? 1 : 0) || stream.isSendingDown || stream.isSendingUp) {
      return RELAY_GOES_ON;
    }
    return answers.isWithin ? RELAY_BROKEN : RELAY_REFUSED;
  }

  /** What is held back has nowhere to go. */
  #silence(stream: HttpStream): void {
    stream.isMute = true;
    this.#dropOut(stream);
  }

  #sendOut(connection: number, stream: HttpStream): void {
    const { out, outLength } = stream;
    stream.out = NONE;
    stream.outLength = 0;
    this.#send(connection, stream, out, outLength);
  }

  #send(connection: number, stream: HttpStream, buffer: number, length: number): void {
    this.#relay.count(connection, true, length);
    stream.isSendingUp = !this.#engine.send(this.#table.serverSocket[connection], buffer, length);
  }

  /** There is a buffer of our own; false: the pool is at its end, and the connection cannot go on. */
  #hasOut(stream: HttpStream): boolean {
    if (stream.out === NONE) stream.out = this.#engine.acquire();
    if (stream.out !== NONE) return true;
    stream.answers.isLost = true;
    stream.refusal = HEAD_TOO_LARGE;
    this.#dropInput(stream);
    return false;
  }

  #dropInput(stream: HttpStream): void {
    if (stream.input !== NONE) this.#engine.release(stream.input);
    stream.input = NONE;
  }

  #dropOut(stream: HttpStream): void {
    if (stream.out !== NONE) this.#engine.release(stream.out);
    stream.out = NONE;
    stream.outLength = 0;
    stream.isPartial = false;
  }
}
