/**
 * What penlogd does with the lines that come: those of pen are remembered, those of web servers get the address of the client
 * that pen has named. A web server's line that comes first waits a moment for pen's: pen hands its lines to another thread
 * before they leave, so a quick server may be quicker.
 */
import { MAX_LINE_CHARACTERS, type PenLine, parsePenDatagram, parseWebLine, shown } from './log-line.js';
import { RequestTable } from './request-table.js';

/** How long a line waits for pen's. */
export const HOLD_MS = 1000;

export interface LogMergerOptions {
  /** Requests to remember, and lines that may wait. */
  readonly capacity: number;
  monotonicMs(): number;
  /** A line without its end, printable ASCII only. */
  write(line: string): void;
  /** Something that is no line of a log, or has no client. */
  debug(text: string): void;
}

interface Held {
  readonly key: string;
  readonly line: string;
  readonly rest: string;
  readonly deadlineMs: number;
  isOut: boolean;
}

export class LogMerger {
  readonly #options: LogMergerOptions;
  readonly #requests: RequestTable;
  /** Lines that wait, the oldest first; those that are out stay until their turn comes. */
  readonly #held = new Queue<Held>();
  readonly #heldByKey = new Map<string, Queue<Held>>();

  constructor(options: LogMergerOptions) {
    this.#options = options;
    this.#requests = new RequestTable(options.capacity);
  }

  /** A datagram from `sender`, an address: one line or several. */
  take(text: string, sender: string): void {
    for (const line of text.replace(/\n$/, '').split('\n')) {
      if (line.startsWith('+')) this.#takePenLine(line);
      else this.#takeWebLine(line, sender);
    }
  }

  /** Lets go the lines that have waited long enough. */
  expire(nowMs: number): void {
    for (let held = this.#held.first; held !== undefined; held = this.#held.first) {
      if (!held.isOut && held.deadlineMs > nowMs) return;
      this.#held.shift();
      if (!held.isOut) this.#giveUp(held);
    }
  }

  /** When `expire` has something to do, Infinity if nothing waits. */
  get deadlineMs(): number {
    return this.#held.first?.deadlineMs ?? Number.POSITIVE_INFINITY;
  }

  /** Lets all of them go. */
  flush(): void {
    this.expire(Number.POSITIVE_INFINITY);
  }

  #takePenLine(line: string): void {
    const parsed = parsePenDatagram(line);
    if (parsed === undefined) {
      this.#options.debug(`not a line of pen: ${shown(line)}`);
      return;
    }
    const key = keyOf(parsed);
    this.#requests.add(key, parsed.client);
    const waiting = this.#heldByKey.get(key);
    const held = waiting?.shift();
    if (held === undefined) return;
    if (waiting?.first === undefined) this.#heldByKey.delete(key);
    held.isOut = true;
    this.#write(held, this.#requests.take(key));
  }

  #takeWebLine(line: string, sender: string): void {
    const parsed = parseWebLine(line);
    if (parsed === undefined) {
      this.#options.debug(`not a web server's line: ${shown(line.slice(0, MAX_LINE_CHARACTERS))}`);
      return;
    }
    const key = keyOf({ server: sender, request: parsed.request });
    const client = this.#requests.take(key);
    if (client !== undefined) {
      this.#write({ line, rest: parsed.rest }, client);
      return;
    }
    const { capacity, monotonicMs } = this.#options;
    if (this.#held.length >= capacity) {
      const oldest = this.#held.shift();
      if (oldest !== undefined && !oldest.isOut) this.#giveUp(oldest);
    }
    const held = { key, line, rest: parsed.rest, deadlineMs: monotonicMs() + HOLD_MS, isOut: false };
    this.#held.push(held);
    let waiting = this.#heldByKey.get(key);
    if (waiting === undefined) {
      waiting = new Queue();
      this.#heldByKey.set(key, waiting);
    }
    waiting.push(held);
  }

  /** Pen has not named a client: the last one that asked for the same, or the line as it is. */
  #giveUp(held: Held): void {
    // The oldest line is the oldest of its key.
    const waiting = this.#heldByKey.get(held.key);
    waiting?.shift();
    if (waiting?.first === undefined) this.#heldByKey.delete(held.key);
    held.isOut = true;
    const client = this.#requests.taken(held.key);
    if (client === undefined) this.#options.debug(`no client for: ${shown(held.line.slice(0, MAX_LINE_CHARACTERS))}`);
    this.#write(held, client);
  }

  #write({ line, rest }: { readonly line: string; readonly rest: string }, client: string | undefined): void {
    this.#options.write(shown(client === undefined ? line.slice(0, MAX_LINE_CHARACTERS) : client + rest));
  }
}

function keyOf({ server, request }: Pick<PenLine, 'server' | 'request'>): string {
  return `${server} ${request}`;
}

/** First in, first out, in constant time. */
class Queue<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    // Moved once for as many as were taken, so a shift stays cheap.
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
