/** ICMP (RFC 792) and what ICMPv6 (RFC 4443) has in common with it: 0 type, 1 code, 2 checksum, 4 a word, 8 the rest. */
import { set16, set32 } from './byte-order.js';
import { PROTOCOL, type Transport } from './protocol.js';

export const ICMP_BYTES = 8;
export const ICMP = { type: 0, code: 1, checksum: 2, word: 4 } as const;

export const ICMP_TYPE = {
  echoReply: 0,
  unreachable: 3,
  echoRequest: 8,
  timeExceeded: 11,
  parameterProblem: 12,
} as const;
/** Code of `unreachable`: the packet is too big for the next link and may not be fragmented; the word ends with its MTU. */
export const FRAGMENTATION_NEEDED = 4;

export const ICMPV6_TYPE = {
  unreachable: 1,
  /** The word is the MTU. */
  tooBig: 2,
  timeExceeded: 3,
  parameterProblem: 4,
  echoRequest: 128,
  echoReply: 129,
  routerSolicitation: 133,
  neighbourSolicitation: 135,
  neighbourAdvertisement: 136,
} as const;

/** An error message, which quotes the packet that it is about. */
export function isIcmpError(type: number): boolean {
  return type === ICMP_TYPE.unreachable || type === ICMP_TYPE.timeExceeded || type === ICMP_TYPE.parameterProblem;
}

export function isIcmpv6Error(type: number): boolean {
  return type >= ICMPV6_TYPE.unreachable && type <= ICMPV6_TYPE.parameterProblem;
}

export interface Icmp {
  readonly type: number;
  readonly code?: number;
  readonly word?: number;
}

export function icmp(header: Icmp, payload: Uint8Array = new Uint8Array(0)): Transport {
  return message(PROTOCOL.icmp, header, payload);
}

export function icmpv6(header: Icmp, payload: Uint8Array = new Uint8Array(0)): Transport {
  return message(PROTOCOL.icmpv6, header, payload);
}

function message(protocol: number, { type, code = 0, word = 0 }: Icmp, payload: Uint8Array): Transport {
  const bytes = new Uint8Array(ICMP_BYTES + payload.length);
  bytes[ICMP.type] = type;
  bytes[ICMP.code] = code;
  set16(bytes, ICMP.checksum, 0);
  set32(bytes, ICMP.word, word);
  bytes.set(payload, ICMP_BYTES);
  return { protocol, bytes, checksumAt: ICMP.checksum };
}
