/**
 * A thread's certificates and tickets: which context a client's session is made from, made when first asked for and kept
 * while it is in use, the least recently used out first. Names that nobody knows leave no trace: what a client may name is
 * what the plan says, and a name never reaches the file system.
 *
 * Tickets are sealed with the current key and opened with it or the one before. OpenSSL asks for keys by a callback or has
 * one a context; as a ticket shows the name of its key in the ClientHello, the second will do: a client with an older ticket
 * is served by a context of that key, which issues no new ones.
 */
import type { Counters } from '../core/counters.js';
import type { Identity, ServerPlan, TicketKeys, TlsPlan } from '../core/tls-plan.js';
import { copyMemory, type Mapping, mapAnonymous, pointerBytes } from '../sys/memory.js';
import { callbackAddress, openssl } from '../sys/openssl.js';
import { SSL_CTRL_SET_TLSEXT_STATUS_REQ_OCSP_RESP } from '../sys/uapi/openssl.js';
import type { ClientHello } from './client-hello.js';
import { type Callbacks, type Context, clientContext, serverContext, setTicketKey } from './context.js';
import {
  CUT,
  CUT_BY_SERVERS,
  FAILED,
  FAILED_TO_SERVERS,
  FULL,
  RESUMED,
  TO_SERVERS,
  TO_SERVERS_RESUMED,
} from './counts.js';
import { chosenProtocol, findIdentity, isSealedBy } from './names.js';
import { Session } from './session.js';
import type { Peer, TlsKeys } from './tls-layer.js';
import type { Transport } from './transport.js';

/** Contexts kept for names, beside the default's: 13 KB and a certificate each. */
const KEPT = 1024;
/** Sessions kept for servers. */
const KEPT_TICKETS = 1024;
/** 16 names of 255 bytes, see control; behind them the answer about one: pointer:64 length:8. */
const ALPN_BYTES = 4096;
const ANSWER_LENGTH = ALPN_BYTES + 8;
/** SSL_TLSEXT_ERR_OK and _NOACK (tls1.h). */
const OK = 0;
const NO_ACKNOWLEDGEMENT = 3;

interface Contexts {
  current: Context;
  /** Of the ticket key before. */
  previous: Context | undefined;
}

