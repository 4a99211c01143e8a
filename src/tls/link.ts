/** What the TLS engine knows of one socket that it secures; see tls-engine.ts for the rules. */
import type { Session } from './session.js';

/** States of a link, in order. */
export const HELLO = 0;
export const SHAKING = 1;
export const OPEN = 2;
/** The handshake or the session has failed: nothing is read or written any more. */
export const BROKEN = 3;
/** Closed by the handler; the last bytes (a notice, an alert) are still on their way. */
export const LINGERING = 4;

/** `end` while the peer's stream goes on. */
export const GOES_ON = 1;

/** How long a closed socket is kept for its last bytes. */
export const LINGER_MS = 2_000;

export class Link {
  readonly socket: number;
  readonly isServer: boolean;
  state = HELLO;
  /** undefined until a whole ClientHello has come. */
  session: Session | undefined;
  /** The name the client asked for, '' = none. */
  serverName = '';
  hasTls13 = false;
  /** Why it is broken, '' if it is not. */
  failure = '';
  /** What a session to a server is kept under, for resumption. */
  resumptionKey = '';

  /** The handler has asked for a receive and has not been answered. */
  isAsked = false;
  /** The handler has been promised a `sent`. */
  isPromised = false;
  /** Operations of ours that the engine below has under way. */
  isReceiving = false;
  isSending = false;
  /** Has an entry in the list of links that can get on. */
  isReady = false;

  /** The part of a ClientHello that has come. */
  hello: Uint8Array | undefined;
  /** Ciphertext received and not read yet, -1 = none. */
  input = -1;
  inputAt = 0;
  inputEnd = 0;
  /** The last read filled its buffer: the session may hold the rest of a record. */
  hasMore = false;
  /** The peer's stream has ended without its notice. */
  isCut = false;
  /** GOES_ON, or what the next receive will be told: 0 or -errno. */
  end = GOES_ON;

  /** Plaintext to be sent, -1 = none. */
  output = -1;
  outputAt = 0;
  outputEnd = 0;
  /** Ciphertext that goes before it: tickets, answers to key updates, an alert. */
  tail: Uint8Array | undefined;
  /** The tail can wait for company (tickets do): one packet and one wake-up of the client less. */
  isTailLazy = false;
  /** Why nothing more can be sent, 0 = it can. */
  sendError = 0;
  /** The handler has ended its direction; `hasEnded` once the notice is out. */
  isEnding = false;
  hasEnded = false;
  lingersUntilMs = 0;

  constructor(socket: number, isServer: boolean) {
    this.socket = socket;
    this.isServer = isServer;
  }
}
