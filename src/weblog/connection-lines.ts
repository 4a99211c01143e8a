/**
 * The log as the main thread keeps it: takes records from the workers' rings, makes lines of them and has them written.
 * While nothing comes it sleeps; under load it looks once a batch, so that workers need not wake it. When the place that
 * lines go to is slow the rings fill up, and what finds no room there is counted, never waited for.
 */
import type { LogFormat } from '../core/configuration.js';
import { errnoName } from '../sys/errno.js';
import { LineWriter } from './line-writer.js';
import { linesOf, type WriteLine } from './log-format.js';
import { LogRing, type LogRingMemory } from './log-ring.js';
import type { Sink } from './sink.js';
import { Wake } from './wake.js';

/** Records that are made lines of before other work of the main thread has its turn. */
const TURN = 2000;
/** How soon to look again while the sink is being changed. */
const CHANGING_MS = 5;
/** How often to look for losses while a batch is being written. */
const LOSSES_MS = 1_000;
/** Closing takes no longer than this, whatever hangs. */
const PATIENCE_MS = 2_000;

export interface ConnectionLinesOptions {
  /** The rings of all workers; they share one wake cell. */
  readonly rings: readonly LogRingMemory[];
  readonly format: LogFormat;
  /** The path of the server in a slot that has a Unix socket. */
  serverPath(slot: number): string;
  monotonicMs(): number;
  wallMs(): number;
  warn(line: string, isOver?: boolean): void;
}

export class ConnectionLines {
  readonly #options: ConnectionLinesOptions;
  readonly #rings: readonly LogRing[];
  readonly #wake: Wake;
  readonly #writer: LineWriter;
  #writeLine: WriteLine;
  #ringLosses = 0;
  #isClosing = false;
  /** The rings wait: their records are for the next sink. */
  #isChanging = false;
  /** Grows when the one that looks waits for what will not come. */
  #round = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Begins at once. The sink is its own from now on. */
  constructor(sink: Sink, options: ConnectionLinesOptions) {
    this.#options = options;
    this.#rings = options.rings.map((memory) => new LogRing(memory));
    this.#wake = new Wake(options.rings[0].wake);
    this.#writer = new LineWriter(sink, options);
    this.#writeLine = linesOf(options.format, sink.isPenlogd);
    this.#ringLosses = this.#lostInRings();
    this.#sleep();
  }

  /** Lines that found no room or could not be written. */
  get lost(): number {
    return this.#writer.lost;
  }

  /** Further lines look like that. */
  setFormat(format: LogFormat): void {
    this.#gather(Number.MAX_SAFE_INTEGER);
    this.#writeLine = linesOf(format, this.#writer.sink.isPenlogd);
  }

  /** Further lines go there; the sink until now is closed when its last line is written. */
  async change(sink: Sink, format: LogFormat): Promise<void> {
    this.#gather(Number.MAX_SAFE_INTEGER);
    this.#isChanging = true;
    const isDrained = await this.#writer.change(sink);
    this.#writeLine = linesOf(format, sink.isPenlogd);
    this.#isChanging = false;
    if (!isDrained) {
      this.#round++;
      this.#lookLater(0);
    }
  }

  /** For a log that has been renamed. Never rejects. */
  reopen(): Promise<void> {
    return this.#writer.reopen();
  }

  /** Writes what the workers have told so far, and ends. */
  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#timer);
    this.#wake.wake();
    const isLate = new Promise<true>((resolve) => setTimeout(resolve, PATIENCE_MS, true).unref());
    if (await Promise.race([this.#writeRest(), isLate])) {
      this.#round++;
      this.#writer.giveUp();
      void this.#writer.close();
    }
  }

  async #writeRest(): Promise<false> {
    const round = this.#round;
    while (round === this.#round && (this.#gather(TURN) > 0 || this.#writer.isWriting)) await this.#writer.flush();
    if (round === this.#round) await this.#writer.close();
    return false;
  }

  #sleep(): void {
    const woken = this.#wake.sleep();
    // What came between the last look and falling asleep has woken nobody.
    if (this.#rings.some((ring) => ring.peek() >= 0)) this.#wake.wake();
    void woken.then(() => {
      const { delayMs } = this.#writer.sink;
      // At once where it is wanted at once: in a millisecond, the least of a timer, a web server has answered and logged.
      if (delayMs === 0) void this.#look();
      else this.#lookLater(delayMs);
    });
  }

  #lookLater(delayMs: number): void {
    if (this.#isClosing) return;
    if (delayMs === 0) {
      // After other work has had its turn. (Not unreferenced: that may wait for whatever else happens.)
      setImmediate(() => void this.#look());
      return;
    }
    this.#timer = setTimeout(() => void this.#look(), delayMs);
    // A log keeps no process alive.
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    if (this.#isClosing) return;
    if (this.#isChanging) {
      this.#lookLater(CHANGING_MS);
      return;
    }
    const gathered = this.#gather(TURN);
    if (gathered === 0) {
      this.#sleep();
      return;
    }
    const round = this.#round;
    await this.#flush();
    if (round !== this.#round) return;
    this.#lookLater(gathered < TURN ? this.#writer.sink.delayMs : 0);
  }

  /** Makes lines of up to `limit` records, as many as there is room for; gives how many. */
  #gather(limit: number): number {
    const line = this.#writer.buffer;
    const { monotonicMs, wallMs, serverPath } = this.#options;
    const surroundings = { wallShiftMs: wallMs() - monotonicMs(), serverPath };
    let gathered = 0;
    for (const ring of this.#rings) {
      for (let at = ring.peek(); at >= 0 && gathered < limit && line.hasRoom(); at = ring.peek()) {
        this.#writeLine(line, ring, at, surroundings);
        ring.next();
        gathered++;
      }
      ring.commit();
    }
    this.#heedLosses();
    return gathered;
  }

  /** A batch may be stuck while the rings run over: that is to be told by then, not when it has ended. */
  async #flush(): Promise<void> {
    const watch = setInterval(() => this.#heedLosses(), LOSSES_MS).unref();
    await this.#writer.flush();
    clearInterval(watch);
  }

  #heedLosses(): void {
    const lost = this.#lostInRings();
    if (lost !== this.#ringLosses) {
      const errno = this.#rings.map((ring) => ring.cause).find((cause) => cause !== 0);
      const cause = errno === undefined ? 'they come faster than they can be written' : errnoName(errno);
      this.#writer.addLost((lost - this.#ringLosses) >>> 0, cause);
      this.#ringLosses = lost;
    }
  }

  #lostInRings(): number {
    return this.#rings.reduce((sum, ring) => (sum + ring.lost) >>> 0, 0);
  }
}
