/** What the layer on `node:tls` knows of one socket that it secures. */
import type { TLSSocket } from 'node:tls';
import { GOES_ON } from '../link.js';
import type { Wire } from './wire.js';

export class NodeLink {
  readonly socket: number;
  readonly isServer: boolean;
  state: 'hello' | 'shaking' | 'open' | 'broken' | 'lingering' = 'hello';
  wire: Wire | undefined;
  tls: TLSSocket | undefined;
  serverName = '';
  failure = '';
  asksClients = false;
  /** The part of a ClientHello that has come. */
  hello: Uint8Array | undefined;
  isAsked = false;
  isPromised = false;
  /** Plaintext that has come and not been delivered. */
  held: Buffer | undefined;
  end = GOES_ON;
  /** A reply that goes before the close where there is no session: an alert. */
  isAlerting = false;

  constructor(socket: number, isServer: boolean) {
    this.socket = socket;
    this.isServer = isServer;
  }
}
