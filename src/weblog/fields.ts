/** The fields of a record as every format writes them. */
import { NONE } from '../core/configuration.js';
import { dots, type Escaping } from './escape.js';
import type { LineBuffer } from './line-buffer.js';
import type { Surroundings } from './log-format.js';
import type { LogRing } from './log-ring.js';
import {
  CLIENT,
  flagsIn,
  IS_UNIX_CLIENT,
  IS_UNIX_SERVER,
  kindIn,
  SERVER,
  SERVER_ADDRESS,
  TLS_BYTES,
  textLengthIn,
  textWord,
  tlsWord,
} from './record.js';
import { decodeTlsFacts, type TlsFacts } from './tls-facts.js';

/** The client's address, or `unix` for one that has none. */
export function putClient(line: LineBuffer, ring: LogRing, at: number, unix: string): void {
  if ((flagsIn(ring.words[at]) & IS_UNIX_CLIENT) !== 0) line.put(unix);
  else line.address(ring.words, at + CLIENT);
}

/** The server's address or path, `none` if there was no server. In a line of fields a path has no blanks, so that it stays one. */
export function putServer(
  line: LineBuffer,
  ring: LogRing,
  at: number,
  { serverPath }: Surroundings,
  none: string,
  escaping: Escaping = dots,
): void {
  const slot = ring.words[at + SERVER];
  if (slot === NONE) line.put(none);
  else if ((flagsIn(ring.words[at]) & IS_UNIX_SERVER) === 0) line.address(ring.words, at + SERVER_ADDRESS);
  else {
    const said = serverPath(slot);
    const path = Buffer.from(escaping === dots ? said.replaceAll(' ', '_') : said);
    line.escaped(escaping, path, 0, path.length);
  }
}

/** The first line of what the client sent. */
export function putText(line: LineBuffer, ring: LogRing, at: number, escaping: Escaping): void {
  const head = ring.words[at];
  line.escaped(escaping, ring.bytes, (at + textWord(kindIn(head))) * 4, textLengthIn(head));
}

/** What is known of the client's TLS; undefined if it has none. Not for requests as they come. */
export function tlsFactsOf(ring: LogRing, at: number): TlsFacts | undefined {
  const length = ring.words[at + TLS_BYTES];
  if (length === 0) return undefined;
  const head = ring.words[at];
  const from = (at + tlsWord(kindIn(head), textLengthIn(head))) * 4;
  return decodeTlsFacts(ring.bytes.subarray(from, from + length));
}
