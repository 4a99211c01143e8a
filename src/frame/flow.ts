/** The five-tuple of a frame, as a value: for people, tests and tools; the packet path reads a PacketView. */
import { ETHER_TYPE, EthernetView } from './ethernet.js';
import { ICMP, ICMP_BYTES, isIcmpError, isIcmpv6Error } from './icmp.js';
import { IPV4_ADDRESS_BYTES } from './ipv4.js';
import { IPV6_ADDRESS_BYTES } from './ipv6.js';
import { PacketView, REST } from './packet-view.js';
import { PROTOCOL } from './protocol.js';

export interface Flow {
  readonly family: 4 | 6;
  readonly protocol: number;
  /** 4 or 16 bytes. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  /** 0 where there are none: other protocols, later fragments. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly isFragment: boolean;
}

/** Extension headers walked. */
const MAX_EXTENSIONS = 8;

/** The flow of a frame; undefined if it is no whole IP packet. */
export function flowOf(bytes: Uint8Array): Flow | undefined {
  const packet = packetOf(bytes);
  return packet && toFlow(packet, bytes);
}

/** The flow of the packet that an ICMP error quotes, as that packet has it: from the server to the client. */
export function quotedFlowOf(bytes: Uint8Array): Flow | undefined {
  const packet = packetOf(bytes);
  if (!packet || packet.isFragment || packet.payloadAt + ICMP_BYTES > packet.payloadEnd) return undefined;
  const type = bytes[packet.payloadAt + ICMP.type];
  const isError =
    packet.family === 4
      ? packet.protocol === PROTOCOL.icmp && isIcmpError(type)
      : packet.protocol === PROTOCOL.icmpv6 && isIcmpv6Error(type);
  if (!isError) return undefined;
  const quoted = new PacketView();
  const etherType = packet.family === 4 ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6;
  const end = packet.payloadEnd;
  if (!quoted.readHeader(bytes, etherType, packet.payloadAt + ICMP_BYTES, end)) return undefined;
  return quoted.readRest(bytes, end, true, MAX_EXTENSIONS) === REST.whole ? toFlow(quoted, bytes) : undefined;
}

function packetOf(bytes: Uint8Array): PacketView | undefined {
  const link = new EthernetView();
  const packet = new PacketView();
  if (!link.read(bytes, bytes.length)) return undefined;
  if (!packet.readHeader(bytes, link.etherType, link.payloadAt, bytes.length)) return undefined;
  return packet.readRest(bytes, bytes.length, false, MAX_EXTENSIONS) === REST.whole ? packet : undefined;
}

function toFlow(packet: PacketView, bytes: Uint8Array): Flow {
  const { family, protocol, isFragment, sourceAt, destinationAt } = packet;
  const length = family === 4 ? IPV4_ADDRESS_BYTES : IPV6_ADDRESS_BYTES;
  const hasPorts =
    (protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp) &&
    packet.isFirstFragment &&
    packet.payloadAt + 4 <= packet.payloadEnd;
  return {
    family: family === 4 ? 4 : 6,
    protocol,
    source: bytes.slice(sourceAt, sourceAt + length),
    destination: bytes.slice(destinationAt, destinationAt + length),
    sourcePort: hasPorts ? packet.sourcePort(bytes) : 0,
    destinationPort: hasPorts ? packet.destinationPort(bytes) : 0,
    isFragment,
  };
}
