/**
 * TLS on the main thread: certificates are loaded and checked here before the data plane gets them, ticket keys are made
 * and turned, and stapled OCSP responses are read again when their files have changed.
 */
import { randomBytes } from 'node:crypto';
import type { ServerSpec } from '../core/configuration.js';
import type { TicketKeys } from '../core/tls-plan.js';
import type { EngineName } from '../engine/engine.js';
import { shared } from '../tls/credential.js';
import { TlsError } from '../tls/errors.js';
import { type LoadedTls, loadTls, nothingLoaded, withStaples } from '../tls/load.js';
import type { TlsSettings } from '../tls/settings.js';
import { fileState, readStaple, type Staple, staleness, unstapled } from '../tls/staple.js';
import type { Setup } from './draft.js';
import { CommandError } from './errors.js';

const TICKET_KEY_BYTES = 80;
/** How often files of OCSP responses are looked at, and how many of them: 3 us each. */
const WATCH_MS = 10_000;
const WATCHED_AT_ONCE = 1000;

export interface TlsKeeperEvents {
  /** Plan or tickets have changed without a command. */
  changed(): void;
  /** Files of OCSP responses have changed, or what they say is out of date: `restaple` when it may be. */
  staleStaples(): void;
}

/** What the data plane has, or is about to get. */
interface InForce {
  readonly loaded: LoadedTls;
  readonly tickets: TicketKeys;
  readonly ticketSec: number;
  /** When the current key was made, by `performance.now`. */
  readonly keyMs: number;
}

export interface TlsKeeperOptions {
  readonly events: TlsKeeperEvents;
  wallMs(): number;
  readonly watchMs?: number;
}

export class TlsKeeper {
  readonly #events: TlsKeeperEvents;
  readonly #wallMs: () => number;
  readonly #watchMs: number;
  #now: InForce = { loaded: nothingLoaded, tickets: [], ticketSec: 0, keyMs: 0 };
  /** Staples found to be behind their files, and where to look next. */
  #stale: readonly Staple[] = [];
  #next = 0;
  #ticketTimer: NodeJS.Timeout | undefined;
  #watchTimer: NodeJS.Timeout | undefined;

  constructor({ events, wallMs, watchMs = WATCH_MS }: TlsKeeperOptions) {
    this.#events = events;
    this.#wallMs = wallMs;
    this.#watchMs = watchMs;
  }

  get inForce(): InForce {
    return this.#now;
  }

  /** Reads everything, changing nothing. Throws CommandError. */
  load(
    settings: TlsSettings,
    servers: readonly ServerSpec[],
    { nowMs, engine }: { nowMs: number; engine: EngineName | 'auto' },
  ): LoadedTls {
    const uses = servers.filter(({ tls }) => tls !== 'off');
    const verifiesServers = uses.some(({ tls }) => tls === 'verify');
    try {
      return loadTls(settings, { nowMs, verifiesServers, toServers: uses.length > 0, engine });
    } catch (error) {
      if (!(error instanceof TlsError)) throw error;
      throw new CommandError(error.message, { isFromOutside: true, cause: error });
    }
  }

  /** What has been loaded is in force from now on. */
  adopt({ ticketSec }: TlsSettings, loaded: LoadedTls): void {
    const was = this.#now;
    // Whom a former authority has vouched for must not come in by a ticket.
    const isStrict = loaded.plan?.server !== undefined && loaded.plan.server.clientCertificate !== 'off';
    const keeps = !isStrict && ticketSec === was.ticketSec && was.tickets.length > 0;
    const tickets = keeps ? was.tickets : ticketSec === 0 || loaded.plan === undefined ? [] : [newTicketKey()];
    this.#now = { loaded, tickets, ticketSec, keyMs: keeps ? was.keyMs : performance.now() };
  }

  /** Takes back an `adopt`. */
  restore(before: InForce): void {
    this.#now = before;
  }

  /** Turns keys and watches files, as is in force, until `stop` or the next `start`. */
  start(): void {
    this.stop();
    this.#awaitTurn();
    const { loaded } = this.#now;
    if (loaded.staples.length > 0) this.#watchTimer = setInterval(() => this.#look(), this.#watchMs).unref();
  }

