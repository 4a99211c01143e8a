/**
 * TLS as a layer of the engine seam: what the proxy sees of it. Sockets that have been secured carry plaintext above and
 * ciphertext below, all others pass through. Two implementations: `tls-engine.ts` on Node's own OpenSSL by FFI, and where
 * that is not to be had, `node/node-tls-engine.ts` on `node:tls`.
 */
import type { TicketKeys, TlsPlan } from '../core/tls-plan.js';
import type { Engine, EngineHandler } from '../engine/engine.js';
import type { TlsInfo } from './info.js';

/** What is above a TLS layer. */
export interface TlsHandler extends EngineHandler {
  /** The handshake that `acceptTls` or `connectTls` began has ended: 0, or -errno (EPROTO ...) and the socket is to be closed. */
  secured(socket: number, result: number): void;
}

/** Whom a session to a server is with. */
export interface Peer {
  /** What it is reached at: sessions are resumed only there. */
  readonly endpoint: string;
  /** Named in SNI and, where certificates are checked, expected in the certificate; '' = none. */
  readonly name: string;
  /** The same as an address, which SNI does not carry. */
  readonly isAddress: boolean;
  readonly verifies: boolean;
}

export interface TlsLayer extends Engine {
  /**
   * The socket speaks TLS from now on and we are the server; `secured` tells how the handshake ended. Nothing of it may
   * have been received, except what is handed over here: `buffer` (which the engine takes) from `at` to `end`.
   */
  acceptTls(socket: number, buffer?: number, at?: number, end?: number): void;
  /** The same with us as the client; the socket is connected and nothing of TLS has been sent. */
  connectTls(socket: number, peer: Peer): void;
  /** The name that the client has asked for in its handshake, '' = none. */
  serverName(socket: number): string;
  /** The subject of the certificate that the client has shown (RFC 2253), verified; '' = none. */
  clientName(socket: number): string;
  /** What has been agreed with the peer, undefined while there is no session. Not for the hot path. */
  tlsInfo(socket: number): TlsInfo | undefined;
  /** Why the handshake came to nothing, '' if it did not. */
  tlsFailure(socket: number): string;
  /** Its stream has ended without the notice of TLS (close_notify): its peer is careless, or somebody else has cut it. */
  isCut(socket: number): boolean;
  /** What is to be sent next ends it, and no notice says that this is the whole. */
  endWithoutNotice(socket: number): void;
}

/** A thread's certificates and tickets, as the configuration has them, and its counts. */
export interface TlsKeys {
  /** Clients are to speak TLS. */
  readonly isServing: boolean;
  /** Takes over a new plan; throws TlsError if the default certificate cannot be used. */
  configure(plan: TlsPlan | undefined, tickets: TicketKeys): void;
  /** Counts a handshake that came to nothing. */
  failed(isServer: boolean): void;
  close(): void;
}
