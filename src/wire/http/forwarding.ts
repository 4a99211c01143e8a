/**
 * What a request says about its client, put right in the buffer where its head stands: X-Forwarded-For and
 * X-Forwarded-Proto, X-Forwarded-Client-Cert where it has shown one, and `Forwarded` (RFC 7239) where asked for. From a client that is trusted (a proxy of one's own)
 * what it says stays and is extended; from all others it is removed, every X-Forwarded-... of it.
 *
 * An upgrade to HTTP/2 is removed too: behind it, requests would pass that nobody looks at (RFC 9113 has given it up).
 *
 * Hot path: one insertion for the usual request; a second pass over the head only if it has such fields.
 */
import { formatIp, isV4 } from '../../core/address.js';
import { octetsOf } from '../text.js';
import { FIELD, fieldNamed, IDENTITY } from './field-names.js';
import type { HeadScanner } from './head-scanner.js';
import { COLON, LF, SP } from './octets.js';

/** The most that `putForwarding` adds to a head. */
export const MAX_ADDED = 768;
/** The longest X-Forwarded-Client-Cert; a longer name is not told at all, rather than cut to what may be another's. */
const MAX_CERTIFICATE = 512;

const REMOVABLE = IDENTITY | FIELD.upgrade | FIELD.http2Settings;
const NOTHING = new Uint8Array(0);

export interface ClientFacts {
  /** Its IP address as in core/address; undefined: it has none (a Unix socket). */
  readonly address: ArrayLike<number> | undefined;
  readonly isSecure: boolean;
  /** The subject of its verified certificate (RFC 2253), '' or left out = none. */
  readonly certificate?: string | undefined;
  readonly isTrusted: boolean;
  /** Whether `Forwarded` is said as well. */
  readonly withForwarded: boolean;
}

/** What there is to say about the client of one connection, as bytes. */
export class Forwarding {
  readonly isTrusted: boolean;
  /** Whole lines, for a client of whom nothing is kept. */
  readonly lines: Uint8Array;
  readonly forLine: Uint8Array;
  readonly protoLine: Uint8Array;
  readonly certificateLine: Uint8Array;
  readonly forwardedLine: Uint8Array;
  /** What a list that is there already is extended by. */
  readonly forElement: Uint8Array;
  readonly forwardedElement: Uint8Array;

  constructor({ address, isSecure, certificate, isTrusted, withForwarded }: ClientFacts) {
    const ip = address === undefined ? 'unknown' : formatIp(address);
    const node = address === undefined || isV4(address) ? ip : `"[${ip}]"`;
    const proto = isSecure ? 'https' : 'http';
    const element = `for=${node};proto=${proto}`;
    this.isTrusted = isTrusted;
    this.forLine = octetsOf(`X-Forwarded-For: ${ip}\r\n`);
    this.protoLine = octetsOf(`X-Forwarded-Proto: ${proto}\r\n`);
    this.certificateLine = certificateLine(certificate ?? '');
    this.forwardedLine = withForwarded ? octetsOf(`Forwarded: ${element}\r\n`) : NOTHING;
    this.forElement = octetsOf(`, ${ip}`);
    this.forwardedElement = withForwarded ? octetsOf(`, ${element}`) : NOTHING;
    this.lines = Uint8Array.of(...this.forLine, ...this.protoLine, ...this.certificateLine, ...this.forwardedLine);
  }
}

/** As Envoy spells it: a list of elements, of which each proxy that has checked a certificate adds one. */
function certificateLine(subject: string): Uint8Array {
  if (subject === '') return NOTHING;
  const quoted = subject.replace(/["\\]/g, '\\$&');
  const line = new TextEncoder().encode(`X-Forwarded-Client-Cert: Subject="${quoted}"\r\n`);
  return line.length > MAX_CERTIFICATE ? NOTHING : line;
}

/**
 * Puts `client` into the head at `bytes[start..]`, which `scanner` has found sound; `end` is the end of all that stands
 * behind it in the buffer, which moves along and needs MAX_ADDED bytes of room. Returns the new `end`.
 */
export function putForwarding(
  bytes: Uint8Array,
  start: number,
  end: number,
  scanner: HeadScanner,
  client: Forwarding,
): number {
  let headEnd = start + scanner.length;
  if (scanner.skipped > 0) {
    bytes.copyWithin(start, start + scanner.skipped, end);
    headEnd -= scanner.skipped;
    end -= scanner.skipped;
  }
  // Before the empty line.
  if ((scanner.fields & REMOVABLE) === 0) return insert(bytes, headEnd - 2, end, client.lines);
  return revise(bytes, start, headEnd, end, client);
}

/** Drops the lines that may not pass, and extends or adds ours. */
function revise(bytes: Uint8Array, start: number, headEnd: number, end: number, client: Forwarding): number {
  let to = start;
  let forEnd = 0;
  let forwardedEnd = 0;
  let hasProto = false;
  for (let line = start, next = 0; line < headEnd; line = next) {
    next = bytes.indexOf(LF, line) + 1;
    const field = line === start || next === headEnd ? 0 : fieldOfLine(bytes, line);
    if (!passes(field, bytes, line, next, client)) continue;
    if (to !== line) bytes.copyWithin(to, line, next);
    to += next - line;
    // Of several lines the last is extended: together they are one list (RFC 9110 5.3).
    if (field === FIELD.forwardedFor) forEnd = to - 2;
    else if (field === FIELD.forwarded) forwardedEnd = to - 2;
    else if (field === FIELD.forwardedProto) hasProto = true;
  }
  if (to !== headEnd) bytes.copyWithin(to, headEnd, end);
  let last = end - (headEnd - to);
  const empty = to - 2;
  if (forwardedEnd === 0) last = insert(bytes, empty, last, client.forwardedLine);
  last = insert(bytes, empty, last, client.certificateLine);
  if (!hasProto) last = insert(bytes, empty, last, client.protoLine);
  if (forEnd === 0) last = insert(bytes, empty, last, client.forLine);
  // The later one first, so that it does not move before its turn.
  if (forwardedEnd > forEnd) last = insert(bytes, forwardedEnd, last, client.forwardedElement);
  if (forEnd > 0) last = insert(bytes, forEnd, last, client.forElement);
  if (forwardedEnd > 0 && forwardedEnd < forEnd) last = insert(bytes, forwardedEnd, last, client.forwardedElement);
  return last;
}

function passes(field: number, bytes: Uint8Array, line: number, next: number, client: Forwarding): boolean {
  if (field === FIELD.http2Settings) return false;
  if (field === FIELD.upgrade) return !isHttp2(bytes, line, next);
  return (field & IDENTITY) === 0 || client.isTrusted;
}

function fieldOfLine(bytes: Uint8Array, line: number): number {
  return fieldNamed(bytes, line, bytes.indexOf(COLON, line));
}

/** An Upgrade field that offers h2c, or whatever else begins so. */
function isHttp2(bytes: Uint8Array, line: number, next: number): boolean {
  for (let i = line; i + 2 < next; i++) {
    const isStart = bytes[i - 1] <= SP || bytes[i - 1] === COLON || bytes[i - 1] === 0x2c;
    if (isStart && (bytes[i] | 0x20) === 0x68 && bytes[i + 1] === 0x32) return true;
  }
  return false;
}

function insert(bytes: Uint8Array, at: number, end: number, what: Uint8Array): number {
  if (what.length === 0) return end;
  bytes.copyWithin(at + what.length, at, end);
  bytes.set(what, at);
  return end + what.length;
}
