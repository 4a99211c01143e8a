/**
 * TCP (RFC 9293 3.1):
 *
 *   0 source port   2 destination port   4 sequence   8 acknowledgement   12 header words   13 flags   14 window   16 checksum   18 urgent   20 options
 */
import { set16, set32 } from './byte-order.js';
import { PROTOCOL, type Transport } from './protocol.js';

export const TCP_BYTES = 20;
export const TCP = {
  sourcePort: 0,
  destinationPort: 2,
  sequence: 4,
  acknowledgement: 8,
  words: 12,
  flags: 13,
  window: 14,
  checksum: 16,
} as const;
export const TCP_FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128 } as const;

export interface Tcp {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence?: number;
  readonly acknowledgement?: number;
  /** Bits of TCP_FLAG. */
  readonly flags: number;
  readonly window?: number;
  /** A multiple of four bytes, at most 40. */
  readonly options?: Uint8Array;
}

export function tcp(header: Tcp, payload: Uint8Array = new Uint8Array(0)): Transport {
  const options = header.options ?? new Uint8Array(0);
  const payloadAt = TCP_BYTES + options.length;
  const bytes = new Uint8Array(payloadAt + payload.length);
  set16(bytes, TCP.sourcePort, header.sourcePort);
  set16(bytes, TCP.destinationPort, header.destinationPort);
  set32(bytes, TCP.sequence, header.sequence ?? 0);
  set32(bytes, TCP.acknowledgement, header.acknowledgement ?? 0);
  bytes[TCP.words] = (payloadAt / 4) << 4;
  bytes[TCP.flags] = header.flags;
  set16(bytes, TCP.window, header.window ?? 65_535);
  bytes.set(options, TCP_BYTES);
  bytes.set(payload, payloadAt);
  return { protocol: PROTOCOL.tcp, bytes, checksumAt: TCP.checksum };
}

/** A connection's first segment: SYN without ACK. */
export function opensConnection(flags: number): boolean {
  return (flags & (TCP_FLAG.syn | TCP_FLAG.ack)) === TCP_FLAG.syn;
}
