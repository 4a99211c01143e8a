/**
 * Text whose numbers change and nothing else: lines of a name, labels and a number. It is kept from one reading to the next,
 * with where each number stands, and the next reading writes only those that are others than before. With 50,000 lines that
 * is a fifth of the time that putting them together takes, and it leaves next to nothing to be collected: the collector is
 * what keeps traffic waiting longest, as it has threads of its own that pace themselves by nothing.
 *
 *   bytes    pen_server_weight{server="0",address="192.0.2.1:80"} 17\npen_server_weight{server="1", ...
 *                                                                 ^ starts[0], lengths[0] = 2
 *
 * What has been given out is never written to again, as it may still be on its way to somebody slow.
 *
 * Hot: no objects, no closures.
 */

const ZERO = 48;
/** Powers of ten that are below 2^53. */
const POWERS = Float64Array.from({ length: 16 }, (_, exponent) => 10 ** exponent);

/** Puts a piece together. Text is Latin-1: bytes of something else come as characters below 256. */
export class TextDraft {
  #text = '';
  readonly #starts: number[] = [];
  readonly #sources: number[] = [];
  readonly #written: number[] = [];

  get length(): number {
    return this.#text.length;
  }

  add(text: string): void {
    this.#text += text;
  }

  /** The number at place `source` of `values`. */
  addNumber(values: Float64Array, source: number): void {
    const value = values[source] as number;
    this.#starts.push(this.#text.length);
    this.#sources.push(source);
    this.#written.push(value);
    this.#text += value;
  }

  done(): KeptText {
    return new KeptText(this.#text, this.#starts, this.#sources, this.#written);
  }
}

export class KeptText {
  #bytes: Buffer;
  /** Of each number: where it stands, how long it is, where among the values it comes from, and which one stands there. */
  readonly #starts: Uint32Array;
  readonly #lengths: Uint8Array;
  readonly #sources: Uint32Array;
  readonly #written: Float64Array;

  constructor(text: string, starts: readonly number[], sources: readonly number[], written: readonly number[]) {
    this.#bytes = Buffer.from(text, 'latin1');
    this.#starts = Uint32Array.from(starts);
    this.#sources = Uint32Array.from(sources);
    this.#written = Float64Array.from(written);
    this.#lengths = Uint8Array.from(written, lengthOf);
  }

  get bytes(): Buffer {
    return this.#bytes;
  }

  /** The bytes with these values: the same as before if no number is another, else others. */
  update(values: Float64Array): Buffer {
    let changed = 0;
    let growth = 0;
    let isMoving = false;
    for (let i = 0; i < this.#sources.length; i++) {
      const value = values[this.#sources[i] as number] as number;
      if (value === this.#written[i]) continue;
      changed++;
      const grown = lengthOf(value) - (this.#lengths[i] as number);
      growth += grown;
      isMoving ||= grown !== 0;
    }
    if (changed === 0) return this.#bytes;
    const from = this.#bytes;
    this.#bytes = Buffer.allocUnsafeSlow(from.length + growth);
    if (isMoving) this.#rewrite(from, values);
    else this.#overwrite(from, values);
    return this.#bytes;
  }

  /** Each number is as long as before, so everything stays where it is. */
  #overwrite(from: Buffer, values: Float64Array): void {
    this.#bytes.set(from);
    for (let i = 0; i < this.#sources.length; i++) {
      const value = values[this.#sources[i] as number] as number;
      if (value === this.#written[i]) continue;
      this.#written[i] = value;
      write(this.#bytes, this.#starts[i] as number, this.#lengths[i] as number, value);
    }
  }

  #rewrite(from: Buffer, values: Float64Array): void {
    const to = this.#bytes;
    /** Up to there the old bytes are copied, and so much further on the rest of them goes. */
    let copied = 0;
    let shift = 0;
    for (let i = 0; i < this.#sources.length; i++) {
      const value = values[this.#sources[i] as number] as number;
      const start = this.#starts[i] as number;
      this.#starts[i] = start + shift;
      if (value === this.#written[i]) continue;
      to.set(from.subarray(copied, start), copied + shift);
      copied = start + (this.#lengths[i] as number);
      const length = lengthOf(value);
      write(to, start + shift, length, value);
      shift += start + length - copied;
      this.#written[i] = value;
      this.#lengths[i] = length;
    }
    to.set(from.subarray(copied), copied + shift);
  }
}

/** Of the number as text. */
function lengthOf(value: number): number {
  if (!isPlain(value)) return String(value).length;
  let length = 1;
  while (length < POWERS.length && value >= (POWERS[length] as number)) length++;
  return length;
}

/** Sums are fractions; all others are whole. */
function isPlain(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function write(bytes: Buffer, start: number, length: number, value: number): void {
  if (!isPlain(value)) {
    bytes.write(String(value), start, 'latin1');
    return;
  }
  let rest = value;
  for (let at = start + length - 1; at >= start; at--) {
    const tens = Math.floor(rest / 10);
    bytes[at] = ZERO + (rest - tens * 10);
    rest = tens;
  }
}
