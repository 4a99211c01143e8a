/**
 * Reads the head of an HTTP/1 message (RFC 9112) a piece at a time: tells where it ends, how its body is framed and
 * which of the fields that matter here it has. It holds no bytes and looks at each once.
 *
 * What two programs could read differently is an error, because a message must not end elsewhere for the server than
 * for us: lines that do not end in CR LF, folded lines, blanks before a colon, two lengths, a length beside a
 * transfer coding, codings other than `chunked`, two hosts, a second answer to where the request goes.
 *
 * Hot path: numbers and typed arrays.
 */
import { latin1, octetsOf } from '../text.js';
import { FIELD, FIELD_OF_NODE, NAME_START, NAMES } from './field-names.js';
import { COLON, CR, HTAB, LF, OCTETS, SP, TARGET, TOKEN, VALUE } from './octets.js';
import { isSoundTarget, namesForwarded } from './target.js';

export const KIND = { request: 0, response: 1, trailers: 2 } as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

// Where in the head the next byte stands.
const BEGINNING = 0;
const EMPTY_LINE = 1;
const METHOD = 2;
const TARGET_START = 3;
const IN_TARGET = 4;
const PROTOCOL = 5;
const MINOR = 6;
const REQUEST_LINE_END = 7;
const STATUS = 8;
const REASON_START = 9;
const REASON = 10;
const START_LINE_LF = 11;
const LINE = 12;
const NAME = 13;
const VALUE_START = 14;
const IN_VALUE = 15;
const LENGTH_START = 16;
const LENGTH = 17;
const LENGTH_END = 18;
const CODING_START = 19;
const CODING = 20;
const CODING_END = 21;
const VALUE_LF = 22;
const LAST_LF = 23;
const DONE = 24;
const WRONG = 25;

const PROTOCOL_TEXT = octetsOf('HTTP/1.');
const CHUNKED_TEXT = octetsOf('chunked');

/** Methods as numbers in base 128, exact up to seven letters; longer ones are another number. */
const METHOD_LETTERS = 7;
const HEAD_METHOD = methodNumber('HEAD');
const CONNECT_METHOD = methodNumber('CONNECT');

export class HeadScanner {
  readonly #kind: Kind;
  #state = BEGINNING;
  /** Bytes scanned since `reset`. */
  length = 0;
  /** Bytes of empty lines before the start line, which are no part of it (RFC 9112 2.2). */
  skipped = 0;
  /** 0 or 1, of HTTP/1.x. */
  minor = 0;
  /** Of a response. */
  status = 0;
  /** -1 if the head says none. */
  contentLength = -1;
  isChunked = false;
  /** The FIELD bits of what it has. */
  fields = 0;
  /** Where the target of a request and the value of its Host field stand, from its first byte on. */
  targetStart = 0;
  targetEnd = 0;
  hostStart = 0;
  hostEnd = 0;
  #method = 0;
  #methodLength = 0;
  /** Index into the text that is being compared. */
  #matched = 0;
  #node = 0;
  #field = 0;
  #valueStart = 0;
  #statusDigits = 0;

  constructor(kind: Kind) {
    this.#kind = kind;
    this.reset();
  }

  get isDone(): boolean {
    return this.#state === DONE;
  }

  get isWrong(): boolean {
    return this.#state === WRONG;
  }

  /** Some byte of a start line or field has come, and the head has not ended. */
  get hasBegun(): boolean {
    return this.length > this.skipped && this.#state !== DONE;
  }

  get isHead(): boolean {
    return this.#method === HEAD_METHOD;
  }

  get isConnect(): boolean {
    return this.#method === CONNECT_METHOD;
  }

  reset(): void {
    this.#state = this.#kind === KIND.trailers ? LINE : this.#kind === KIND.response ? PROTOCOL : BEGINNING;
    this.length = 0;
    this.skipped = 0;
    this.minor = 0;
    this.status = 0;
    this.contentLength = -1;
    this.isChunked = false;
    this.fields = 0;
    this.targetStart = 0;
    this.targetEnd = 0;
    this.hostStart = 0;
    this.hostEnd = 0;
    this.#method = 0;
    this.#methodLength = 0;
    this.#matched = 0;
    this.#statusDigits = 0;
  }

