/**
 * What an operation is called in the ring. Its user data is kind:8 | socket:24 and the socket's generation.
 *
 *   63        32 31     24 23          0
 *    generation  │  kind   │   socket
 */
export const ACCEPT = 1;
export const CONNECT = 2;
export const RECV = 3;
export const SEND = 4;
export const WAKE = 5;
export const CANCEL = 6;
/** A receive into a large buffer. */
export const RECV_LARGE = 7;
/** Never in the ring: the outcome of `listen`, reported like a completion. */
export const LISTEN = 8;

export const KIND_SHIFT = 24;
export const SOCKET_MASK = 0xffffff;
