/**
 * The common log format, as web servers write it and as programs that count visitors read it:
 * `CLIENT - USER [23/Nov/2026:00:54:51 +0000] "FIRST_LINE" STATUS BYTES`. A line an answered request; for what is not HTTP
 * a line a connection. USER is the name in the client's verified certificate. Bytes are those to the client, heads included; times are UTC.
 */
import { quotedField } from './escape.js';
import { putClient, putText, tlsFactsOf } from './fields.js';
import type { LineBuffer } from './line-buffer.js';
import type { Surroundings, WriteLine } from './log-format.js';
import type { LogRing } from './log-ring.js';
import { BEGAN, BYTES_DOWN, KIND, kindIn, REQUESTS, STATUS, textLengthIn } from './record.js';
import { tlsUser } from './tls-facts.js';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export function clfLines(): WriteLine {
  let second = Number.NaN;
  let stamp = '';
  return (line: LineBuffer, ring: LogRing, at: number, surroundings: Surroundings): void => {
    const head = ring.words[at];
    const kind = kindIn(head);
    if (kind === KIND.request || (kind === KIND.connection && ring.words[at + REQUESTS] > 0)) return;
    const began = Math.floor((ring.doubles[(at + BEGAN) >> 1] + surroundings.wallShiftMs) / 1000);
    if (began !== second) {
      second = began;
      stamp = clfTime(began * 1000);
    }
    putClient(line, ring, at, 'unix');
    const tls = tlsFactsOf(ring, at);
    line.put(tls === undefined ? ' - - [' : ` - ${tlsUser(tls)} [`);
    line.put(stamp);
    line.put('] "');
    if (textLengthIn(head) > 0) putText(line, ring, at, quotedField);
    else line.put('-');
    line.put('" ');
    const status = ring.words[at + STATUS] & 0xffff;
    if (status > 0) line.number(status);
    else line.put('-');
    line.put(' ');
    line.number(ring.doubles[(at + BYTES_DOWN) >> 1]);
    line.endLine();
  };
}

/** `23/Nov/2026:00:54:51 +0000`. */
export function clfTime(wallMs: number): string {
  const time = new Date(wallMs).toISOString();
  return `${time.slice(8, 10)}/${MONTHS[Number(time.slice(5, 7)) - 1]}/${time.slice(0, 4)}:${time.slice(11, 19)} +0000`;
}
