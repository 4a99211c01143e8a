/**
 * Whose turn it is to be asked whether it is there, and who is given up: the same for servers on the link (neighbours.ts) and
 * behind tunnels (tunnels.ts), which differ in what is asked and in what counts as an answer.
 */

export interface Probed {
  isAlive: boolean;
  /** When it is asked next, and how often it has been since its last answer. */
  nextMs: number;
  asked: number;
}

/** Time between questions, and how many a server may leave unanswered: one that dies is noticed within 1.2 s. */
const PROBE_INTERVAL_MS = 300;
const PROBES_UNANSWERED = 3;
/** Questions a second to all servers together: more of them are asked less often each. */
const PROBES_PER_SECOND = 2000;
/** In one turn, so that answers find room in the socket: thousands at the start are asked in several. */
const PROBES_PER_TURN = 250;

export interface Prober<Entry> {
  /** Asks, and counts that in `asked`. */
  ask(entry: Entry): void;
  /** It has left too many questions unanswered. */
  lost(name: string): void;
}

export class ProbeSchedule<Entry extends Probed> {
  readonly #prober: Prober<Entry>;
  readonly #entries = new Map<string, Entry>();
  #alive = 0;

  constructor(prober: Prober<Entry>) {
    this.#prober = prober;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Whether all that are asked have answered. */
  get isComplete(): boolean {
    return this.#alive === this.#entries.size;
  }

  get(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  /** From now on it is asked. */
  add(name: string, entry: Entry): void {
    this.#entries.set(name, entry);
  }

  remove(name: string): void {
    if (this.#entries.get(name)?.isAlive) this.#alive--;
    this.#entries.delete(name);
  }

  /** It is there; false if that is no news. */
  found(entry: Entry): boolean {
    if (entry.isAlive) return false;
    entry.isAlive = true;
    this.#alive++;
    return true;
  }

  /** Asks those whose time has come and gives up those that have not answered. */
  tick(nowMs: number): void {
    const intervalMs = Math.max(PROBE_INTERVAL_MS, (this.#entries.size * 1000) / PROBES_PER_SECOND);
    let left = PROBES_PER_TURN;
    for (const [name, entry] of this.#entries) {
      if (entry.nextMs > nowMs) continue;
      if (left-- === 0) return;
      entry.nextMs = nowMs + intervalMs;
      // Counted in questions, not in time: if it was us who stood still, it has not been silent.
      if (entry.isAlive && entry.asked >= PROBES_UNANSWERED) {
        entry.isAlive = false;
        this.#alive--;
        this.#prober.lost(name);
      }
      this.#prober.ask(entry);
    }
  }
}
