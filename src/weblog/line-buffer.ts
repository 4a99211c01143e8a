/**
 * Lines on their way out, in one buffer: numbers, addresses and escaped text are written as bytes, because a string for
 * each part of each line would cost more than everything else (0.2 us a line this way, 1.5 us with strings).
 */
import { formatIp } from '../core/address.js';
import { type Escaping, writeEscaped } from './escape.js';

/** Addresses whose text is kept, by a hash of the address. */
const CACHED = 1024;
/** Bytes of one cached text: 45 for the longest IPv6 address, and its length. */
const CACHED_BYTES = 48;
/** Room that a line needs at most: 100 escaped bytes, names in certificates, addresses, numbers, words of ours. */
export const MAX_LINE_BYTES = 8192;

export class LineBuffer {
  readonly bytes: Uint8Array;
  /** Where the next byte goes. */
  at = 0;
  /** Lines in it. */
  lines = 0;
  readonly #addresses = new Int32Array(CACHED * 4);
  readonly #texts = new Uint8Array(CACHED * CACHED_BYTES);

  /** In memory of the caller's. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  clear(): void {
    this.at = 0;
    this.lines = 0;
  }

  /** For so many bytes, or for any line of ours. */
  hasRoom(bytes = MAX_LINE_BYTES): boolean {
    return this.at + bytes <= this.bytes.length;
  }

  /** ASCII of our own. */
  put(text: string): void {
    for (let i = 0; i < text.length; i++) this.bytes[this.at++] = text.charCodeAt(i);
  }

  byte(byte: number): void {
    this.bytes[this.at++] = byte;
  }

  /** A whole number from 0 to 2^53 - 1. */
  number(value: number): void {
    let end = this.at + 1;
    for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) end++;
    let rest = value;
    for (let i = end - 1; i >= this.at; i--) {
      const next = Math.floor(rest / 10);
      this.bytes[i] = 48 + (rest - next * 10);
      rest = next;
    }
    this.at = end;
  }

  escaped(escaping: Escaping, from: Uint8Array, at: number, length: number): void {
    this.at = writeEscaped(escaping, from, at, length, this.bytes, this.at);
  }

  /** The address of four words at `at`. */
  address(words: Int32Array, at: number): void {
    const slot = (Math.imul(words[at] ^ words[at + 1] ^ words[at + 2] ^ words[at + 3], 0x9e3779b1) >>> 22) % CACHED;
    const key = slot * 4;
    const text = slot * CACHED_BYTES;
    const isKnown =
      this.#texts[text] !== 0 &&
      this.#addresses[key] === words[at] &&
      this.#addresses[key + 1] === words[at + 1] &&
      this.#addresses[key + 2] === words[at + 2] &&
      this.#addresses[key + 3] === words[at + 3];
    if (!isKnown) {
      const formatted = formatIp(words.subarray(at, at + 4));
      for (let i = 0; i < 4; i++) this.#addresses[key + i] = words[at + i];
      this.#texts[text] = formatted.length;
      for (let i = 0; i < formatted.length; i++) this.#texts[text + 1 + i] = formatted.charCodeAt(i);
    }
    const length = this.#texts[text];
    for (let i = 1; i <= length; i++) this.bytes[this.at++] = this.#texts[text + i];
  }

  endLine(): void {
    this.bytes[this.at++] = 10;
    this.lines++;
  }
}