  /**
   * Goes on with `bytes[from..to)` and returns where it stopped: behind the head if `isDone`, at `to` if more must
   * come; the position says nothing if `isWrong`. The earlier bytes of a request must stand right before `from`.
   */
  scan(bytes: Uint8Array, from: number, to: number): number {
    // Positions in `bytes` minus this are positions in the head.
    const base = from - this.length;
    let state = this.#state;
    let i = from;
    while (i < to && state < DONE) {
      const octet = bytes[i];
      switch (state) {
        case BEGINNING:
          if (octet === CR) state = EMPTY_LINE;
          else {
            state = METHOD;
            continue;
          }
          break;
        case EMPTY_LINE:
          state = octet === LF ? BEGINNING : WRONG;
          this.skipped = i + 1 - base;
          break;
        case METHOD:
          if ((OCTETS[octet] & TOKEN) !== 0) {
            this.#method = this.#methodLength < METHOD_LETTERS ? this.#method * 128 + octet : 0;
            this.#methodLength++;
          } else state = octet === SP && this.#methodLength > 0 ? TARGET_START : WRONG;
          break;
        case TARGET_START:
          this.targetStart = i - base;
          state = (OCTETS[octet] & TARGET) !== 0 ? IN_TARGET : WRONG;
          break;
        case IN_TARGET:
          while (i < to && (OCTETS[bytes[i]] & TARGET) !== 0) i++;
          if (i === to) continue;
          this.targetEnd = i - base;
          state = bytes[i] === SP ? PROTOCOL : WRONG;
          break;
        case PROTOCOL:
          if (octet !== PROTOCOL_TEXT[this.#matched++]) state = WRONG;
          else if (this.#matched === PROTOCOL_TEXT.length) state = MINOR;
          break;
        case MINOR:
          this.minor = octet - 0x30;
          state = this.minor !== 0 && this.minor !== 1 ? WRONG : REQUEST_LINE_END;
          break;
        case REQUEST_LINE_END:
          if (this.#kind === KIND.response) state = octet === SP ? STATUS : WRONG;
          else state = octet === CR ? START_LINE_LF : WRONG;
          break;
        case STATUS:
          if (octet < 0x30 || octet > 0x39) state = WRONG;
          else {
            this.status = this.status * 10 + octet - 0x30;
            this.#statusDigits++;
            if (this.#statusDigits === 3) state = this.status < 100 ? WRONG : REASON_START;
          }
          break;
        case REASON_START:
          state = octet === SP ? REASON : octet === CR ? START_LINE_LF : WRONG;
          break;
        case REASON:
          while (i < to && (OCTETS[bytes[i]] & VALUE) !== 0) i++;
          if (i === to) continue;
          state = bytes[i] === CR ? START_LINE_LF : WRONG;
          break;
        case START_LINE_LF:
          state = octet === LF ? LINE : WRONG;
          break;
        case LINE:
          if (octet === CR) state = LAST_LF;
          else {
            this.#node = NAME_START;
            state = NAME;
            continue;
          }
          break;
        case NAME: {
          let node = this.#node;
          let next = octet;
          while (next !== COLON) {
            node = next < 128 ? NAMES[(node << 7) | next] : 0;
            if (node === 0 || ++i === to) break;
            next = bytes[i];
          }
          this.#node = node;
          if (node === 0) {
            state = WRONG;
            break;
          }
          if (i === to) continue;
          state = node === NAME_START ? WRONG : this.#nameEnded(FIELD_OF_NODE[node]);
          break;
        }
        case VALUE_START:
          this.#valueStart = i - base;
          if (octet === SP || octet === HTAB) break;
          state = IN_VALUE;
          continue;
        case IN_VALUE:
          while (i < to && (OCTETS[bytes[i]] & VALUE) !== 0) i++;
          if (i === to) continue;
          state = bytes[i] === CR ? VALUE_LF : WRONG;
          if (this.#field !== 0 && state === VALUE_LF) state = this.#valueEnded(bytes, base, i);
          break;
        case LENGTH_START:
          if (octet === SP || octet === HTAB) break;
          if (octet < 0x30 || octet > 0x39) state = WRONG;
          else {
            this.contentLength = octet - 0x30;
            state = LENGTH;
          }
          break;
        case LENGTH:
          if (octet >= 0x30 && octet <= 0x39) {
            this.contentLength = this.contentLength * 10 + octet - 0x30;
            if (this.contentLength > Number.MAX_SAFE_INTEGER) state = WRONG;
          } else state = ended(octet, LENGTH_END);
          break;
        case LENGTH_END:
          state = ended(octet, LENGTH_END);
          break;
        case CODING_START:
          if (octet === SP || octet === HTAB) break;
          this.#matched = 0;
          state = CODING;
          continue;
        case CODING:
          if ((octet | 0x20) !== CHUNKED_TEXT[this.#matched++]) state = WRONG;
          else if (this.#matched === CHUNKED_TEXT.length) state = CODING_END;
          break;
        case CODING_END:
          this.isChunked = true;
          state = ended(octet, CODING_END);
          break;
        case VALUE_LF:
          state = octet === LF ? LINE : WRONG;
          break;
        default:
          state = octet === LF && this.#isSound(bytes, base) ? DONE : WRONG;
      }
      i++;
    }
    this.#state = state;
    this.length += i - from;
    return i;
  }

  #nameEnded(field: number): number {
    this.#field = field;
    if (field === 0) return VALUE_START;
    // In a trailer they would come too late for us and perhaps not for the server.
    if (this.#kind === KIND.trailers) return WRONG;
    const isSecond = (this.fields & field) !== 0;
    this.fields |= field;
    if (field === FIELD.contentLength) return isSecond ? WRONG : LENGTH_START;
    if (field === FIELD.transferEncoding) return isSecond ? WRONG : CODING_START;
    return field === FIELD.host && isSecond ? WRONG : VALUE_START;
  }

  #valueEnded(bytes: Uint8Array, base: number, end: number): number {
    if (this.#kind !== KIND.request) return VALUE_LF;
    if (this.#field === FIELD.host) {
      this.hostStart = this.#valueStart;
      this.hostEnd = end - base;
      while (this.hostEnd > this.hostStart && bytes[base + this.hostEnd - 1] <= SP) this.hostEnd--;
    }
    const isConnection = this.#field === FIELD.connection;
    // A server would take what is named there for meant for us, and drop what we say about the client.
    return isConnection && namesForwarded(bytes, base + this.#valueStart, end) ? WRONG : VALUE_LF;
  }

  /** The fields agree with each other. */
  #isSound(bytes: Uint8Array, base: number): boolean {
    if (this.#kind !== KIND.request) return true;
    const hasLength = this.contentLength >= 0;
    // RFC 9112 6.1: HTTP/1.0 knows no codings; both a length and a coding is an attack.
    if (this.isChunked && (hasLength || this.minor === 0)) return false;
    if (this.isConnect && (this.isChunked || hasLength)) return false;
    if (bytes[base + this.targetStart] === 0x2f && !this.isConnect) return true;
    return isSoundTarget(
      latin1(bytes, base + this.targetStart, base + this.targetEnd),
      (this.fields & FIELD.host) === 0 ? undefined : latin1(bytes, base + this.hostStart, base + this.hostEnd),
      this.isConnect,
    );
  }
}

/** After a value that must not go on: blanks, then the end of the line. Some (llhttp) take a tab for a part of it. */
function ended(octet: number, state: number): number {
  if (octet === CR) return VALUE_LF;
  return octet === SP ? state : WRONG;
}

function methodNumber(method: string): number {
  return [...method].reduce((number, letter) => number * 128 + letter.charCodeAt(0), 0);
}