  stop(): void {
    clearTimeout(this.#ticketTimer);
    clearInterval(this.#watchTimer);
  }

  /** A key's time goes on over reloads: they may come more often than keys are turned. */
  #awaitTurn(): void {
    const { tickets, ticketSec, keyMs } = this.#now;
    if (tickets.length === 0) return;
    const leftMs = Math.max(keyMs + ticketSec * 1000 - performance.now(), 0);
    this.#ticketTimer = setTimeout(() => this.#turnTickets(), Math.min(leftMs, 2 ** 31 - 1)).unref();
  }

  #turnTickets(): void {
    const tickets = [newTicketKey(), this.#now.tickets[0] as Uint8Array];
    this.#now = { ...this.#now, tickets, keyMs: performance.now() };
    this.#events.changed();
    this.#awaitTurn();
  }

  /**
   * Reads what has changed, and no key or certificate: they may be out of reach since privileges were dropped. What cannot
   * be used leaves the staple before it, until that is out of date. Returns what there is to tell.
   */
  restaple(): string[] {
    const { loaded } = this.#now;
    const nowMs = this.#wallMs();
    const lines: string[] = [];
    // Those that a command has replaced meanwhile have been read with it.
    const fresh = this.#stale
      .filter((staple) => loaded.staples.includes(staple))
      .map((staple) => renewed(staple, nowMs, lines));
    this.#stale = [];
    if (fresh.length === 0) return lines;
    this.#now = { ...this.#now, loaded: withStaples(loaded, fresh) };
    this.#events.changed();
    return lines;
  }

  #look(): void {
    const { staples } = this.#now.loaded;
    if (this.#next >= staples.length) this.#next = 0;
    const seen = staples.slice(this.#next, this.#next + WATCHED_AT_ONCE);
    this.#next += seen.length;
    const nowMs = this.#wallMs();
    this.#stale = seen.filter(({ source, state, expiresMs }) => {
      const now = fileState(source.file);
      // A file that has gone is about to be written anew.
      return (now !== state && now !== '') || expiresMs <= nowMs;
    });
    if (this.#stale.length > 0) this.#events.staleStaples();
  }
}

function renewed(staple: Staple, nowMs: number, lines: string[]): Staple {
  const { source, state, expiresMs } = staple;
  const now = fileState(source.file);
  if (now !== state && now !== '') {
    try {
      const fresh = readStaple(source, nowMs, lines);
      if (fresh.response !== undefined) lines.push(`OCSP response '${source.file}' read again`);
      return fresh;
    } catch (error) {
      lines.push(`old OCSP response kept: ${(error as Error).message}`);
      if (expiresMs > nowMs) return { ...staple, state: now };
    }
  }
  if (expiresMs > nowMs) return staple;
  lines.push(staleness(source.file, expiresMs));
  return unstapled(source, now);
}

/** TLS is for TCP that passes through us; undefined if that is what the Setup has. */
export function tlsProblem({ configuration, dsrInterface, tls }: Setup): string | undefined {
  const { settings, servers } = configuration;
  const isUsed = tls.certificates.length > 0 || servers.some((server) => server.tls !== 'off');
  if (!isUsed) return undefined;
  if (settings.http && tls.alpn.includes('h2'))
    return 'http reads HTTP/1 only, and ssl_alpn offers HTTP/2 (leave h2 out of it)';
  const nameless = servers.findIndex(
    ({ tls, sni, endpoint }) => tls === 'verify' && sni === '' && endpoint?.kind === 'unix',
  );
  if (nameless >= 0)
    return `server ${nameless} is a Unix socket: there is no name that its certificate could be checked for (sni NAME)`;
  if (settings.idlers > 0 && servers.some((server) => server.tls !== 'off' && server.proxy !== 'off'))
    return 'idlers know no client that a PROXY header before TLS could name (idlers 0, or without one of tls and proxy)';
  if (dsrInterface !== undefined)
    return 'TLS is for the proxy: with dsr_if servers speak to clients themselves (leave it out)';
  return settings.udp ? 'TLS is for TCP, not for UDP (leave it out)' : undefined;
}

function newTicketKey(): Uint8Array {
  return shared(randomBytes(TICKET_KEY_BYTES));
}

/** Whether files are to be read for the change: one of TLS's own, or servers that speak it. */
export function needsTls(was: Setup, now: Setup): boolean {
  const modes = ({ configuration }: Setup) => new Set(configuration.servers.map(({ tls }) => tls));
  const [before, after] = [modes(was), modes(now)];
  return was.tls !== now.tls || before.size !== after.size || [...after].some((mode) => !before.has(mode));
}
