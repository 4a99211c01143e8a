/**
 * Looks at the shared tables twice a second on the main thread and remembers: an hour of traffic, and when servers
 * failed and came back, which the data plane has no time to tell. The latter it puts into the log, too.
 */
import { formatEndpoint } from '../core/address.js';
import type { DataPlane } from '../proxy/data-plane.js';
import { errnoName } from '../sys/errno.js';
import { type Setup, takesTraffic } from './draft.js';
import { EventLog } from './event-log.js';
import { History } from './history.js';

const LOOK_MS = 500;

export interface ObserverSources {
  setup(): Setup;
  readonly dataPlane: DataPlane;
  monotonicMs(): number;
  wallMs(): number;
  /** For standard error or syslog. */
  log(line: string): void;
}

/** What a server was when last looked at. */
const WELL = 0;
const OUT = 1;
/** Its time is over, nobody has tried it yet. */
const ON_TRIAL = 2;

export class Observer {
  readonly events: EventLog;
  readonly history = new History();
  readonly #sources: ObserverSources;
  readonly #listeners = new Set<() => void>();
  #seen: number[] = [];
  /** That the table has had at most: connections of a server go on, and are counted, when its row has left. */
  #rows = 0;
  #sampledMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(sources: ObserverSources) {
    this.#sources = sources;
    this.events = new EventLog(sources.wallMs);
  }

  start(): void {
    this.look();
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
  }

  /** Has `listener` called after each look, until the function that is returned is called. */
  onLook(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  look(): void {
    this.#sources.dataPlane.refresh?.();
    this.#watchServers();
    const now = this.#sources.monotonicMs();
    // Half a look early is in time: timers are late, never early.
    if (now - this.#sampledMs >= 1000 - LOOK_MS / 2) {
      this.#sampledMs = now;
      this.#sample();
    }
    for (const listener of this.#listeners) listener();
  }

  #watchServers(): void {
    const { servers: state } = this.#sources.dataPlane;
    const { servers } = this.#sources.setup().configuration;
    const now = this.#sources.monotonicMs();
    this.#seen.length = Math.min(this.#seen.length, servers.length);
    for (const [slot, spec] of servers.entries()) {
      const until = state.blacklistedUntil(slot);
      const is = until === 0 || !takesTraffic(spec) ? WELL : until > now ? OUT : ON_TRIAL;
      const was = this.#seen[slot] ?? WELL;
      this.#seen[slot] = is;
      if (is === was || !spec.endpoint) continue;
      const name = `server ${slot} (${formatEndpoint(spec.endpoint)})`;
      if (is === OUT) {
        const text = `${name} is blacklisted for ${Math.ceil((until - now) / 1000)} s${this.#why(slot, now)}`;
        this.events.record({ kind: 'server', mood: 'bad', text, server: slot });
        // Tried again and again in vain it is no news.
        if (was === WELL) this.#sources.log(text);
      } else if (is === ON_TRIAL) {
        this.events.record({ kind: 'server', mood: 'plain', text: `${name} may be tried again`, server: slot });
      } else {
        this.events.record({ kind: 'server', mood: 'good', text: `${name} is back`, server: slot });
        this.#sources.log(`${name} is back`);
      }
    }
  }

  /** An operator may blacklist a server that has not failed. */
  #why(slot: number, nowMs: number): string {
    const last = this.#sources.dataPlane.servers.meters.lastFailure(slot);
    return last && nowMs - last.atMs < 2 * LOOK_MS ? `: ${errnoName(last.errno)}` : '';
  }

  #sample(): void {
    const { servers: state } = this.#sources.dataPlane;
    const { servers } = this.#sources.setup().configuration;
    // Frames make flows where the proxy makes connections.
    const flows = new Map(this.#sources.dataPlane.frames?.reals().map((real) => [real.server, real.flows] as const));
    const begun = (slot: number) => flows.get(slot) ?? state.connects(slot);
    this.#rows = Math.max(this.#rows, servers.length);
    const each = (count: (slot: number) => number) => Array.from({ length: this.#rows }, (_, slot) => count(slot));
    const sum = (count: (slot: number) => number) => each(count).reduce((total, more) => total + more, 0);
    this.history.add({
      timeMs: this.#sources.wallMs(),
      connections: this.#sources.dataPlane.connectionsInUse(),
      accepted: flows.size > 0 ? sum(begun) : state.meters.acceptedCount(),
      failed: sum((slot) => state.failures(slot)),
      sent: sum((slot) => state.sent(slot)),
      received: sum((slot) => state.received(slot)),
      connects: each(begun),
    });
  }
}
