/** A thread's certificates and tickets for `node:tls`: what `vault.ts` is for OpenSSL, with contexts that Node owns. */
import { constants } from 'node:crypto';
import {
  createSecureContext,
  createServer,
  DEFAULT_CIPHERS,
  type SecureContext,
  type SecureContextOptions,
  type Server,
} from 'node:tls';
import type { Counters } from '../../core/counters.js';
import type { Identity, ServerPlan, TicketKey, TicketKeys, TlsPlan } from '../../core/tls-plan.js';
import type { ClientHello } from '../client-hello.js';
import { OUR_SUITES } from '../context.js';
import { FAILED, FAILED_TO_SERVERS, FULL, RESUMED, TO_SERVERS, TO_SERVERS_RESUMED } from '../counts.js';
import { TlsError } from '../errors.js';
import { chosenProtocol, findIdentity, isSealedBy } from '../names.js';
import type { Peer, TlsKeys } from '../tls-layer.js';

const KEPT = 1024;

/** What a client's session is made of. */
export interface ServerSide {
  readonly secureContext: SecureContext;
  /** Answers what TLSSocket asks a server: the stapled response. */
  readonly server: Server | undefined;
  readonly plan: ServerPlan;
  readonly protocol: string | undefined;
}

interface Contexts {
  readonly current: SecureContext;
  previous: SecureContext | undefined;
  readonly server: Server | undefined;
}

