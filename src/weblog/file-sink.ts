/**
 * A log file: lines are appended in batches. A disk that is full loses the batch at hand, and the next ones until there is
 * room; a line is never left half, because what a failed write has begun is ended by the next one's first byte. A pipe whose
 * reader is slow makes us wait instead: its reader is told nothing twice.
 */
import { close as closeFile, constants, open as openFile, write as writeFile } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ALL_WRITTEN, causeOf, type Sink, type Written } from './sink.js';

const open = promisify(openFile);
const close = promisify(closeFile);
const write = promisify(writeFile);

/** A batch is what comes in so long: a line is in the file soon enough for `tail -f`. */
const DELAY_MS = 20;
/** How long to wait for a pipe with no room. */
const PIPE_MS = 20;

const { O_APPEND, O_CREAT, O_NONBLOCK, O_WRONLY } = constants;
const NEWLINE = Buffer.from('\n');

export class FileSink implements Sink {
  readonly name: string;
  readonly delayMs: number;
  readonly isPenlogd = false;
  readonly #path: string;
  #descriptor: number;
  /** The file ends within a line. */
  #isTorn = false;
  #isClosing = false;
  /** The batch at hand; never rejects. */
  #atHand: Promise<unknown> = Promise.resolve();

  /** Throws what open(2) says. A pipe without a reader is ENXIO rather than a wait. */
  static async open(path: string, options: { readonly delayMs?: number } = {}): Promise<FileSink> {
    return new FileSink(path, await openToAppend(path), options.delayMs ?? DELAY_MS);
  }

  /** Standard output, and whatever else is open already; it cannot be opened anew. */
  static on(descriptor: number, name: string): FileSink {
    return new FileSink('', descriptor, DELAY_MS, name);
  }

  private constructor(path: string, descriptor: number, delayMs: number, name = `log file '${path}'`) {
    this.name = name;
    this.delayMs = delayMs;
    this.#path = path;
    this.#descriptor = descriptor;
  }

  write(bytes: Uint8Array, length: number, lines: number): Promise<Written> {
    const written = this.#write(bytes, length, lines);
    this.#atHand = written;
    return written;
  }

  async #write(bytes: Uint8Array, length: number, lines: number): Promise<Written> {
    if (this.#isClosing) return { lost: lines, cause: 'closed' };
    let done = 0;
    try {
      if (this.#isTorn) {
        await write(this.#descriptor, NEWLINE, 0, 1, null);
        this.#isTorn = false;
      }
      while (done < length) done += await this.#writeSome(bytes, done, length);
      return ALL_WRITTEN;
    } catch (error) {
      const whole = countLines(bytes, done);
      if (done > 0) this.#isTorn = bytes[done - 1] !== NEWLINE[0];
      return { lost: lines - whole, cause: causeOf(error) };
    }
  }

  async reopen(): Promise<void> {
    if (this.#path === '') return;
    const before = this.#descriptor;
    this.#descriptor = await openToAppend(this.#path);
    this.#isTorn = false;
    await close(before);
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    // Its number may be another file's as soon as it is closed.
    await this.#atHand;
    if (this.#path !== '') await close(this.#descriptor);
  }

  async #writeSome(bytes: Uint8Array, from: number, to: number): Promise<number> {
    for (;;) {
      try {
        return (await write(this.#descriptor, bytes, from, to - from, null)).bytesWritten;
      } catch (error) {
        if (causeOf(error) !== 'EAGAIN' || this.#isClosing) throw error;
        await sleep(PIPE_MS);
      }
    }
  }
}

function openToAppend(path: string): Promise<number> {
  return open(path, O_WRONLY | O_APPEND | O_CREAT | (O_NONBLOCK ?? 0), 0o644);
}

function countLines(bytes: Uint8Array, length: number): number {
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0 && at < length; at = bytes.indexOf(10, at + 1)) lines++;
  return lines;
}
