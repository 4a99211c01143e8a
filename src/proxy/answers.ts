/**
 * The answers of a server, followed as they pass: which request each belongs to and where it ends. The upward direction
 * needs it for three things only, so nothing here changes or delays a byte:
 *
 * - whether an upgrade (or CONNECT) was granted: until then nobody can say whether what the client sends next is a
 *   request, and if it was not, it must be looked at like all others;
 * - where our own refusal of a later request may stand: behind the last answer, not within one;
 * - how many requests are under way.
 *
 * An answer that cannot be followed (it ends with the connection, or is malformed) makes the rest `isLost`: it still
 * passes, but no upgrade is granted and a refusal closes without words.
 */
import { Body } from '../wire/http/body.js';
import { HeadScanner, KIND } from '../wire/http/head-scanner.js';

/** Requests under way beyond which the next must wait: each has a bit below. */
export const MAX_UNDER_WAY = 30;

const SWITCHING_PROTOCOLS = 101;

export class Answers {
  /** Requests that have been passed on, or soon will be, and are not answered yet. */
  underWay = 0;
  isLost = false;
  /** The connection is not HTTP any more. */
  isTunnel = false;
  /** The last request under way asks for that. */
  awaitsUpgrade = false;
  readonly #head = new HeadScanner(KIND.response);
  readonly #body = new Body();
  /** A bit for each request under way, the oldest lowest: it was HEAD, which is answered without a body. */
  #heads = 0;
  #isConnect = false;
  #isInBody = false;

  reset(): void {
    this.underWay = 0;
    this.isLost = false;
    this.isTunnel = false;
    this.awaitsUpgrade = false;
    this.#head.reset();
    this.#heads = 0;
    this.#isConnect = false;
    this.#isInBody = false;
  }

  /** Some bytes of an answer have passed, and not yet all of it. */
  get isWithin(): boolean {
    return this.#isInBody || this.#head.length > 0;
  }

  /** Nobody can say yet what the client's next bytes are, or too many requests are under way. */
  get holdBack(): boolean {
    return this.awaitsUpgrade || (this.underWay >= MAX_UNDER_WAY && !this.isLost);
  }

  expect(isHead: boolean, isConnect: boolean, isUpgrade: boolean): void {
    if (isHead) this.#heads |= 1 << this.underWay;
    // Lost answers are counted no more.
    if (!this.isLost) this.underWay++;
    this.#isConnect = isConnect;
    this.awaitsUpgrade = isConnect || isUpgrade;
  }

  /** Follows `bytes[0..end)`; true if the client may be heard again that perhaps was not. */
  follow(bytes: Uint8Array, end: number): boolean {
    const before = this.underWay;
    for (let at = 0; at < end && !this.isLost && !this.isTunnel; ) {
      if (this.#isInBody) {
        at = this.#body.advance(bytes, at, end);
        this.isLost = this.#body.isWrong;
        if (this.#body.isDone) this.#ended();
      } else {
        // Nobody has asked: a server that gives up a connection kept alive may say so (408).
        if (this.underWay === 0) this.isLost = true;
        else at = this.#head.scan(bytes, at, end);
        if (this.#head.isWrong) this.isLost = true;
        else if (this.#head.isDone) this.#begun();
      }
    }
    return this.underWay !== before || this.isLost || this.isTunnel;
  }

  /** The head of an answer has passed. */
  #begun(): void {
    const { status, contentLength, isChunked } = this.#head;
    const isLast = this.underWay === 1;
    if (status === SWITCHING_PROTOCOLS || (status < 300 && status >= 200 && this.#isConnect && isLast)) {
      this.isTunnel = this.awaitsUpgrade && isLast;
      this.isLost = !this.isTunnel;
    } else if (status < 200) {
      this.#head.reset();
    } else {
      this.#beginBody(status, contentLength, isChunked);
    }
  }

  /** RFC 9112 6.3. */
  #beginBody(status: number, contentLength: number, isChunked: boolean): void {
    if ((this.#heads & 1) !== 0 || status === 204 || status === 304) this.#body.beginNone();
    else if (isChunked && contentLength < 0) this.#body.beginChunked();
    else if (!isChunked && contentLength >= 0) this.#body.beginLength(contentLength);
    else this.isLost = true;
    this.#isInBody = true;
    if (!this.isLost && this.#body.isDone) this.#ended();
  }

  #ended(): void {
    this.#isInBody = false;
    this.#head.reset();
    this.#heads >>>= 1;
    this.underWay--;
    if (this.underWay === 0) this.awaitsUpgrade = false;
  }
}
