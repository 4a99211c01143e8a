/**
 * Batches of lines on their way to a sink: while one is being written the next is filled. When both are full the caller
 * is told so and keeps its lines. Losses are counted, told once when they begin and once when they have ended.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LineBuffer } from './line-buffer.js';
import type { Sink, Written } from './sink.js';

const BATCH_BYTES = 1 << 18;
/** A loss has ended when nothing was lost for so long: a gone penlogd refuses every other datagram. */
const CALM_MS = 10_000;
/** How long a change waits for a batch: a reader may have stopped reading for good, and people wait for an answer. */
const PATIENCE_MS = 1_000;

export interface LineWriterOptions {
  /** Told in one line when lines begin to be lost and, with `isOver`, when that has ended. */
  warn(line: string, isOver?: boolean): void;
  monotonicMs(): number;
}

export class LineWriter {
  /** Lines that are gone, since the start. */
  lost = 0;
  readonly #options: LineWriterOptions;
  #sink: Sink;
  #filling = new LineBuffer(Buffer.allocUnsafe(BATCH_BYTES));
  #writing = new LineBuffer(Buffer.allocUnsafe(BATCH_BYTES));
  #isWriting = false;
  /** Grows when a batch is given up: what becomes of it is nobody's business any more. */
  #era = 0;
  /** Ends of batches; never rejects. */
  #last: Promise<void> = Promise.resolve();
  /** `lost` when the present loss began; undefined while none is lost. */
  #lostBefore: number | undefined;
  #lastLossMs = 0;

  constructor(sink: Sink, options: LineWriterOptions) {
    this.#sink = sink;
    this.#options = options;
  }

  get sink(): Sink {
    return this.#sink;
  }

  /** Where the next lines are to be put, as long as it `hasRoom`. */
  get buffer(): LineBuffer {
    return this.#filling;
  }

  get isWriting(): boolean {
    return this.#isWriting;
  }

  /** Begins to write what has been filled; resolves when that has ended. Not while `isWriting`. */
  flush(): Promise<void> {
    const batch = this.#filling;
    if (this.#isWriting || batch.lines === 0) return this.#last;
    this.#filling = this.#writing;
    this.#writing = batch;
    this.#isWriting = true;
    const era = this.#era;
    this.#last = this.#last.then(async () => {
      const written = await this.#sink.write(batch.bytes, batch.at, batch.lines);
      if (era !== this.#era) return;
      this.#account(written);
      batch.clear();
      this.#isWriting = false;
    });
    return this.#last;
  }

  /** Lines that were lost before they came here. */
  addLost(lines: number, cause: string): void {
    this.#account({ lost: lines, cause });
  }

  /**
   * Opens the sink anew after the batch under way: each line is in the old place or in the new one. Resolves when that is
   * done, or after a second: it is done then as soon as the batch has ended. Never rejects.
   */
  async reopen(): Promise<void> {
    const era = this.#era;
    this.#last = this.#last.then(async () => {
      if (era !== this.#era) return;
      try {
        await this.#sink.reopen();
      } catch (error) {
        this.#options.warn(`${this.#sink.name} goes on where it was: ${(error as Error).message}`);
      }
    });
    if (!(await isSoon(this.#last)))
      this.#options.warn(`${this.#sink.name} is not opened anew yet: its reader is slow`);
  }

  /**
   * Further lines go to `sink`; those before it go where they were to go, as far as that takes no more than a second. False
   * if it took longer: who waits for `flush` then may wait for ever.
   */
  async change(sink: Sink): Promise<boolean> {
    const isDrained = await isSoon(this.#drain());
    if (!isDrained) this.giveUp();
    const before = this.#sink;
    this.#sink = sink;
    this.#lostBefore = undefined;
    await isSoon(before.close().catch(() => {}));
    return isDrained;
  }

  /** The batches that are not yet written are lost. */
  giveUp(): void {
    this.#era++;
    this.#account({ lost: this.#writing.lines + this.#filling.lines, cause: 'its reader is slow' });
    this.#filling = new LineBuffer(Buffer.allocUnsafe(BATCH_BYTES));
    this.#writing = new LineBuffer(Buffer.allocUnsafe(BATCH_BYTES));
    this.#isWriting = false;
    this.#last = Promise.resolve();
  }

  /** Writes what is left, and closes the sink. */
  async close(): Promise<void> {
    await this.#drain();
    await this.#sink.close().catch(() => {});
  }

  async #drain(): Promise<void> {
    await this.#last;
    await this.flush();
  }

  #account({ lost, cause }: Written): void {
    const now = this.#options.monotonicMs();
    // Also before the next loss is told: where nothing is written through us, that is when we hear of it.
    if (this.#lostBefore !== undefined && now - this.#lastLossMs >= CALM_MS) {
      this.#options.warn(`${this.#sink.name} works again, ${this.lost - this.#lostBefore} lines were lost`, true);
      this.#lostBefore = undefined;
    }
    if (lost === 0) return;
    if (this.#lostBefore === undefined) {
      this.#lostBefore = this.lost;
      this.#options.warn(`lines for ${this.#sink.name} are being lost: ${cause}`);
    }
    this.lost += lost;
    this.#lastLossMs = now;
  }
}

/** True if it ends within the patience that there is. */
async function isSoon(ending: Promise<unknown>): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(PATIENCE_MS, false, { ref: false, signal: timer.signal }).catch(() => false);
  const isInTime = await Promise.race([ending.then(() => true), late]);
  timer.abort();
  return isInTime;
}
