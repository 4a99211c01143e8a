/** What has happened, for people: servers that fail and return, what operators have changed. Bounded; the newest stay. */

export type EventKind = 'pen' | 'server' | 'command';

export interface PenEvent {
  /** Counts up from 1. */
  readonly id: number;
  readonly timeMs: number;
  readonly kind: EventKind;
  /** Whether it is bad news, good news or neither. */
  readonly mood: 'bad' | 'good' | 'plain';
  readonly text: string;
  /** The row of the server it is about. */
  readonly server?: number;
}

const KEPT = 500;
/** A command may be 64 kB long; a screen of the latest events is to stay one. */
const LONGEST_TEXT = 300;

export class EventLog {
  readonly #wallMs: () => number;
  readonly #events: PenEvent[] = [];
  #lastId = 0;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  get lastId(): number {
    return this.#lastId;
  }

  /** Of the text the first line counts, and of that what may go to a terminal. */
  record(event: Omit<PenEvent, 'id' | 'timeMs'>): void {
    this.#lastId += 1;
    this.#events.push({ id: this.#lastId, timeMs: this.#wallMs(), ...event, text: shown(event.text) });
    if (this.#events.length > KEPT) this.#events.shift();
  }

  /** Those after event `id` that are still kept, the oldest first; 0 = all. */
  since(id: number): PenEvent[] {
    const at = this.#events.findIndex((event) => event.id > id);
    return at < 0 ? [] : this.#events.slice(at);
  }
}

/** Control characters, and those that reverse or hide what is written (Unicode's Cf), become dots. */
function shown(text: string): string {
  const [line = ''] = text.trim().split('\n', 1);
  const cut = line.length > LONGEST_TEXT ? `${line.slice(0, LONGEST_TEXT - 4)} ...` : line;
  return cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '.');
}
