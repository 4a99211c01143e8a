/**
 * TLS on the main thread: certificates are loaded and checked here before the data plane gets them, ticket keys are made
 * and turned, and a stapled OCSP response is read again when its file has changed.
 */
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import type { ServerSpec } from '../core/configuration.js';
import type { TicketKeys } from '../core/tls-plan.js';
import type { EngineName } from '../engine/engine.js';
import { shared } from '../tls/credential.js';
import { TlsError } from '../tls/errors.js';
import { type LoadedTls, loadTls, nothingLoaded } from '../tls/load.js';
import type { TlsSettings } from '../tls/settings.js';
import type { Setup } from './draft.js';
import { CommandError } from './errors.js';

const TICKET_KEY_BYTES = 80;
/** How often the OCSP file is looked at. */
const WATCH_MS = 10_000;

export interface TlsKeeperEvents {
  /** Plan or tickets have changed without a command. */
  changed(): void;
  /** The file of the OCSP response has changed. */
  staleStaple(): void;
}

/** What the data plane has, or is about to get. */
interface InForce {
  readonly loaded: LoadedTls;
  readonly tickets: TicketKeys;
  readonly ticketSec: number;
  /** The OCSP file and when it was changed. */
  readonly watched: string | undefined;
  readonly watchedMs: number;
}

export class TlsKeeper {
  readonly #events: TlsKeeperEvents;
  #now: InForce = { loaded: nothingLoaded, tickets: [], ticketSec: 0, watched: undefined, watchedMs: 0 };
  #ticketTimer: NodeJS.Timeout | undefined;
  #watchTimer: NodeJS.Timeout | undefined;

  constructor(events: TlsKeeperEvents) {
    this.#events = events;
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
  adopt({ ticketSec, ocspResponse }: TlsSettings, loaded: LoadedTls): void {
    const was = this.#now;
    // Whom a former authority has vouched for must not come in by a ticket.
    const isStrict = loaded.plan?.server !== undefined && loaded.plan.server.clientCertificate !== 'off';
    const keeps = !isStrict && ticketSec === was.ticketSec && was.tickets.length > 0;
    const tickets = keeps ? was.tickets : ticketSec === 0 || loaded.plan === undefined ? [] : [newTicketKey()];
    this.#now = { loaded, tickets, ticketSec, watched: ocspResponse, watchedMs: changeTime(ocspResponse) };
  }

  /** Takes back an `adopt`. */
  restore(before: InForce): void {
    this.#now = before;
  }

  /** Turns keys and watches files, as is in force, until `stop` or the next `start`. */
  start(): void {
    this.stop();
    const { tickets, ticketSec, watched } = this.#now;
    if (tickets.length > 0) {
      const everyMs = Math.min(ticketSec * 1000, 2 ** 31 - 1);
      this.#ticketTimer = setInterval(() => this.#turnTickets(), everyMs).unref();
    }
    if (watched !== undefined) this.#watchTimer = setInterval(() => this.#look(), WATCH_MS).unref();
  }

  stop(): void {
    clearInterval(this.#ticketTimer);
    clearInterval(this.#watchTimer);
  }

  #turnTickets(): void {
    this.#now = { ...this.#now, tickets: [newTicketKey(), this.#now.tickets[0] as Uint8Array] };
    this.#events.changed();
  }

  #look(): void {
    const watchedMs = changeTime(this.#now.watched);
    if (watchedMs === this.#now.watchedMs) return;
    this.#now = { ...this.#now, watchedMs };
    this.#events.staleStaple();
  }
}

/** TLS is for TCP that passes through us; undefined if that is what the Setup has. */
export function tlsProblem({ configuration, dsrInterface, tls }: Setup): string | undefined {
  const { settings, servers } = configuration;
  const isUsed = tls.certificates.length > 0 || servers.some((server) => server.tls !== 'off');
  if (!isUsed) return undefined;
  if (settings.http && tls.alpn.includes('h2'))
    return 'http reads HTTP/1 only, and ssl_alpn offers HTTP/2 (leave h2 out of it)';
  if (settings.idlers > 0 && servers.some((server) => server.tls !== 'off' && server.proxy !== 'off'))
    return 'idlers know no client that a PROXY header before TLS could name (idlers 0, or without one of tls and proxy)';
  if (dsrInterface !== undefined)
    return 'TLS is for the proxy: with dsr_if servers speak to clients themselves (leave it out)';
  return settings.udp ? 'TLS is for TCP, not for UDP (leave it out)' : undefined;
}

function newTicketKey(): Uint8Array {
  return shared(randomBytes(TICKET_KEY_BYTES));
}

/** When the file was changed last; 0 if there is none. */
function changeTime(file: string | undefined): number {
  if (file === undefined) return 0;
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Whether files are to be read for the change: one of TLS's own, or servers that speak it. */
export function needsTls(was: Setup, now: Setup): boolean {
  const modes = ({ configuration }: Setup) => new Set(configuration.servers.map(({ tls }) => tls));
  const [before, after] = [modes(was), modes(now)];
  return was.tls !== now.tls || before.size !== after.size || [...after].some((mode) => !before.has(mode));
}
