/**
 * Where the body of an HTTP/1 message ends (RFC 9112 6 and 7), a piece at a time. It changes nothing and holds nothing:
 * chunks pass through as they are. Extensions of chunks must follow the grammar, lines must end in CR LF, trailers must
 * not say what belongs into a head.
 *
 * Hot path: numbers and typed arrays; a chunk that is all data costs a subtraction.
 */
import { HeadScanner, KIND } from './head-scanner.js';
import { CR, HEX, hexValue, LF, OCTETS, TOKEN, VALUE } from './octets.js';

// What the next byte is.
const DONE = 0;
const DATA = 1;
const SIZE_START = 2;
const SIZE = 3;
const EXTENSION_START = 4;
const EXTENSION = 5;
const EXTENSION_VALUE_START = 6;
const EXTENSION_VALUE = 7;
const QUOTED = 8;
const ESCAPED = 9;
const QUOTED_END = 10;
const SIZE_LF = 11;
const CHUNK = 12;
const CHUNK_CR = 13;
const CHUNK_LF = 14;
const TRAILERS = 15;
const WRONG = 16;

/** 2^48 is more than anybody sends, and exact. */
const MAX_SIZE_DIGITS = 12;
/** Of a line with a chunk's size. */
const MAX_SIZE_LINE = 256;
const MAX_TRAILERS = 8192;

const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export class Body {
  #state = DONE;
  /** Bytes of data to come, of the body or of the chunk. */
  #remaining = 0;
  #digits = 0;
  #line = 0;
  readonly #trailers = new HeadScanner(KIND.trailers);

  get isDone(): boolean {
    return this.#state === DONE;
  }

  get isWrong(): boolean {
    return this.#state === WRONG;
  }

  beginNone(): void {
    this.#state = DONE;
  }

  beginLength(length: number): void {
    this.#remaining = length;
    this.#state = length > 0 ? DATA : DONE;
  }

  beginChunked(): void {
    this.#state = SIZE_START;
  }

  /** Goes on with `bytes[from..to)` and returns where it stopped: behind the body if `isDone`, else at `to`. */
  advance(bytes: Uint8Array, from: number, to: number): number {
    let i = from;
    while (i < to && this.#state !== DONE && this.#state !== WRONG) {
      if (this.#state === DATA || this.#state === CHUNK) {
        const taken = Math.min(this.#remaining, to - i);
        i += taken;
        this.#remaining -= taken;
        if (this.#remaining === 0) this.#state = this.#state === DATA ? DONE : CHUNK_CR;
      } else if (this.#state === TRAILERS) {
        i = this.#trailers.scan(bytes, i, to);
        if (this.#trailers.isDone) this.#state = DONE;
        else if (this.#trailers.isWrong || this.#trailers.length > MAX_TRAILERS) this.#state = WRONG;
      } else {
        this.#state = this.#next(this.#state, bytes[i]);
        i++;
      }
    }
    return i;
  }

  /** The state after one byte between the data of two chunks. */
  #next(state: number, octet: number): number {
    const bits = OCTETS[octet];
    if (++this.#line > MAX_SIZE_LINE && state !== CHUNK_CR) return WRONG;
    switch (state) {
      case SIZE_START:
        if ((bits & HEX) === 0) return WRONG;
        this.#remaining = hexValue(octet);
        this.#digits = 1;
        this.#line = 1;
        return SIZE;
      case SIZE:
        if ((bits & HEX) === 0) return lineGoesOn(octet, WRONG);
        this.#remaining = this.#remaining * 16 + hexValue(octet);
        return ++this.#digits > MAX_SIZE_DIGITS ? WRONG : SIZE;
      case EXTENSION_START:
        return (bits & TOKEN) !== 0 ? EXTENSION : WRONG;
      case EXTENSION:
        if ((bits & TOKEN) !== 0) return EXTENSION;
        return octet === EQUALS ? EXTENSION_VALUE_START : lineGoesOn(octet, WRONG);
      case EXTENSION_VALUE_START:
        if (octet === QUOTE) return QUOTED;
        return (bits & TOKEN) !== 0 ? EXTENSION_VALUE : WRONG;
      case EXTENSION_VALUE:
        return (bits & TOKEN) !== 0 ? EXTENSION_VALUE : lineGoesOn(octet, WRONG);
      case QUOTED:
        if (octet === QUOTE) return QUOTED_END;
        if (octet === BACKSLASH) return ESCAPED;
        return (bits & VALUE) !== 0 ? QUOTED : WRONG;
      case ESCAPED:
        return (bits & VALUE) !== 0 ? QUOTED : WRONG;
      case QUOTED_END:
        return lineGoesOn(octet, WRONG);
      case SIZE_LF:
        if (octet !== LF) return WRONG;
        if (this.#remaining > 0) return CHUNK;
        this.#trailers.reset();
        return TRAILERS;
      case CHUNK_CR:
        return octet === CR ? CHUNK_LF : WRONG;
      default:
        this.#line = 0;
        return octet === LF ? SIZE_START : WRONG;
    }
  }
}

/** After a size, an extension or its value: another extension, or the end of the line. */
function lineGoesOn(octet: number, otherwise: number): number {
  return octet === SEMICOLON ? EXTENSION_START : octet === CR ? SIZE_LF : otherwise;
}
