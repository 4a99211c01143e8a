/**
 * What one worker tells the log of its connections: it looks at the first line of what a client sends, counts, and puts
 * records into the worker's ring. It changes nothing and waits for nothing; while logging is off it is not called.
 *
 * The first line of a connection is taken as it comes, in as many pieces as it comes:
 *
 *   silent ──bytes──► collecting ──line end, 100 bytes, or the server speaks──► http  (after the server has spoken, a buffer
 *                         ▲                                                 │          that begins with a request line)
 *                         └───────────────── the next request ──────────────┤
 *                                                                           └► other (nothing more is looked at)
 *
 * So no header and no body is taken for a request; but requests that are sent without waiting for answers (pipelining)
 * count as one.
 *
 * Hot path: positional numbers, no objects, no closures.
 */
import type { Endpoint } from '../core/address.js';
import { NONE, type Settings } from '../core/configuration.js';
import type { LogRing } from '../weblog/log-ring.js';
import {
  BEGAN,
  BYTES_DOWN,
  BYTES_UP,
  CLIENT,
  CONNECTED,
  ENDINGS,
  type Ending,
  headOf,
  IS_HTTP,
  IS_UDP,
  IS_UNIX_CLIENT,
  IS_UNIX_SERVER,
  KIND,
  LASTED,
  PORTS,
  REQUESTS,
  SERVER,
  SERVER_ADDRESS,
  STATUS,
  TEXT_BYTES,
  TLS_BYTES,
  textWord,
  tlsWord,
  wordsOf,
} from '../weblog/record.js';
import { encodeTlsFacts, type TlsFacts } from '../weblog/tls-facts.js';
import { FROM_UNIX } from './connection-flag.js';
import type { ConnectionTable } from './connection-table.js';
import { isRequestLine, mayBeginRequest, statusOf } from './first-line.js';
import { PenlogdLine } from './penlogd-line.js';

const SILENT = 0;
const COLLECTING = 1;
const HTTP = 2;
const OTHER = 3;

const CR = 13;
const LF = 10;

export class ConnectionLog {
  /** Whether anything is to be told. */
  isOn = false;
  /** Lines a request, told when it comes (`pen`); otherwise when it has been answered. */
  #tellsAtOnce = true;
  readonly #ring: LogRing;
  readonly #table: ConnectionTable;
  readonly #flags: number;
  readonly #penlogd: PenlogdLine;

  #rows = 0;
  #toldRow = 0;
  #phase = new Uint8Array(0);
  #textLength = new Uint8Array(0);
  #text = new Uint8Array(0);
  #status = new Uint16Array(0);
  /** Records that went out, of HTTP requests, and with `pen` of any first line. */
  #requests = new Uint32Array(0);
  #beganMs = new Float64Array(0);
  /** ms from then until the server was reached. */
  #connectedMs = new Int32Array(0);
  #up = new Float64Array(0);
  #down = new Float64Array(0);
  /** When the server last said something. */
  #answeredMs = new Float64Array(0);
  /** Time and bytes at the beginning of the request under way. */
  #askedMs = new Float64Array(0);
  #askedUp = new Float64Array(0);
  #askedDown = new Float64Array(0);
  #slots = new Int32Array(0);
  /** The server it was connected to: its slot may have got another address since. */
  readonly #servers: (Endpoint | undefined)[] = [];
  /** Its client's TLS, encoded. */
  readonly #tls: (Uint8Array | undefined)[] = [];

  constructor(ring: LogRing, table: ConnectionTable, isUdp: boolean) {
    this.#ring = ring;
    this.#table = table;
    this.#flags = isUdp ? IS_UDP : 0;
    this.#penlogd = new PenlogdLine((slot) => this.#serverPath(slot));
  }

