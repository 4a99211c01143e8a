/**
 * A JSON object a line, for programs. `type` is `request` (HTTP, when it has been answered), `connection` (TCP) or
 * `session` (UDP), when that has ended. Addresses are null for Unix sockets and where there was no server.
 */
import { jsonString } from './escape.js';
import { putClient, putServer, putText, tlsFactsOf } from './fields.js';
import type { LineBuffer } from './line-buffer.js';
import type { Surroundings, WriteLine } from './log-format.js';
import type { LogRing } from './log-ring.js';
import {
  BEGAN,
  BYTES_DOWN,
  BYTES_UP,
  CONNECTED,
  ENDINGS,
  endingIn,
  flagsIn,
  IS_HTTP,
  IS_UDP,
  IS_UNIX_CLIENT,
  IS_UNIX_SERVER,
  KIND,
  kindIn,
  LASTED,
  PORTS,
  REQUESTS,
  SERVER,
  STATUS,
  textLengthIn,
} from './record.js';
import { tlsJson } from './tls-facts.js';

export function jsonLines(): WriteLine {
  let second = Number.NaN;
  /** `2026-11-23T00:54:51.` of that second. */
  let stamp = '';
  return (line: LineBuffer, ring: LogRing, at: number, surroundings: Surroundings): void => {
    const head = ring.words[at];
    const kind = kindIn(head);
    if (kind === KIND.request) return;
    const began = Math.floor(ring.doubles[(at + BEGAN) >> 1] + surroundings.wallShiftMs);
    const beganSecond = Math.floor(began / 1000);
    if (beganSecond !== second) {
      second = beganSecond;
      stamp = new Date(beganSecond * 1000).toISOString().slice(0, 20);
    }
    line.put('{"time":"');
    line.put(stamp);
    const ms = began - beganSecond * 1000;
    line.put(ms < 10 ? '00' : ms < 100 ? '0' : '');
    line.number(ms);
    putSides(line, ring, at, surroundings);
    if (kind === KIND.exchange) putExchange(line, ring, at);
    else putConnection(line, ring, at);
    const tls = tlsFactsOf(ring, at);
    if (tls !== undefined) line.put(`,"tls":${tlsJson(tls)}`);
    line.put('}');
    line.endLine();
  };
}

function putSides(line: LineBuffer, ring: LogRing, at: number, surroundings: Surroundings): void {
  const flags = flagsIn(ring.words[at]);
  const isSession = (flags & IS_UDP) !== 0;
  const isRequest = kindIn(ring.words[at]) === KIND.exchange;
  line.put(`Z","type":"${isRequest ? 'request' : isSession ? 'session' : 'connection'}","client":`);
  if ((flags & IS_UNIX_CLIENT) !== 0) line.put('null');
  else {
    line.put('"');
    putClient(line, ring, at, '');
    line.put('","client_port":');
    line.number(ring.words[at + PORTS] & 0xffff);
  }
  line.put(',"server":');
  if (ring.words[at + SERVER] < 0) line.put('null');
  else {
    line.put('"');
    putServer(line, ring, at, surroundings, '', jsonString);
    line.put('"');
    if ((flags & IS_UNIX_SERVER) === 0) {
      line.put(',"server_port":');
      line.number(ring.words[at + PORTS] >>> 16);
    }
  }
}

function putExchange(line: LineBuffer, ring: LogRing, at: number): void {
  line.put(',"request":"');
  putText(line, ring, at, jsonString);
  line.put('","status":');
  const status = ring.words[at + STATUS] & 0xffff;
  if (status > 0) line.number(status);
  else line.put('null');
  putTraffic(line, ring, at);
}

function putConnection(line: LineBuffer, ring: LogRing, at: number): void {
  const head = ring.words[at];
  if ((flagsIn(head) & IS_HTTP) !== 0) {
    line.put(',"requests":');
    line.number(ring.words[at + REQUESTS]);
  } else if (textLengthIn(head) > 0) {
    line.put(',"first_line":"');
    putText(line, ring, at, jsonString);
    line.put('"');
  }
  putTraffic(line, ring, at);
  const connected = ring.words[at + CONNECTED];
  if (connected >= 0 && (flagsIn(head) & IS_UDP) === 0) {
    line.put(',"connect_ms":');
    line.number(connected);
  }
  line.put(`,"end":"${ENDINGS[endingIn(head)]}"`);
}

function putTraffic(line: LineBuffer, ring: LogRing, at: number): void {
  line.put(',"bytes_up":');
  line.number(ring.doubles[(at + BYTES_UP) >> 1]);
  line.put(',"bytes_down":');
  line.number(ring.doubles[(at + BYTES_DOWN) >> 1]);
  line.put(',"ms":');
  line.number(ring.words[at + LASTED]);
}
