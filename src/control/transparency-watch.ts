/** Tells the operator what became of connections that should have come from their client's address, but not too often. */
import type { Counters } from '../core/counters.js';
import { TRANSPARENCY, type TransparencyCount } from '../proxy/transparency.js';

/** A kind of trouble is told at once, then at most that often with what has come up since. */
const INTERVAL_MS = 60_000;

interface Kind {
  /** Who has to see it: 0 everybody, else that `debug` level. */
  readonly level: number;
  readonly text: string;
}

const kinds: Record<TransparencyCount, Kind> = {
  own: {
    level: 0,
    text: 'made from this host\'s own address, because client and server have no kind of address in common ("transparent strict" refuses them)',
  },
  refused: { level: 0, text: 'not made, because client and server have no kind of address in common' },
  otherPort: { level: 1, text: "made from another port, the client's being taken" },
  noPort: { level: 0, text: 'not made, no port being left for that client and server' },
  unanswered: {
    level: 0,
    text: 'not answered: do the replies lead back through this host? ("pen transparent-setup --check SERVER" tells)',
  },
};

export class TransparencyWatch {
  readonly #counters: Counters;
  readonly #log: (level: number, line: string) => void;
  readonly #told = new Map<string, { count: number; nextMs: number }>();

  constructor(counters: Counters, log: (level: number, line: string) => void) {
    this.#counters = counters;
    this.#log = log;
  }

  /** Looks at the counters and logs what is due. */
  look(nowMs: number): void {
    for (const [name, { level, text }] of Object.entries(kinds)) {
      const count = this.#counters.read(TRANSPARENCY[name as TransparencyCount]);
      const told = this.#told.get(name) ?? { count: 0, nextMs: -Infinity };
      if (count === told.count || nowMs < told.nextMs) continue;
      const more = count - told.count;
      this.#log(level, `transparent: ${more} ${more === 1 ? 'connection' : 'connections'} ${text}`);
      this.#told.set(name, { count, nextMs: nowMs + INTERVAL_MS });
    }
  }
}
