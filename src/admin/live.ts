/**
 * Server-sent events: a frame a second, and at once when something has happened. A frame is made once for all who look;
 * who reads too slowly misses frames, and who has stopped reading is let go.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { collected } from '../control/piecemeal.js';
import type { Service } from '../control/service.js';
import { endpointText, type ServerBrief } from '../control/statistics.js';
import { ABUSE_SLOT, EMERGENCY_SLOT } from '../core/configuration.js';
import { Refusal } from './refusal.js';

const MAX_WATCHERS = 16;
/** Bytes that wait for a slow reader before it misses frames. */
const MAX_WAITING = 1_048_576;
/** Frames missed in a row after which nobody is there any more. */
const MAX_MISSED = 30;
/** A look early is in time: looks come twice a second. */
const FRAME_MS = 750;
/** Frames of very many servers come less often: making them takes this part of the time at most. */
const PART = 10;
/** Seldomer than that a page would think that the stream had ended. */
const LONGEST_MS = 4000;
/** Servers in a frame; those that are not well come before others. */
const MAX_SERVERS = 1000;

interface Watcher {
  readonly response: ServerResponse;
  missed: number;
}

export class Live {
  readonly #service: Service;
  readonly #watchers = new Set<Watcher>();
  /** Those of the watchers. */
  readonly #connections = new WeakSet<Socket>();
  #stopLooking: (() => void) | undefined;
  #lastEvent = 0;
  /** When the next frame is due, and when one that brings news is. */
  #dueMs = 0;
  #newsMs = 0;

  constructor(service: Service) {
    this.#service = service;
  }

  /** Sends frames until the client goes. Throws Refusal if too many look already. */
  watch(response: ServerResponse): void {
    if (this.#watchers.size >= MAX_WATCHERS) throw new Refusal(503, 'too many are looking already');
    response.writeHead(200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' });
    const watcher = { response, missed: 0 };
    this.#watchers.add(watcher);
    this.#leaveWith(response.req.socket);
    const { observer } = this.#service;
    if (this.#watchers.size === 1) {
      this.#lastEvent = observer.events.lastId;
      this.#stopLooking = observer.onLook(() => this.#look());
    }
    // The newcomer's first frame brings what has happened so far.
    void this.#make(observer.events.since(0), (frame) => this.#send([watcher], frame));
  }

  /**
   * Whoever watches by a connection leaves with it. Of the connection, not of the answer: one that waits behind another
   * (pipelining) is not told that both are gone. Any number may wait, so they share one listener.
   */
  #leaveWith(socket: Socket): void {
    if (this.#connections.has(socket)) return;
    this.#connections.add(socket);
    socket.once('close', () => {
      for (const watcher of this.#watchers) if (watcher.response.req.socket === socket) this.#leave(watcher);
    });
  }

  /** Ends every stream. */
  close(): void {
    for (const { response } of this.#watchers) response.end();
  }

  #look(): void {
    const { observer } = this.#service;
    const now = performance.now();
    const isNews = observer.events.lastId > this.#lastEvent;
    if (now < (isNews ? this.#newsMs : this.#dueMs)) return;
    const events = observer.events.since(this.#lastEvent);
    this.#lastEvent = observer.events.lastId;
    // Until it has been made none is due.
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#newsMs = Number.POSITIVE_INFINITY;
    void this.#make(events, (frame) => this.#send([...this.#watchers], frame)).then(() => {
      const tookMs = performance.now() - now;
      this.#dueMs = now + Math.min(LONGEST_MS, Math.max(FRAME_MS, PART * tookMs));
      this.#newsMs = now + Math.min(LONGEST_MS, PART * tookMs);
    });
  }

  /** Never rejects. */
  async #make(events: readonly object[], send: (frame: string) => void): Promise<void> {
    try {
      send(await this.#frame(events));
    } catch (error) {
      this.#service.log(0, `no frame for the dashboard: ${(error as Error).stack ?? error}`);
    }
  }

  async #frame(events: readonly object[]): Promise<string> {
    const service = this.#service;
    const servers = (await collected(service.views.briefs())).filter(({ state }) => state !== 'empty');
    const up = servers.filter(({ state }) => state === 'up').length;
    const frame = {
      summary: service.views.summary(),
      counts: { servers: servers.length, up },
      servers: foremost(servers).map((server) => this.#shown(server)),
      point: service.observer.history.series(1, 1),
      events,
    };
    // JSON has no line breaks of its own, so one `data:` line holds it.
    return `event: frame\ndata: ${JSON.stringify(frame)}\n\n`;
  }

  /** What the page shows of a server. */
  #shown(server: ServerBrief): object {
    const { direct, address: _, port: __, ...rest } = server;
    const { state } = this.#service;
    const slot = slotOf(server);
    return {
      ...rest,
      // Frames make flows where the proxy makes connections.
      ...(direct && { connects: direct.flows, direct }),
      address: endpointText(server),
      failed: state.meters.failureCount(slot),
      connectMs: state.meters.connectMs(slot),
    };
  }

  #send(watchers: readonly Watcher[], frame: string): void {
    for (const watcher of watchers) {
      if (!this.#watchers.has(watcher)) continue;
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

/** As many as a frame has room for, in the order of the table. */
function foremost(servers: readonly ServerBrief[]): readonly ServerBrief[] {
  if (servers.length <= MAX_SERVERS) return servers;
  const isWell = ({ state }: ServerBrief) => state === 'up';
  return [...servers.filter((server) => !isWell(server)), ...servers.filter(isWell)].slice(0, MAX_SERVERS);
}

function slotOf({ server }: ServerBrief): number {
  return server === 'emergency' ? EMERGENCY_SLOT : server === 'abuse' ? ABUSE_SLOT : server;
}
