/**
 * What a worker tells of its connections: records of 32-bit words in native byte order, so that writing one is a handful
 * of stores. Worker and main thread agree through this file only.
 *
 *   word 0      length in words (0-9), kind (10-11), ending (12-15), bytes of text (16-23), flags (24-31)
 *        1-4    the client's address             5      client's port (low half), server's port (high half)
 *        6      the server's slot, or NONE       7-10   the server's address
 *        11     status of the answer (low half)  12-13  when it began, ms of the monotonic clock (double)
 *
 *   a request goes on with its text at word 14; exchanges and connections with
 *
 *        14-15  bytes from the client (double)   16-17  bytes to the client (double)
 *        18     ms that it lasted                19     ms until the server was reached, or NONE
 *        20     requests that it carried         21     bytes of TLS facts
 *        22-    text: the first line of what the client sent, as it came, at most TEXT_BYTES of it
 *               then, from the next word on, the TLS facts (tls-facts.ts)
 */

/** The bytes of a first line that are kept, as many as C Pen keeps. */
export const TEXT_BYTES = 100;

export const KIND = {
  /** A client has asked for something; told at once, before the server is. */
  request: 0,
  /** A request has been answered, or will not be any more. */
  exchange: 1,
  /** A TCP connection or UDP session has ended. */
  connection: 2,
} as const;

/** How connections and sessions end. */
export const ENDINGS = [
  /** Both sides ended in order, the client first. */
  'client',
  'server',
  'client_reset',
  'server_reset',
  /** Silent for longer than `idle_timeout`, or as a UDP session than `udp_timeout`. */
  'idle',
  /** No server took it, or none could be reached. */
  'no_server',
  /** `client_acl` denied the client. */
  'denied',
  /** What the client sent does not pass: no TLS, no HTTP, no PROXY header, or it took too long (`refusals`). */
  'refused',
  /** By `close N`, or because pen ended. */
  'ordered',
  /** Pen was short of memory or descriptors; a UDP session made room for another. */
  'shortage',
  /** A UDP session had all the answers that `udp_responses` expects. */
  'answered',
] as const;
export type Ending = (typeof ENDINGS)[number];

/** Flags. */
export const IS_UNIX_CLIENT = 1;
export const IS_UDP = 2;
export const IS_HTTP = 4;
/** The server has a path for an address: its slot says which. */
export const IS_UNIX_SERVER = 8;

export const CLIENT = 1;
export const PORTS = 5;
export const SERVER = 6;
export const SERVER_ADDRESS = 7;
export const STATUS = 11;
/** Doubles are addressed in units of their own; records begin at even words. */
export const BEGAN = 12;
export const BYTES_UP = 14;
export const BYTES_DOWN = 16;
export const LASTED = 18;
export const CONNECTED = 19;
export const REQUESTS = 20;
export const TLS_BYTES = 21;

const TEXT_OF_REQUEST = 14;
const TEXT_OF_OTHERS = 22;

/** The word at which the text of a record of this kind begins. */
export function textWord(kind: number): number {
  return kind === KIND.request ? TEXT_OF_REQUEST : TEXT_OF_OTHERS;
}

/** The word at which the TLS facts of a record begin. */
export function tlsWord(kind: number, textLength: number): number {
  return textWord(kind) + ((textLength + 3) >> 2);
}

/** Words of a record; even, so that the next one's doubles are aligned. */
export function wordsOf(kind: number, textLength: number, tlsLength = 0): number {
  return (tlsWord(kind, textLength) + ((tlsLength + 3) >> 2) + 1) & ~1;
}

export function headOf(words: number, kind: number, ending: number, textLength: number, flags: number): number {
  return words | (kind << 10) | (ending << 12) | (textLength << 16) | (flags << 24);
}

export function lengthIn(head: number): number {
  return head & 0x3ff;
}

export function kindIn(head: number): number {
  return (head >> 10) & 3;
}

export function endingIn(head: number): number {
  return (head >> 12) & 15;
}

export function textLengthIn(head: number): number {
  return (head >> 16) & 255;
}

export function flagsIn(head: number): number {
  return head >>> 24;
}
