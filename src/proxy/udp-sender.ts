/**
 * Datagrams on their way to the servers of their sessions: with a PROXY header where the server wants one, kept until they
 * are answered, and sent again where the session has moved.
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import type { IpEndpoint, IpWords } from '../core/address.js';
import { type Configuration, NONE } from '../core/configuration.js';
import type { ServerTable } from '../core/server-table.js';
import type { TimerWheel } from '../core/timer-wheel.js';
import type { Datagrams } from '../engine/datagrams.js';
import type { ProxyHeader } from '../wire/proxy-protocol/header.js';
import type { ConnectionLog } from './connection-log.js';
import type { DatagramHeaders } from './datagram-headers.js';
import type { KeptDatagrams } from './kept-datagrams.js';
import type { UdpSessionTable } from './udp-session-table.js';
import type { UdpTraffic } from './udp-traffic.js';

export interface UdpSenderParts {
  readonly engine: Datagrams;
  readonly sessions: UdpSessionTable;
  readonly servers: ServerTable;
  readonly headers: DatagramHeaders;
  readonly kept: KeptDatagrams;
  readonly traffic: UdpTraffic;
  readonly log: ConnectionLog;
  readonly wheel: TimerWheel;
}

export class UdpSender {
  /** Some server wants a PROXY header. */
  introduces = false;
  /** Where clients' datagrams come in; undefined: they do not yet. */
  bound: IpEndpoint | undefined;
  readonly #engine: Datagrams;
  readonly #sessions: UdpSessionTable;
  readonly #servers: ServerTable;
  readonly #headers: DatagramHeaders;
  readonly #kept: KeptDatagrams;
  readonly #traffic: UdpTraffic;
  readonly #log: ConnectionLog;
  readonly #wheel: TimerWheel;
  /** `udp_expect`; 0: an answer is not waited for. */
  #expectMs = 0;

  constructor(parts: UdpSenderParts) {
    this.#engine = parts.engine;
    this.#sessions = parts.sessions;
    this.#servers = parts.servers;
    this.#headers = parts.headers;
    this.#kept = parts.kept;
    this.#traffic = parts.traffic;
    this.#log = parts.log;
    this.#wheel = parts.wheel;
  }

  configure({ settings, servers }: Configuration): void {
    this.#expectMs = settings.udpExpectSec * 1000;
    this.introduces = servers.some(({ proxy }) => proxy !== 'off');
  }

  /** What servers are told of the client of a new session, that of the datagram at hand; `header` is a proxy's. */
  introduce(row: number, header: ProxyHeader | undefined): void {
    if (!this.introduces) return;
    const { rows } = this.#sessions;
    const { local } = this.#engine;
    const bound = this.bound as IpEndpoint;
    const here = local.some((word) => word !== 0) ? { ...bound, address: words(local) } : bound;
    this.#headers.begin(row, words(rows.address(row)), rows.peerPort[row], here, header);
  }

  /** A client's datagram to its session's server, whose turn it is to answer. */
  forward(row: number, at: number, length: number): void {
    const now = this.#engine.now();
    const sessions = this.#sessions;
    this.#send(row, at, length);
    sessions.keptAt[row] = this.#kept.keep(at, length);
    sessions.keptLength[row] = length;
    sessions.requests[row] += 1;
    sessions.rows.firstServer[row] = NONE;
    sessions.rows.lastActiveMs[row] = now;
    sessions.touch(row);
    this.#traffic.sent(row, length, now);
    if (this.#log.isOn) this.#log.clientSentDatagram(row, this.#engine.memory, at, length, now);
    if (sessions.waitingSinceMs[row] !== 0) {
      sessions.unanswered[row] += 1;
    } else {
      sessions.waitingSinceMs[row] = now;
      sessions.unanswered[row] = 1;
      if (this.#expectMs > 0) this.#wheel.arm(2 * row + 1, now + this.#expectMs);
    }
  }

  /** To the server that the session has now. The client has sent it once, so only the server's count grows. */
  sendAgain(row: number, at: number, length: number): void {
    this.#send(row, at, length);
    this.#servers.state.addSent(this.#sessions.rows.server[row], length);
  }

  /** The last datagram that has not been answered, if it is still there. */
  sendKept(row: number): void {
    const at = this.#kept.find(this.#sessions.keptAt[row]);
    if (at >= 0) this.sendAgain(row, at, this.#sessions.keptLength[row]);
  }

  /** A datagram has not left this host: nobody can answer it, so the server's silence about it means nothing. */
  unsent(row: number): void {
    const sessions = this.#sessions;
    sessions.requests[row] -= 1;
    if (sessions.waitingSinceMs[row] === 0) return;
    sessions.unanswered[row] -= 1;
    if (sessions.unanswered[row] > 0) return;
    sessions.waitingSinceMs[row] = 0;
    sessions.keptAt[row] = NONE;
  }

  #send(row: number, at: number, length: number): void {
    const { rows } = this.#sessions;
    const socket = rows.serverSocket[row];
    if (!this.introduces || this.#servers.spec(rows.server[row]).proxy === 'off') {
      this.#engine.send(socket, at, length, row);
    } else {
      const together = this.#headers.put(row, at, length);
      this.#engine.send(socket, together, this.#headers.lengthOf(row) + length, row);
    }
  }
}

function words(address: Int32Array): IpWords {
  return [address[0], address[1], address[2], address[3]];
}
