/** Writes PROXY headers, v1 and v2. */
import { formatIp, type IpWords, isV4 } from '../../core/address.js';
import { octetsOf } from '../text.js';
import { ADDRESS_BYTES, COMMAND, FAMILY, FIXED_BYTES, type ProxyHeader, SIGNATURE, TRANSPORT } from './header.js';

/** `PROXY ...` as a line; TLVs and datagrams have no place in it. */
export function encodeV1(header: ProxyHeader): Uint8Array {
  if (header.command === 'local' || header.family !== 'ip') return octetsOf('PROXY UNKNOWN\r\n');
  const { source, sourcePort, destination, destinationPort } = header;
  const is4 = isV4(source) && isV4(destination);
  const text = is4 ? formatIp : formatIp6;
  const family = is4 ? 'TCP4' : 'TCP6';
  return octetsOf(`PROXY ${family} ${text(source)} ${text(destination)} ${sourcePort} ${destinationPort}\r\n`);
}

export function encodeV2(header: ProxyHeader): Uint8Array {
  const { command, source, sourcePort, destination, destinationPort, isDatagram } = header;
  const hasAddresses = command === 'proxy' && header.family === 'ip';
  const is4 = isV4(source) && isV4(destination);
  const family = !hasAddresses ? FAMILY.unspecified : is4 ? FAMILY.inet : FAMILY.inet6;
  const tlvs = command === 'proxy' ? header.tlvs : new Uint8Array(0);
  const length = ADDRESS_BYTES[family] + tlvs.length;
  const bytes = new Uint8Array(FIXED_BYTES + length);
  const transport = !hasAddresses ? TRANSPORT.unspecified : isDatagram ? TRANSPORT.datagram : TRANSPORT.stream;
  bytes.set(SIGNATURE);
  bytes.set([0x20 + COMMAND[command], family * 16 + transport, length >> 8, length & 255], SIGNATURE.length);
  bytes.set(tlvs, FIXED_BYTES + ADDRESS_BYTES[family]);
  if (!hasAddresses) return bytes;
  const view = new DataView(bytes.buffer);
  const words = is4 ? 1 : 4;
  for (let i = 0; i < words; i++) {
    view.setInt32(FIXED_BYTES + i * 4, source[4 - words + i]);
    view.setInt32(FIXED_BYTES + (words + i) * 4, destination[4 - words + i]);
  }
  view.setUint16(FIXED_BYTES + words * 8, sourcePort);
  view.setUint16(FIXED_BYTES + words * 8 + 2, destinationPort);
  return bytes;
}

/** An IPv4 address among IPv6 ones is written in its mapped form. */
function formatIp6(words: IpWords): string {
  return isV4(words) ? `::ffff:${formatIp(words)}` : formatIp(words);
}