  /** Connections that are there already when logging begins count from then on. */
  configure(settings: Settings, nowMs: number): void {
    const wasOn = this.isOn;
    this.isOn = settings.log !== undefined;
    this.#tellsAtOnce = settings.logFormat === 'pen';
    this.#penlogd.configure(settings);
    if (wasOn || !this.isOn) return;
    this.#phase.fill(SILENT);
    for (let row = 0; row < this.#table.highWater; row++) this.opened(row, nowMs);
  }

  /** A connection has been accepted, or a session begun. */
  opened(row: number, nowMs: number): void {
    if (row >= this.#rows) this.#grow(row);
    this.#phase[row] = SILENT;
    this.#textLength[row] = 0;
    this.#status[row] = 0;
    this.#requests[row] = 0;
    this.#beganMs[row] = nowMs;
    this.#connectedMs[row] = NONE;
    this.#up[row] = 0;
    this.#down[row] = 0;
    this.#servers[row] = undefined;
    this.#tls[row] = undefined;
  }

  /** The client's TLS handshake is done. */
  secured(row: number, facts: TlsFacts | undefined): void {
    if (facts !== undefined && !this.#tellsAtOnce) this.#tls[row] = encodeTlsFacts(facts);
  }

  /** It is connected to a server, the one in the table. */
  reached(row: number, server: Endpoint | undefined, nowMs: number): void {
    if (this.#connectedMs[row] === NONE) this.#connectedMs[row] = nowMs - this.#beganMs[row];
    this.#servers[row] = server;
    this.#slots[row] = this.#table.server[row];
  }

  /** The client has sent this much, before the server is given it. */
  clientSent(row: number, bytes: Uint8Array, length: number, nowMs: number): void {
    const phase = this.#phase[row];
    if (phase !== OTHER) this.#look(row, phase, bytes, length, nowMs);
    this.#up[row] += length;
  }

  serverSent(row: number, bytes: Uint8Array, length: number, nowMs: number): void {
    if (this.#phase[row] === COLLECTING) this.#lineEnds(row, false, nowMs);
    if (this.#phase[row] === HTTP && this.#status[row] === 0) this.#status[row] = statusOf(bytes, length);
    this.#answeredMs[row] = nowMs;
    this.#down[row] += length;
  }

  /** Pen itself answers what the client has sent. */
  answered(row: number, status: number): void {
    if (this.#phase[row] === HTTP) this.#status[row] = status;
  }

  /** The client has sent a datagram of its session. */
  clientSentDatagram(row: number, bytes: Uint8Array, at: number, length: number, nowMs: number): void {
    if (this.#phase[row] === SILENT) {
      this.#phase[row] = COLLECTING;
      this.#collect(row, bytes, at, at + length, nowMs);
      if (this.#phase[row] === COLLECTING) this.#lineEnds(row, false, nowMs);
      this.#phase[row] = OTHER;
    }
    this.#up[row] += length;
  }

  serverSentDatagram(row: number, length: number): void {
    this.#down[row] += length;
  }

  /** It is over; its row in the table is still as it was. */
  ended(row: number, how: Ending, nowMs: number): void {
    // Accepted before logging began on a worker that has not seen that many rows.
    if (row >= this.#rows) return;
    if (this.#phase[row] === COLLECTING) this.#lineEnds(row, false, nowMs);
    const isHttp = this.#phase[row] === HTTP;
    // penlogd is for requests.
    if (this.#penlogd.isOpen) return;
    this.#endExchange(row);
    const textLength = isHttp ? 0 : this.#textLength[row];
    const at = this.#claim(row, KIND.connection, ENDINGS.indexOf(how), textLength, isHttp ? IS_HTTP : 0);
    if (at < 0) return;
    const { words, doubles } = this.#ring;
    words[at + STATUS] = 0;
    doubles[(at + BEGAN) >> 1] = this.#beganMs[row];
    doubles[(at + BYTES_UP) >> 1] = this.#up[row];
    doubles[(at + BYTES_DOWN) >> 1] = this.#down[row];
    words[at + LASTED] = nowMs - this.#beganMs[row];
    words[at + CONNECTED] = this.#connectedMs[row];
    words[at + REQUESTS] = this.#requests[row];
    this.#ring.publish();
    this.#servers[row] = undefined;
    this.#tls[row] = undefined;
  }

  #look(row: number, phase: number, bytes: Uint8Array, length: number, nowMs: number): void {
    let at = 0;
    if (phase === HTTP) {
      if (this.#down[row] === this.#askedDown[row] || !mayBeginRequest(bytes, 0, length)) return;
      this.#endExchange(row);
      this.#begin(row, nowMs);
    } else if (phase === SILENT) {
      // RFC 9112 section 2.2: empty lines before a request are none of it.
      while (at < length && (bytes[at] === CR || bytes[at] === LF)) at++;
      if (at === length) return;
      this.#begin(row, nowMs);
    }
    this.#collect(row, bytes, at, length, nowMs);
  }

  #begin(row: number, nowMs: number): void {
    this.#phase[row] = COLLECTING;
    this.#textLength[row] = 0;
    this.#status[row] = 0;
    this.#askedMs[row] = nowMs;
    this.#answeredMs[row] = nowMs;
    this.#askedUp[row] = this.#up[row];
    this.#askedDown[row] = this.#down[row];
  }

  #collect(row: number, bytes: Uint8Array, from: number, end: number, nowMs: number): void {
    const text = this.#text;
    const start = row * TEXT_BYTES;
    let length = this.#textLength[row];
    for (let at = from; at < end; at++) {
      const byte = bytes[at];
      if (byte === LF) {
        this.#textLength[row] = length > 0 && text[start + length - 1] === CR ? length - 1 : length;
        this.#lineEnds(row, false, nowMs);
        return;
      }
      if (length === TEXT_BYTES) {
        this.#textLength[row] = length;
        this.#lineEnds(row, true, nowMs);
        return;
      }
      text[start + length++] = byte;
    }
    this.#textLength[row] = length;
  }

  /** The first line, or as much of it as is kept, is there. */
  #lineEnds(row: number, isCut: boolean, nowMs: number): void {
    const length = this.#textLength[row];
    const isHttp = isRequestLine(this.#text, row * TEXT_BYTES, length, isCut);
    if (!isHttp && this.#requests[row] > 0) {
      // It only looked like a request.
      this.#phase[row] = HTTP;
      this.#textLength[row] = 0;
      this.#askedDown[row] = NONE;
      return;
    }
    this.#phase[row] = isHttp ? HTTP : OTHER;
    if (this.#tellsAtOnce) this.#tellRequest(row, isHttp ? IS_HTTP : 0, nowMs);
    else if (isHttp) this.#requests[row]++;
  }

  #tellRequest(row: number, flags: number, nowMs: number): void {
    this.#requests[row]++;
    const at = this.#claim(row, KIND.request, 0, this.#textLength[row], flags);
    if (at < 0) return;
    this.#ring.words[at + STATUS] = 0;
    this.#ring.doubles[(at + BEGAN) >> 1] = nowMs;
    this.#textLength[row] = 0;
    if (!this.#penlogd.isOpen) {
      this.#ring.publish();
      return;
    }
    // What is not published is written over by the next record.
    this.#toldRow = row;
    const result = this.#penlogd.send(this.#ring, at);
    if (result < 0) this.#ring.lose(-result);
  }

  /** The path of the server whose line is being written. */
  #serverPath(slot: number): string {
    const server = this.#servers[this.#toldRow];
    return server?.kind === 'unix' ? server.path : String(slot);
  }

  /** The request under way, if there is one and it has not been told, has been answered. */
  #endExchange(row: number): void {
    if (this.#phase[row] !== HTTP || this.#textLength[row] === 0) return;
    const at = this.#claim(row, KIND.exchange, 0, this.#textLength[row], IS_HTTP);
    this.#textLength[row] = 0;
    if (at < 0) return;
    const { words, doubles } = this.#ring;
    words[at + STATUS] = this.#status[row];
    doubles[(at + BEGAN) >> 1] = this.#askedMs[row];
    doubles[(at + BYTES_UP) >> 1] = this.#up[row] - this.#askedUp[row];
    doubles[(at + BYTES_DOWN) >> 1] = this.#down[row] - this.#askedDown[row];
    words[at + LASTED] = this.#answeredMs[row] - this.#askedMs[row];
    words[at + CONNECTED] = NONE;
    words[at + REQUESTS] = 0;
    this.#ring.publish();
  }

  /** The word of a record with head, addresses and text; NONE if the ring is full. */
  #claim(row: number, kind: number, ending: number, textLength: number, more: number): number {
    const tls = kind === KIND.request ? undefined : this.#tls[row];
    const length = wordsOf(kind, textLength, tls?.length);
    const at = this.#ring.claim(length);
    if (at < 0) return NONE;
    const { words, bytes } = this.#ring;
    const table = this.#table;
    const server = this.#servers[row];
    let flags = this.#flags | more;
    if ((table.flags[row] & FROM_UNIX) !== 0) flags |= IS_UNIX_CLIENT;
    let serverPort = 0;
    words[at + SERVER] = server === undefined ? NONE : this.#slots[row];
    if (server?.kind === 'ip') {
      const { address } = server;
      for (let i = 0; i < 4; i++) words[at + SERVER_ADDRESS + i] = address[i];
      serverPort = server.port;
    } else if (server !== undefined) flags |= IS_UNIX_SERVER;
    words[at] = headOf(length, kind, ending, textLength, flags);
    for (let i = 0; i < 4; i++) words[at + CLIENT + i] = table.peer[row * 4 + i];
    words[at + PORTS] = table.peerPort[row] | (serverPort << 16);
    const text = row * TEXT_BYTES;
    const to = (at + textWord(kind)) * 4;
    for (let i = 0; i < textLength; i++) bytes[to + i] = this.#text[text + i];
    if (kind === KIND.request) return at;
    words[at + TLS_BYTES] = tls?.length ?? 0;
    if (tls !== undefined) bytes.set(tls, (at + tlsWord(kind, textLength)) * 4);
    return at;
  }

  #grow(row: number): void {
    const rows = Math.max(1024, 2 ** Math.ceil(Math.log2(row + 1)));
    this.#rows = rows;
    this.#phase = grown(this.#phase, new Uint8Array(rows));
    this.#textLength = grown(this.#textLength, new Uint8Array(rows));
    this.#text = grown(this.#text, new Uint8Array(rows * TEXT_BYTES));
    this.#status = grown(this.#status, new Uint16Array(rows));
    this.#requests = grown(this.#requests, new Uint32Array(rows));
    this.#beganMs = grown(this.#beganMs, new Float64Array(rows));
    this.#slots = grown(this.#slots, new Int32Array(rows));
    this.#connectedMs = grown(this.#connectedMs, new Int32Array(rows));
    this.#up = grown(this.#up, new Float64Array(rows));
    this.#down = grown(this.#down, new Float64Array(rows));
    this.#answeredMs = grown(this.#answeredMs, new Float64Array(rows));
    this.#askedMs = grown(this.#askedMs, new Float64Array(rows));
    this.#askedUp = grown(this.#askedUp, new Float64Array(rows));
    this.#askedDown = grown(this.#askedDown, new Float64Array(rows));
    while (this.#servers.length < rows) {
      this.#servers.push(undefined);
      this.#tls.push(undefined);
    }
  }
}

function grown<T extends Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array>(before: T, after: T): T {
  after.set(before);
  return after;
}
