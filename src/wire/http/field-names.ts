/**
 * The field names that mean something to Pen, as a table that a scanner walks a byte at a time, whatever the case:
 *
 *     next = NAMES[(node << 7) | octet]       0: no byte of a name      1: a name of no interest
 *
 * Names that say who the client is are known with `_` for `-` too: to a CGI program or a WSGI server both are
 * HTTP_X_FORWARDED_FOR, and the client could have the last word.
 */
import { OCTETS, TOKEN } from './octets.js';

/** What a name is; a bit each, so that a head can say which it has. */
export const FIELD = {
  contentLength: 1,
  transferEncoding: 2,
  host: 4,
  connection: 8,
  upgrade: 16,
  http2Settings: 32,
  forwardedFor: 64,
  forwardedProto: 128,
  /** Any other X-Forwarded-...: host, port, prefix ... */
  forwardedOther: 256,
  /** RFC 7239 */
  forwarded: 512,
} as const;

/** Fields by which a client, or a proxy before it, says who it is. */
export const IDENTITY = FIELD.forwardedFor | FIELD.forwardedProto | FIELD.forwardedOther | FIELD.forwarded;

const names: ReadonlyArray<readonly [string, number]> = [
  ['content-length', FIELD.contentLength],
  ['transfer-encoding', FIELD.transferEncoding],
  ['host', FIELD.host],
  ['connection', FIELD.connection],
  ['upgrade', FIELD.upgrade],
  ['http2-settings', FIELD.http2Settings],
  ['x-forwarded-for', FIELD.forwardedFor],
  ['x-forwarded-proto', FIELD.forwardedProto],
  ['forwarded', FIELD.forwarded],
];
const OPEN_PREFIX = 'x-forwarded-';

/** The node of a name that has not begun. */
export const NAME_START = 2;
/** The node of every name that is none of these. */
const UNKNOWN = 1;
/** The node of every name that begins with the open prefix and is none of these. */
const OPEN = 3;
const COLUMNS = 128;

const rows: Uint8Array[] = [new Uint8Array(COLUMNS), rowTo(UNKNOWN), rowTo(UNKNOWN), rowTo(OPEN)];
const meanings: number[] = [0, 0, 0, FIELD.forwardedOther];
for (const [name, field] of names) addName(name, field);

export const NAMES = new Uint8Array(rows.length * COLUMNS);
for (const [node, row] of rows.entries()) NAMES.set(row, node * COLUMNS);

/** The FIELD that a node stands for once its name has ended, 0 for names of no interest. */
export const FIELD_OF_NODE = Uint16Array.from(meanings);

/** The FIELD that `bytes[start..end)` names, 0 if none. */
export function fieldNamed(bytes: Uint8Array, start: number, end: number): number {
  let node = NAME_START;
  for (let i = start; i < end; i++) node = NAMES[(node << 7) | (bytes[i] & 0x7f)];
  return FIELD_OF_NODE[node];
}

function addName(name: string, field: number): void {
  let node = NAME_START;
  for (let i = 0; i < name.length; i++) {
    const letter = name[i];
    const octets = new Set([letter, letter.toUpperCase()]);
    if (letter === '-' && name.includes('forwarded')) octets.add('_');
    const row = rows[node];
    let next = row[letter.charCodeAt(0)];
    if (next === UNKNOWN || next === OPEN) {
      next = rows.length;
      const isOpen = name.slice(0, i + 1).startsWith(OPEN_PREFIX);
      rows.push(rowTo(isOpen ? OPEN : UNKNOWN));
      meanings.push(isOpen ? FIELD.forwardedOther : 0);
    }
    for (const octet of octets) row[octet.charCodeAt(0)] = next;
    node = next;
  }
  meanings[node] = field;
}

/** Every byte of a name leads there. */
function rowTo(node: number): Uint8Array {
  return Uint8Array.from({ length: COLUMNS }, (_, octet) => ((OCTETS[octet] & TOKEN) !== 0 ? node : 0));
}
