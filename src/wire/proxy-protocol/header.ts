/**
 * What a PROXY header says (HAProxy, "The PROXY protocol versions 1 & 2", doc/proxy-protocol.txt): who the client of a
 * connection is that a proxy has made on its behalf.
 *
 *   v1  PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 CR LF        at most 107 bytes
 *   v2  | signature (12) | 2, command | family, transport | length (2) | addresses | TLVs |
 */
import type { IpWords } from '../../core/address.js';

export interface ProxyHeader {
  /** `local`: the proxy's own connection (a health check); what it says of addresses is not to be used. */
  readonly command: 'local' | 'proxy';
  /** `unix` has no addresses here; `none`: the proxy does not know them. */
  readonly family: 'ip' | 'unix' | 'none';
  readonly source: IpWords;
  readonly sourcePort: number;
  readonly destination: IpWords;
  readonly destinationPort: number;
  readonly isDatagram: boolean;
  /** The TLVs as they stood, one after the other; empty for v1. */
  readonly tlvs: Uint8Array;
}

/** The twelve bytes that no other protocol begins with. */
export const SIGNATURE = Uint8Array.of(0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a);
/** Before the addresses of v2. */
export const FIXED_BYTES = 16;
/** With CR LF (section 2.1). */
export const MAX_V1_BYTES = 107;

export const COMMAND = { local: 0, proxy: 1 } as const;
export const FAMILY = { unspecified: 0, inet: 1, inet6: 2, unix: 3 } as const;
export const TRANSPORT = { unspecified: 0, stream: 1, datagram: 2 } as const;
/** Bytes that the addresses of a family take, by its number. */
export const ADDRESS_BYTES: readonly number[] = [0, 12, 36, 216];

const NOWHERE: IpWords = [0, 0, 0, 0];

/** A header without addresses. */
export function withoutAddresses(command: 'local' | 'proxy', tlvs: Uint8Array = new Uint8Array(0)): ProxyHeader {
  return {
    command,
    family: 'none',
    source: NOWHERE,
    sourcePort: 0,
    destination: NOWHERE,
    destinationPort: 0,
    isDatagram: false,
    tlvs,
  };
}
