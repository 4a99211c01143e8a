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

  record(event: Omit<PenEvent, 'id' | 'timeMs'>): void {
    this.#lastId += 1;
    this.#events.push({ id: this.#lastId, timeMs: this.#wallMs(), ...event });
    if (this.#events.length > KEPT) this.#events.shift();
  }

  /** Those after event `id` that are still kept, the oldest first; 0 = all. */
  since(id: number): PenEvent[] {
    const at = this.#events.findIndex((event) => event.id > id);
    return at < 0 ? [] : this.#events.slice(at);
  }
}