export class NodeVault implements TlsKeys {
  readonly #counters: Counters;
  #plan: ServerPlan | undefined;
  #serverCa: Uint8Array | undefined;
  #tickets: TicketKeys = [];
  readonly #contexts = new Map<Identity, Contexts>();
  readonly #sessions = new Map<string, Buffer>();
  #forAny: SecureContext | undefined;
  #forVerified: SecureContext | undefined;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  get isServing(): boolean {
    return this.#plan !== undefined;
  }

  configure(plan: TlsPlan | undefined, tickets: TicketKeys): void {
    if (plan?.serverCa !== this.#serverCa) {
      this.#serverCa = plan?.serverCa;
      this.#forVerified = undefined;
      this.#sessions.clear();
    }
    // Node keeps a key for as long as its context lives.
    if (plan?.server !== this.#plan || tickets !== this.#tickets) this.#contexts.clear();
    this.#plan = plan?.server;
    this.#tickets = tickets;
    if (this.#plan !== undefined) this.#contextsOf(this.#plan, this.#plan.identity);
  }

  /** undefined if the client's name is refused. */
  accept(hello: ClientHello): ServerSide | undefined {
    const plan = this.#plan;
    if (plan === undefined) return undefined;
    const identity = plan.names.size === 0 ? undefined : findIdentity(plan.names, hello.serverName);
    if (identity === undefined && plan.refusesUnknownNames && plan.names.size > 0) return undefined;
    const contexts = this.#contextsOf(plan, identity ?? plan.identity);
    const older = this.#tickets[1];
    let secureContext = contexts.current;
    if (older !== undefined && hello.ticketName !== undefined && isSealedBy(older, hello.ticketName)) {
      contexts.previous ??= nodeServerContext(plan, identity ?? plan.identity, older);
      secureContext = contexts.previous;
    }
    const protocol = plan.alpn[chosenProtocol(plan.alpn, hello.alpn)];
    return { secureContext, server: contexts.server, plan, protocol };
  }

  connect(peer: Peer): { secureContext: SecureContext; session: Buffer | undefined } {
    let secureContext: SecureContext;
    if (peer.verifies) secureContext = this.#forVerified ??= nodeClientContext(this.#serverCa);
    else secureContext = this.#forAny ??= nodeClientContext(undefined);
    return { secureContext, session: this.#sessions.get(keyOf(peer)) };
  }

  remember(peer: Peer, session: Buffer): void {
    const key = keyOf(peer);
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    if (this.#sessions.size > KEPT) this.#sessions.delete(this.#sessions.keys().next().value as string);
  }

  secured(isServer: boolean, isResumed: boolean): void {
    if (isServer) this.#counters.add(isResumed ? RESUMED : FULL, 1);
    else this.#counters.add(isResumed ? TO_SERVERS_RESUMED : TO_SERVERS, 1);
  }

  failed(isServer: boolean): void {
    this.#counters.add(isServer ? FAILED : FAILED_TO_SERVERS, 1);
  }

  /** Contexts are Node's to collect. */
  close(): void {
    this.#contexts.clear();
    this.#sessions.clear();
  }

  #contextsOf(plan: ServerPlan, identity: Identity): Contexts {
    let contexts = this.#contexts.get(identity);
    if (contexts === undefined) {
      const current = nodeServerContext(plan, identity, this.#tickets[0]);
      contexts = { current, previous: undefined, server: stapler(identity) };
    } else {
      this.#contexts.delete(identity);
    }
    this.#contexts.set(identity, contexts);
    if (this.#contexts.size > KEPT) this.#contexts.delete(this.#contexts.keys().next().value as Identity);
    return contexts;
  }
}

/** Throws TlsError if it cannot be used. */
export function nodeServerContext(plan: ServerPlan, identity: Identity, ticket: TicketKey | undefined): SecureContext {
  const isOurs = plan.suites === '' && plan.ciphers === '';
  const ciphers = [plan.suites || OUR_SUITES, plan.ciphers || DEFAULT_CIPHERS].join(':');
  return context({
    cert: identity.credentials.map(({ chain }) => Buffer.from(chain)),
    key: identity.credentials.map(({ key }) => Buffer.from(key)),
    ca: plan.clientCa === undefined ? [] : Buffer.from(plan.clientCa),
    ciphers,
    honorCipherOrder: isOurs || plan.serverPreference,
    minVersion: plan.hasTls12 ? 'TLSv1.2' : 'TLSv1.3',
    maxVersion: plan.hasTls13 ? 'TLSv1.3' : 'TLSv1.2',
    sessionIdContext: 'pen',
    secureOptions:
      constants.SSL_OP_NO_RENEGOTIATION |
      constants.SSL_OP_NO_COMPRESSION |
      (isOurs ? constants.SSL_OP_PRIORITIZE_CHACHA : 0) |
      (plan.compatible ? constants.SSL_OP_ALL : 0) |
      (ticket === undefined ? constants.SSL_OP_NO_TICKET : 0),
    // Node's are shorter: name 16, HMAC secret 16, AES key 16.
    ...(ticket && { ticketKeys: Buffer.concat([ticket.subarray(0, 32), ticket.subarray(48, 64)]) }),
  });
}

/** Throws TlsError. Without authorities of its own it trusts those that Node knows. */
export function nodeClientContext(ca: Uint8Array | undefined): SecureContext {
  return context({ minVersion: 'TLSv1.2', ...(ca && { ca: splitPem(ca) }) });
}

function context(options: SecureContextOptions): SecureContext {
  try {
    return createSecureContext(options);
  } catch (error) {
    throw new TlsError((error as Error).message, { cause: error });
  }
}

function splitPem(pem: Uint8Array): string[] {
  return (
    Buffer.from(pem)
      .toString('latin1')
      .match(/-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g) ?? []
  );
}

/**
 * TLSSocket asks the server that it is said to belong to, but not for which certificate: with several kinds of key there
 * is no stapling.
 */
function stapler({ credentials }: Identity): Server | undefined {
  const [credential] = credentials;
  const response = credential?.ocsp;
  if (credential === undefined || response === undefined || credentials.length > 1) return undefined;
  const server = createServer({ cert: Buffer.from(credential.chain), key: Buffer.from(credential.key) });
  return server.on('OCSPRequest', (_certificate, _issuer, answer) => answer(null, Buffer.from(response)));
}

function keyOf({ verifies, endpoint, name }: Peer): string {
  return `${verifies ? 'verify' : 'any'} ${endpoint} ${name}`;
}