export class Vault implements TlsKeys {
  /** Whose handshake is going on: the callbacks' business. */
  current: Session | undefined;
  readonly #counters: Counters;
  #plan: ServerPlan | undefined;
  #serverCa: Uint8Array | undefined;
  #tickets: TicketKeys = [];
  readonly #contexts = new Map<Identity, Contexts>();
  #forAny: Context | undefined;
  #forVerified: Context | undefined;
  /** SSL_SESSION handles by peer. */
  readonly #sessions = new Map<string, number>();
  #callbacks: Callbacks | undefined;
  /** The list of ALPN names as the protocol writes it, where C can read it. */
  #alpnMemory: Mapping | undefined;
  #hasAlpn = false;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  /** Takes over a new plan; the same server plan keeps its contexts. Throws TlsError if the default cannot be used. */
  configure(plan: TlsPlan | undefined, tickets: TicketKeys): void {
    if (plan?.serverCa !== this.#serverCa) {
      this.#serverCa = plan?.serverCa;
      this.#closeClients();
    }
    if (plan?.server === this.#plan) {
      this.#turnKeys(tickets);
      return;
    }
    this.#closeServers();
    this.#plan = plan?.server;
    this.#tickets = tickets;
    if (this.#plan === undefined) return;
    this.#alpnMemory ??= mapAnonymous(2 * ALPN_BYTES);
    writeAlpn(this.#alpnMemory.buffer, this.#plan.alpn);
    this.#contextsOf(this.#plan.identity);
  }

  get isServing(): boolean {
    return this.#plan !== undefined;
  }

  get hasTls13(): boolean {
    return this.#plan?.hasTls13 === true;
  }

  /** A session for the client that has said this; undefined if its name is refused. */
  accept(hello: ClientHello, transport: Transport): Session | undefined {
    const plan = this.#plan;
    if (plan === undefined) return undefined;
    const identity = plan.names.size === 0 ? undefined : findIdentity(plan.names, hello.serverName);
    if (identity === undefined && plan.refusesUnknownNames && plan.names.size > 0) return undefined;
    const contexts = this.#contextsOf(identity ?? plan.identity);
    let context = contexts.current;
    const { ticketName } = hello;
    const older = this.#tickets[1];
    if (ticketName !== undefined && older !== undefined && isSealedBy(older, ticketName)) {
      contexts.previous ??= serverContext(plan, identity ?? plan.identity, older, this.#callbacksOnce(), true);
      context = contexts.previous;
    }
    if (plan.alpn.length > 0) this.#chooseAlpn(hello.alpn);
    return new Session(context, transport);
  }

  /** A session to a server, resuming the last one if there is one to resume. */
  connect(peer: Peer, transport: Transport): Session {
    let context: Context;
    if (peer.verifies) context = this.#forVerified ??= clientContext(true, this.#serverCa);
    else context = this.#forAny ??= clientContext(false);
    const session = new Session(context, transport, peer);
    const known = this.#sessions.get(this.keyOf(peer));
    if (known !== undefined) openssl().SSL_set_session(session.handle, known);
    return session;
  }

  keyOf(peer: Peer): string {
    return `${peer.verifies ? 'verify' : 'any'} ${peer.endpoint} ${peer.name}`;
  }

  /** Keeps what a session to a server has been given to be resumed with. */
  remember(key: string, session: Session): void {
    const ssl = openssl();
    const ticket = ssl.SSL_get1_session(session.handle);
    if (ticket === 0) return;
    if (ssl.SSL_SESSION_is_resumable(ticket) !== 1) {
      ssl.SSL_SESSION_free(ticket);
      return;
    }
    this.#forget(key);
    this.#sessions.set(key, ticket);
    if (this.#sessions.size > KEPT_TICKETS) this.#forget(this.#sessions.keys().next().value as string);
  }

  secured(session: Session, isServer: boolean): void {
    const { isResumed } = session;
    if (isServer) this.#counters.add(isResumed ? RESUMED : FULL, 1);
    else this.#counters.add(isResumed ? TO_SERVERS_RESUMED : TO_SERVERS, 1);
  }

  failed(isServer: boolean): void {
    this.#counters.add(isServer ? FAILED : FAILED_TO_SERVERS, 1);
  }

  /** Counts a stream that ended without a notice. */
  cut(isServer: boolean): void {
    this.#counters.add(isServer ? CUT : CUT_BY_SERVERS, 1);
  }

  /** Frees everything; sessions that live keep what they need. */
  close(): void {
    this.#closeServers();
    this.#closeClients();
  }

  #contextsOf(identity: Identity): Contexts {
    const known = this.#contexts.get(identity);
    const plan = this.#plan as ServerPlan;
    if (known !== undefined) {
      if (identity !== plan.identity) {
        this.#contexts.delete(identity);
        this.#contexts.set(identity, known);
      }
      return known;
    }
    const current = serverContext(plan, identity, this.#tickets[0], this.#callbacksOnce(), false);
    const fresh = { current, previous: undefined };
    this.#contexts.set(identity, fresh);
    if (this.#contexts.size > KEPT) this.#dropOldest(plan.identity);
    return fresh;
  }

  #dropOldest(kept: Identity): void {
    for (const [identity, contexts] of this.#contexts) {
      if (identity === kept) continue;
      this.#contexts.delete(identity);
      closeBoth(contexts);
      return;
    }
  }

  #turnKeys(tickets: TicketKeys): void {
    if (tickets === this.#tickets) return;
    this.#tickets = tickets;
    const [current, previous] = tickets;
    for (const contexts of this.#contexts.values()) {
      if (current !== undefined) setTicketKey(contexts.current, current);
      if (contexts.previous !== undefined && previous !== undefined) setTicketKey(contexts.previous, previous);
    }
  }

  /** RFC 7301: the server's order decides. */
  #chooseAlpn(offered: Uint8Array | undefined): void {
    const protocols = this.#plan?.alpn ?? [];
    const chosen = chosenProtocol(protocols, offered);
    this.#hasAlpn = chosen >= 0;
    if (chosen < 0 || this.#alpnMemory === undefined) return;
    const { address, buffer } = this.#alpnMemory;
    const name = address + protocols.slice(0, chosen).reduce((at, { length }) => at + 1 + length, 1);
    const pointer = new Uint32Array(buffer, ALPN_BYTES, 2);
    pointer[0] = name % 4294967296;
    pointer[1] = name / 4294967296;
    new Uint8Array(buffer)[ANSWER_LENGTH] = (protocols[chosen] as string).length;
  }

  #callbacksOnce(): Callbacks {
    this.#callbacks ??= {
      alpn: callbackAddress('alpn', (_session, out, outLength) => this.#answerAlpn(out as number, outLength as number)),
      status: callbackAddress('status', (handle) => this.#answerStatus(handle as number)),
    };
    return this.#callbacks;
  }

  #answerAlpn(out: number, outLength: number): number {
    if (!this.#hasAlpn || this.#alpnMemory === undefined) return NO_ACKNOWLEDGEMENT;
    const { address } = this.#alpnMemory;
    copyMemory(out, address + ALPN_BYTES, pointerBytes());
    copyMemory(outLength, address + ANSWER_LENGTH, 1);
    return OK;
  }

  #answerStatus(handle: number): number {
    const staples = this.current?.context.staples;
    const response = staples?.get(openssl().SSL_get_certificate(handle));
    if (response === undefined) return NO_ACKNOWLEDGEMENT;
    // The session frees it.
    const copy = openssl().CRYPTO_memdup(response, response.length, 0, 0);
    if (copy === 0) return NO_ACKNOWLEDGEMENT;
    openssl().SSL_ctrl(handle, SSL_CTRL_SET_TLSEXT_STATUS_REQ_OCSP_RESP, response.length, copy);
    return OK;
  }

  #forget(key: string): void {
    const ticket = this.#sessions.get(key);
    if (ticket !== undefined) openssl().SSL_SESSION_free(ticket);
    this.#sessions.delete(key);
  }

  #closeServers(): void {
    for (const contexts of this.#contexts.values()) closeBoth(contexts);
    this.#contexts.clear();
  }

  #closeClients(): void {
    for (const key of [...this.#sessions.keys()]) this.#forget(key);
    this.#forAny?.close();
    this.#forVerified?.close();
    this.#forAny = undefined;
    this.#forVerified = undefined;
  }
}

function closeBoth({ current, previous }: Contexts): void {
  current.close();
  previous?.close();
}

function writeAlpn(memory: ArrayBuffer, names: readonly string[]): void {
  const bytes = new Uint8Array(memory);
  let at = 0;
  for (const name of names) {
    bytes[at] = name.length;
    for (let i = 0; i < name.length; i++) bytes[at + 1 + i] = name.charCodeAt(i);
    at += 1 + name.length;
  }
}
