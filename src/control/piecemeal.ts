/**
 * Long work on the main thread, done in pieces between which others have their turn: control clients, health, the looks at
 * servers that direct server return lives by. With a thousand servers hardly anything is long; with 65,000 everything is.
 *
 * Where the main thread has to wait for its core, which then carries traffic, it rests between pieces so that the traffic
 * hardly notices: the work takes the longer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { trafficWaitedMs, waitedForCoreMs } from '../sys/turns.js';

/** A kernel may look only every 4 ms at who runs: a piece ends by itself long before. */
const PIECE_MS = 0.1;
/** A thread that waits for less than that part of its time has the core to itself. */
const WAITING = 0.2;
/** What was so will be so for a while; a thread that rests is let in at once and does not notice. */
const CONTENDED_MS = 1000;

/** A share for what can wait, as a reading of /metrics: ten milliseconds of work for a thousand servers, four times a minute. */
export const SMALL_SHARE = 0.05;

/** What the work is paced by; times in milliseconds. */
export interface Pace {
  nowMs(): number;
  /** So far this thread could have run and did not; constant where the system does not tell. */
  waitedMs(): number;
  /** The same of the threads that carry traffic. */
  trafficWaitedMs(): number;
  rest(ms: number): Promise<unknown>;
  /** So long others are known to want the core. */
  contendedUntilMs: number;
}

const systemPace: Pace = {
  nowMs: () => performance.now(),
  waitedMs: waitedForCoreMs,
  trafficWaitedMs,
  rest: (ms) => sleep(ms),
  contendedUntilMs: Number.NEGATIVE_INFINITY,
};

/** All of `things`, in order, taking up to `share` of a core that others want. The world may change between pieces. */
export async function collected<T>(things: Iterable<T>, share = 0.25, pace: Pace = systemPace): Promise<T[]> {
  const all: T[] = [];
  const pieces = new Pieces(share, pace);
  for (const thing of things) {
    all.push(thing);
    if (pieces.isOver) await pieces.rest();
  }
  return all;
}

/** The pieces of one work that is not merely a list of things. */
export class Pieces {
  readonly #share: number;
  readonly #pace: Pace;
  #startMs = 0;
  #waitedMs = 0;
  /** Since it last had to wait: so long it ran, and so long traffic had waited by then. */
  #ranMs = 0;
  #trafficWaitedMs: number;

  constructor(share: number, pace: Pace = systemPace) {
    this.#share = share;
    this.#pace = pace;
    this.#trafficWaitedMs = pace.trafficWaitedMs();
    this.begin();
  }

  /** The next piece begins now; to be said where something else than `rest` was waited for. */
  begin(): void {
    this.#startMs = this.#pace.nowMs();
    this.#waitedMs = this.#pace.waitedMs();
  }

  /** It is time for a rest. */
  get isOver(): boolean {
    return this.#pace.nowMs() - this.#startMs >= PIECE_MS;
  }

  /** Ends a piece; the next begins when this is done. */
  async rest(): Promise<void> {
    const pace = this.#pace;
    const tookMs = pace.nowMs() - this.#startMs;
    const waited = pace.waitedMs() - this.#waitedMs;
    const ran = Math.max(0, tookMs - waited);
    this.#ranMs += ran;
    if (waited >= WAITING * tookMs && this.#keptTrafficWaiting()) pace.contendedUntilMs = pace.nowMs() + CONTENDED_MS;
    await (pace.nowMs() < pace.contendedUntilMs ? pace.rest(ran / this.#share - ran) : pause());
    this.begin();
  }

  /**
   * Whether traffic waited for a good part of what ran here: V8's threads, which compile and collect, want the core as well.
   * The kernel counts a wait when it is over, so that is known when this thread, too, has waited.
   */
  #keptTrafficWaiting(): boolean {
    const [before, now] = [this.#trafficWaitedMs, this.#pace.trafficWaitedMs()];
    const ranMs = this.#ranMs;
    this.#trafficWaitedMs = now;
    this.#ranMs = 0;
    return now - before > WAITING * ranMs;
  }
}

/** One turn of the event loop. */
export function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
