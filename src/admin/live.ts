/**
 * Server-sent events: a frame a second, and at once when something has happened. A frame is made once for all who look;
 * who reads too slowly misses frames, and who has stopped reading is let go.
 */
import type { ServerResponse } from 'node:http';
import type { Service } from '../control/service.js';
import { endpointText, type ServerStatistics } from '../control/statistics.js';
import { Refusal } from './refusal.js';

const MAX_WATCHERS = 16;
/** Bytes that wait for a slow reader before it misses frames. */
const MAX_WAITING = 1_048_576;
/** Frames missed in a row after which nobody is there any more. */
const MAX_MISSED = 30;
const FRAME_MS = 1000;

interface Watcher {
  readonly response: ServerResponse;
  missed: number;
}

export class Live {
  readonly #service: Service;
  readonly #watchers = new Set<Watcher>();
  #stopLooking: (() => void) | undefined;
  #lastEvent = 0;
  #sentMs = 0;

  constructor(service: Service) {
    this.#service = service;
  }

  /** Sends frames until the client goes. Throws Refusal if too many look already. */
  watch(response: ServerResponse): void {
    if (this.#watchers.size >= MAX_WATCHERS) throw new Refusal(503, 'too many are looking already');
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    const watcher = { response, missed: 0 };
    this.#watchers.add(watcher);
    response.on('close', () => this.#leave(watcher));
    const { observer } = this.#service;
    if (this.#watchers.size === 1) {
      this.#lastEvent = observer.events.lastId;
      this.#stopLooking = observer.onLook(() => this.#look());
    }
    // The newcomer's first frame brings what has happened so far.
    this.#send([watcher], frameText(this.#service, observer.events.since(0)));
  }

  /** Ends every stream. */
  close(): void {
    for (const { response } of this.#watchers) response.end();
  }

  #look(): void {
    const { observer } = this.#service;
    const isNews = observer.events.lastId > this.#lastEvent;
    const now = performance.now();
    // A look early is in time: looks come twice a second.
    if (!isNews && now - this.#sentMs < FRAME_MS - 250) return;
    this.#sentMs = now;
    const events = observer.events.since(this.#lastEvent);
    this.#lastEvent = observer.events.lastId;
    this.#send([...this.#watchers], frameText(this.#service, events));
  }

  #send(watchers: readonly Watcher[], frame: string): void {
    for (const watcher of watchers) {
      if (watcher.response.writableLength + frame.length > MAX_WAITING && watcher.response.writableLength > 0) {
        watcher.missed += 1;
        if (watcher.missed > MAX_MISSED) watcher.response.destroy();
      } else {
        watcher.missed = 0;
        watcher.response.write(frame);
      }
    }
  }

  #leave(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0) return;
    this.#stopLooking?.();
    this.#stopLooking = undefined;
  }
}

function frameText(service: Service, events: readonly object[]): string {
  const frame = {
    summary: service.summary(),
    servers: service
      .serverStatistics()
      .filter(({ state }) => state !== 'empty')
      .map(briefly),
    point: service.observer.history.series(1, 1),
    events,
  };
  // JSON has no line breaks of its own, so one `data:` line holds it.
  return `event: frame\ndata: ${JSON.stringify(frame)}\n\n`;
}

/** What the page shows of a server; its histograms stay here. */
function briefly(server: ServerStatistics): object {
  const { connectTimes, sessionTimes, endings, failures, direct, address: _, port: __, ...rest } = server;
  return {
    ...rest,
    // Frames make flows where the proxy makes connections.
    ...(direct && { connects: direct.flows, packets: direct.packets, mac: direct.mac }),
    address: endpointText(server),
    failed: Object.values(failures).reduce((sum, count) => sum + count, 0),
    broken: endings.broken,
    sessions: sessionTimes.counts.reduce((sum, count) => sum + count, 0),
    connectMs: connectTimes.sumMs,
  };
}
