/**
 * Who may ask what. Three dangers, one check each:
 *
 *   a web page on another site that has its visitor's browser send commands (CSRF)   -> Origin, Sec-Fetch-Site, JSON only
 *   a name on another site that turns into our address (DNS rebinding)                -> Host is an address or localhost
 *   somebody else on the network                                                      -> the token, in constant time
 *
 * With a token the Host need not be checked: a page of another origin does not have it.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { parseIp } from '../core/address.js';
import { limitKey, RateLimit } from './rate-limit.js';
import { Refusal } from './refusal.js';

export interface GateOptions {
  /** The token in force; undefined: none is needed. */
  token(): string | undefined;
  nowMs(): number;
}

export class Gate {
  readonly #options: GateOptions;
  readonly #wrong: RateLimit;
  readonly #requests: RateLimit;

  constructor(options: GateOptions) {
    this.#options = options;
    const { nowMs } = options;
    // It tells who has a wrong token to stop; what holds a guesser is the token's length (docs/internals/admin.md).
    this.#wrong = new RateLimit({ burst: 10, perSecond: 1 / 6, nowMs });
    this.#requests = new RateLimit({ burst: 200, perSecond: 50, nowMs });
  }

  /**
   * Throws Refusal unless the request may go on. `isOpen`: what is asked for is no secret, so no token is needed. True if
   * whoever asks may command.
   */
  check(request: IncomingMessage, isOpen: boolean): boolean {
    const address = limitKey(request.socket.remoteAddress ?? 'unix');
    const token = this.#options.token();
    // Whatever others have guessed: behind a proxy all have one address, and a stranger would keep operators out.
    const isKnown = token === undefined || isSame(bearerOf(request), token);
    // Who knows the token has a rate of its own: strangers behind the same address do not use it up.
    if (!this.#requests.take(isKnown ? `known ${address}` : address)) {
      throw new Refusal(429, 'too many requests', { 'retry-after': String(this.#requests.waitSec) });
    }
    this.#checkOrigin(request, { hasToken: token !== undefined, isOpen });
    if (isKnown || isOpen) return isKnown;
    // Who shows none guesses none: a scraper that was given no token is to shut nobody out.
    if (request.headers.authorization !== undefined && !this.#wrong.take(address)) {
      throw new Refusal(429, 'too many wrong tokens', { 'retry-after': String(this.#wrong.waitSec) });
    }
    throw new Refusal(401, 'a token is needed (Authorization: Bearer TOKEN)', {
      'www-authenticate': 'Bearer realm="pen"',
    });
  }

  #checkOrigin({ headers, socket }: IncomingMessage, asked: { hasToken: boolean; isOpen: boolean }): void {
    const { host, origin } = headers;
    // No browser leaves Host out; health checks of HTTP/1.0 do.
    if (!asked.hasToken && socket.remoteAddress !== undefined && host !== undefined && !isOwnHost(host)) {
      throw new Refusal(421, 'ask by address or as localhost (other names need admin_token)');
    }
    const site = headers['sec-fetch-site'];
    const isForeign = origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`;
    // A link on another page that somebody has followed to the dashboard.
    const isLink = asked.isOpen && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
    if (isForeign || ((site === 'cross-site' || site === 'same-site') && !isLink)) {
      throw new Refusal(403, 'requests from other sites are refused');
    }
  }
}

/** `localhost` or a literal address, with or without a port: what no name server can turn into something else. */
export function isOwnHost(host: string): boolean {
  const name = host.replace(/:\d+$/, '');
  if (name.toLowerCase() === 'localhost') return true;
  return parseIp(name.startsWith('[') && name.endsWith(']') ? name.slice(1, -1) : name) !== undefined;
}

function bearerOf({ headers }: IncomingMessage): string {
  return /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? '';
}

/** Takes as long for a near miss as for a wild guess. */
function isSame(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
