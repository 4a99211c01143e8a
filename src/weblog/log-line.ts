/**
 * Lines as pen and web servers write them, taken apart. Text is Latin 1: a character a byte, so that nothing of it is lost.
 * Everything here comes from strangers: what does not fit is undefined, never an exception.
 */
import { formatIp, parseIp } from '../core/address.js';
import { escapeText, printable } from './escape.js';
import { TEXT_BYTES } from './record.js';

/** The longest line that is looked at; the rest of a longer one is cut off. */
export const MAX_LINE_CHARACTERS = 8192;

/** What pen tells of a request. */
export interface PenLine {
  readonly client: string;
  readonly server: string;
  /** Comparable with that of a web server's line. */
  readonly request: string;
  /** Seconds since 1970; undefined in a datagram. */
  readonly timeSec: number | undefined;
}

/** What a web server tells of it, in the common log format or one that begins alike. */
export interface WebLine {
  /** The line after its first field, a blank first. */
  readonly rest: string;
  readonly request: string;
  /** Seconds since 1970, from the stamp in brackets; undefined if there is none. */
  readonly timeSec: number | undefined;
}

/** `+ CLIENT SERVER FIRST_LINE`, as pen sends it to penlogd. */
export function parsePenDatagram(line: string): PenLine | undefined {
  const match = /^\+ (\S+) (\S+) (.*)$/s.exec(line);
  return match === null ? undefined : penLine(match[1], match[2], match[3], undefined);
}

/** `CLIENT UNIX_TIME SERVER FIRST_LINE`, as pen writes it to a file. */
export function parsePenFileLine(line: string): PenLine | undefined {
  const match = /^(\S+) (\d{1,12}) (\S+) (.*)$/s.exec(line);
  return match === null ? undefined : penLine(match[1], match[3], match[4], Number(match[2]));
}

function penLine(client: string, server: string, request: string, timeSec: number | undefined): PenLine | undefined {
  // Names are possible: C Pen's relatives resolve addresses.
  if (!/^[\w.:%-]{1,64}$/.test(client)) return undefined;
  return { client, server: canonicalAddress(server), request: comparable(request), timeSec };
}

export function parseWebLine(line: string): WebLine | undefined {
  const match = /^[^\s"]+( [^"]*)"((?:[^"\\]|\\.)*)(?:"|$)/s.exec(line.slice(0, MAX_LINE_CHARACTERS));
  if (match === null) return undefined;
  const rest = line.slice(line.indexOf(' '), MAX_LINE_CHARACTERS);
  return { rest, request: comparable(unescapeField(match[2])), timeSec: parseStamp(match[1]) };
}

/** An address in the one way of writing it; what is none stays as it is. */
export function canonicalAddress(text: string): string {
  const words = parseIp(text.replace(/%.*$/s, ''));
  return words === undefined ? text : formatIp(words);
}

/** As it may be shown and written: control characters and what is not ASCII as \xhh. */
export function shown(line: string): string {
  // Most lines are clean already.
  return /^[ -~]*$/.test(line) ? line : escapeText(printable, Buffer.from(line, 'latin1'));
}

/** What pen keeps of a first line: 100 bytes, a dot for each that is not printable ASCII. */
function comparable(request: string): string {
  return request.slice(0, TEXT_BYTES).replace(/[^ -~]/g, '.');
}

const UNESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', v: '\v', f: '\f' };

/** nginx writes \x22, Apache \" and \n; both write \xhh. */
function unescapeField(field: string): string {
  if (!field.includes('\\')) return field;
  return field.replace(/\\(?:x([0-9A-Fa-f]{2})|(.))/gs, (_, hex: string | undefined, one: string) =>
    hex === undefined ? (UNESCAPED[one] ?? one) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';

/** `[23/Nov/2026:00:54:51 +0100]`. */
function parseStamp(text: string): number | undefined {
  const match = /\[(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\]/.exec(text);
  if (match === null) return undefined;
  const [, day, month, year, hour, minute, second, sign, zoneHour, zoneMinute] = match;
  const at = MONTHS.indexOf(month);
  if (at % 3 !== 0) return undefined;
  const utcMs = Date.UTC(Number(year), at / 3, Number(day), Number(hour), Number(minute), Number(second));
  const zoneSec = (Number(zoneHour) * 60 + Number(zoneMinute)) * 60;
  return utcMs / 1000 - (sign === '+' ? zoneSec : -zoneSec);
}
