/** UDP (RFC 768): 0 source port, 2 destination port, 4 length, 6 checksum. */
import { set16 } from './byte-order.js';
import { PROTOCOL, type Transport } from './protocol.js';

export const UDP_BYTES = 8;
export const UDP = { sourcePort: 0, destinationPort: 2, length: 4, checksum: 6 } as const;

export interface Udp {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** False sends none, as IPv4 allows. */
  readonly hasChecksum?: boolean;
}

export function udp(header: Udp, payload: Uint8Array = new Uint8Array(0)): Transport {
  const bytes = new Uint8Array(UDP_BYTES + payload.length);
  set16(bytes, UDP.sourcePort, header.sourcePort);
  set16(bytes, UDP.destinationPort, header.destinationPort);
  set16(bytes, UDP.length, bytes.length);
  bytes.set(payload, UDP_BYTES);
  return { protocol: PROTOCOL.udp, bytes, ...(header.hasChecksum === false ? {} : { checksumAt: UDP.checksum }) };
}
