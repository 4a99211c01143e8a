/** A frame in words, a field a line, for people who compare two of them. */
import { ARP, ARP_BYTES, arpOperation } from './arp.js';
import { get16, get32 } from './byte-order.js';
import { ETHER_TYPE, EthernetView, formatMac } from './ethernet.js';
import { IPV4, isIpv4HeaderIntact } from './ipv4.js';
import { IPV6 } from './ipv6.js';
import { PacketView, REST } from './packet-view.js';
import { PROTOCOL } from './protocol.js';
import { TCP } from './tcp.js';

const MAX_EXTENSIONS = 8;

/** Lines from the outermost header to the innermost, then what is left, as hexadecimal digits. */
export function describeFrame(frame: Uint8Array): string {
  const link = new EthernetView();
  if (!link.read(frame, frame.length)) return `${frame.length} bytes, no frame: ${hex(frame, 0)}`;
  const lines = [`${frame.length} bytes from ${formatMac(frame, 6)} to ${formatMac(frame, 0)}`];
  for (let tag = 0; tag < link.tags; tag++) {
    const at = 12 + tag * 4;
    lines.push(`tag ${get16(frame, at).toString(16)} vlan ${get16(frame, at + 2) & 0xfff}`);
  }
  if (link.etherType === ETHER_TYPE.arp) lines.push(describeArp(frame, link.payloadAt));
  else lines.push(...describeIp(frame, link));
  return lines.join('\n');
}

function describeArp(frame: Uint8Array, at: number): string {
  const operation = arpOperation(frame, at, frame.length);
  if (operation === 0) return `arp, none for IPv4: ${hex(frame, at)}`;
  const part = (from: number) =>
    `${formatMac(frame, at + from)} ${address(frame, at + from + ARP.senderIp - ARP.senderMac, 4)}`;
  return `arp operation ${operation} sender ${part(ARP.senderMac)} target ${part(ARP.targetMac)} rest ${hex(frame, at + ARP_BYTES)}`;
}

function describeIp(frame: Uint8Array, { etherType, payloadAt }: EthernetView): string[] {
  const packet = new PacketView();
  if (!packet.readHeader(frame, etherType, payloadAt, frame.length)) {
    return [`type ${etherType.toString(16)}: ${hex(frame, payloadAt)}`];
  }
  const { family, at } = packet;
  const size = family === 4 ? 4 : 16;
  const rest = packet.readRest(frame, frame.length, false, MAX_EXTENSIONS);
  const ttl = frame[at + (family === 4 ? IPV4.ttl : IPV6.hopLimit)];
  const ip = `ipv${family} ${address(frame, packet.sourceAt, size)} to ${address(frame, packet.destinationAt, size)} ttl ${ttl}`;
  if (rest !== REST.whole) return [`${ip}, malformed: ${hex(frame, at)}`];
  const sum = family === 4 && !isIpv4HeaderIntact(frame, at) ? ' (wrong header checksum)' : '';
  const part = packet.isFragment
    ? ` fragment of ${packet.fragmentId >>> 0}${packet.isFirstFragment ? ', first' : ''}`
    : '';
  return [`${ip} protocol ${packet.protocol}${sum}${part}`, describeTransport(frame, packet)];
}

function describeTransport(frame: Uint8Array, packet: PacketView): string {
  const { protocol, payloadAt, payloadEnd } = packet;
  const room = payloadEnd - payloadAt;
  const rest = hex(frame, payloadAt);
  if (!packet.isFirstFragment || room < 8) return rest;
  const ports = `${packet.sourcePort(frame)} to ${packet.destinationPort(frame)}`;
  if (protocol === PROTOCOL.tcp && room >= 20) return `tcp ${ports} flags ${frame[payloadAt + TCP.flags]} ${rest}`;
  if (protocol === PROTOCOL.udp) return `udp ${ports} ${rest}`;
  if (protocol === PROTOCOL.icmp || protocol === PROTOCOL.icmpv6) {
    const word = (get32(frame, payloadAt + 4) >>> 0).toString(16);
    return `icmp type ${frame[payloadAt]} code ${frame[payloadAt + 1]} word ${word} ${rest}`;
  }
  return rest;
}

function address(frame: Uint8Array, at: number, size: number): string {
  if (size === 4) return frame.subarray(at, at + 4).join('.');
  return Array.from({ length: 8 }, (_, i) => get16(frame, at + i * 2).toString(16)).join(':');
}

function hex(frame: Uint8Array, at: number): string {
  return Array.from(frame.subarray(at), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
