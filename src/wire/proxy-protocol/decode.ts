/** Reads PROXY headers, v1 and v2, from the first bytes of a connection or from a datagram. */
import { type IpWords, parseIp } from '../../core/address.js';
import { latin1 } from '../text.js';
import { crc32c } from './crc32c.js';
import {
  ADDRESS_BYTES,
  COMMAND,
  FAMILY,
  FIXED_BYTES,
  MAX_V1_BYTES,
  type ProxyHeader,
  SIGNATURE,
  TRANSPORT,
  withoutAddresses,
} from './header.js';
import { findTlv, TLV, tlvsAreSound } from './tlv.js';

/** A longer header is malformed: 536 bytes is what a receiver must take, certificates in TLVs make it a few thousand. */
export const MAX_HEADER_BYTES = 4096;

/** `more`: it may become a header; `malformed`: it can not. */
export type Decoded = { readonly header: ProxyHeader; readonly length: number } | 'more' | 'malformed';

/** The header at the beginning of `bytes[0..end)`. */
export function decodeProxyHeader(bytes: Uint8Array, end: number): Decoded {
  if (end === 0) return 'more';
  return bytes[0] === SIGNATURE[0] ? decodeV2(bytes, end) : decodeV1(bytes, end);
}

const V1_START = 'PROXY ';

function decodeV1(bytes: Uint8Array, end: number): Decoded {
  const text = latin1(bytes, 0, Math.min(end, MAX_V1_BYTES));
  if (!text.startsWith(V1_START.slice(0, text.length))) return 'malformed';
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd < 0) return text.length < MAX_V1_BYTES && !/\r.|\n|[^\r\x20-\x7e]/s.test(text) ? 'more' : 'malformed';
  const length = lineEnd + 2;
  const words = text.slice(V1_START.length, lineEnd).split(' ');
  // Whatever follows UNKNOWN is to be ignored (section 2.1).
  if (words[0] === 'UNKNOWN') return { header: withoutAddresses('proxy'), length };
  const [family, from = '', to = '', fromPort, toPort, ...rest] = words;
  const source = addressOf(family, from);
  const destination = addressOf(family, to);
  const sourcePort = portOf(fromPort);
  const destinationPort = portOf(toPort);
  if (!source || !destination || sourcePort < 0 || destinationPort < 0 || rest.length > 0) return 'malformed';
  const header = {
    ...withoutAddresses('proxy'),
    family: 'ip',
    source,
    sourcePort,
    destination,
    destinationPort,
  } as const;
  return { header, length };
}

function addressOf(family: string | undefined, text: string): IpWords | undefined {
  const is6 = text.includes(':');
  if (family !== (is6 ? 'TCP6' : 'TCP4')) return undefined;
  return parseIp(text);
}

function portOf(text: string | undefined): number {
  const port = /^(0|[1-9]\d{0,4})$/.test(text ?? '') ? Number(text) : -1;
  return port <= 65_535 ? port : -1;
}

function decodeV2(bytes: Uint8Array, end: number): Decoded {
  for (let i = 0; i < Math.min(end, SIGNATURE.length); i++) if (bytes[i] !== SIGNATURE[i]) return 'malformed';
  if (end > 12 && bytes[12] !== 0x20 + COMMAND.local && bytes[12] !== 0x20 + COMMAND.proxy) return 'malformed';
  if (end < FIXED_BYTES) return 'more';
  const length = FIXED_BYTES + bytes[14] * 256 + bytes[15];
  if (length > MAX_HEADER_BYTES) return 'malformed';
  const family = bytes[13] >> 4;
  const transport = bytes[13] & 15;
  const addressBytes = ADDRESS_BYTES[family];
  if (addressBytes === undefined || transport > TRANSPORT.datagram) return 'malformed';
  if (length < FIXED_BYTES + addressBytes) return 'malformed';
  if (end < length) return 'more';
  const header = bytes.slice(0, length);
  const tlvs = header.subarray(FIXED_BYTES + addressBytes);
  const isLocal = bytes[12] === 0x20 + COMMAND.local;
  // A local connection's addresses and TLVs are to be skipped whatever they are (section 2.2).
  if (isLocal) return { header: withoutAddresses('local'), length };
  if (!tlvsAreSound(tlvs) || !checksumIsRight(header, tlvs)) return 'malformed';
  return { header: { ...addressesOf(header, family), isDatagram: transport === TRANSPORT.datagram, tlvs }, length };
}

function addressesOf(header: Uint8Array, family: number): ProxyHeader {
  const view = new DataView(header.buffer, header.byteOffset + FIXED_BYTES);
  if (family === FAMILY.unix) return { ...withoutAddresses('proxy'), family: 'unix' };
  if (family === FAMILY.unspecified) return withoutAddresses('proxy');
  const width = family === FAMILY.inet ? 4 : 16;
  return {
    ...withoutAddresses('proxy'),
    family: 'ip',
    source: wordsAt(view, 0, width),
    destination: wordsAt(view, width, width),
    sourcePort: view.getUint16(2 * width),
    destinationPort: view.getUint16(2 * width + 2),
  };
}

function wordsAt(view: DataView, at: number, width: number): IpWords {
  if (width === 4) return [0, 0, 0xffff, view.getInt32(at)];
  return [view.getInt32(at), view.getInt32(at + 4), view.getInt32(at + 8), view.getInt32(at + 12)];
}

/** PP2_TYPE_CRC32C, where it is there, is of the whole header with its own value as zeroes (section 2.2.3). */
function checksumIsRight(header: Uint8Array, tlvs: Uint8Array): boolean {
  const value = findTlv(tlvs, TLV.crc32c);
  if (value === undefined) return true;
  if (value.length !== 4) return false;
  const wanted = new DataView(value.buffer, value.byteOffset, 4).getUint32(0);
  const copy = Uint8Array.from(header);
  copy.fill(0, value.byteOffset - header.byteOffset, value.byteOffset - header.byteOffset + 4);
  return crc32c(copy) === wanted;
}
