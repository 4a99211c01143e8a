/**
 * The bits of a connection's `flags`, all in one place so that no two parts use the same one. "Up" is client to server,
 * "down" server to client.
 */

export const UP_ENDED = 1;
export const DOWN_ENDED = 2;
/** The client came over a Unix socket and has no address. */
export const FROM_UNIX = 4;
/** With UP_ENDED: it was the server that would hear no more. */
export const UP_REFUSED = 8;
/** Its connection to the server comes from the client's address, and from its port. */
export const AS_CLIENT = 16;
export const AS_CLIENT_PORT = 32;
/** Relayed by HttpRelay. */
export const HTTP = 64;
/** Has been heard before a server was chosen, or has what it said still to be passed on (FirstBytes). */
export const OPENED = 128;
/** Something of ours is on its way to the server before anything of the client's. */
export const INTRODUCING = 256;
/** The client's TLS handshake is done. */
export const SECURED = 512;
/** The server was the first to end. */
export const SERVER_FIRST = 1024;
