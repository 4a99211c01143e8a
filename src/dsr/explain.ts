/** Which server a packet would reach, and why: the decision itself, asked with a frame that never was. */
import { formatEndpoint, type IpEndpoint } from '../core/address.js';
import { ethernet } from '../frame/ethernet.js';
import { ipv4 } from '../frame/ipv4.js';
import { ipv6 } from '../frame/ipv6.js';
import { PROTOCOL, type Transport } from '../frame/protocol.js';
import { TCP_FLAG, tcp } from '../frame/tcp.js';
import { udp } from '../frame/udp.js';
import { MIN_BUFFER_BYTES } from './answer.js';
import { Decision } from './decision.js';
import { OUTCOME_NAMES, type Outcome, type OutcomeName } from './layout.js';
import { addressBytes } from './record.js';
import type { PathTables } from './tables.js';

export interface Question {
  readonly source: IpEndpoint;
  readonly destination: IpEndpoint;
  readonly protocol: 'tcp' | 'udp';
}

export interface Explained {
  readonly outcome: OutcomeName;
  /** 0 if it reaches no server. */
  readonly real: number;
  /** Why, in words. */
  readonly why: string;
}

/** Of what is already a flow says so; else what the next packet would begin. */
export function explain(question: Question, tables: PathTables): Explained {
  const { source, destination, protocol } = question;
  const ports = { sourcePort: source.port, destinationPort: destination.port };
  const transport = protocol === 'tcp' ? tcp({ ...ports, flags: TCP_FLAG.ack }) : udp(ports);
  const frame = ethernet(
    { destination: tables.control.subarray(0, 6), source: new Uint8Array(6) },
    packet(question, transport),
  );
  const buffer = new Uint8Array(frame.length + MIN_BUFFER_BYTES);
  buffer.set(frame);
  const decision = new Decision(tables);
  const outcome: Outcome = decision.decide(buffer, frame.length);
  const name = OUTCOME_NAMES[outcome];
  return { outcome: name, real: decision.real, why: reason(name, decision) };
}

/** `10.0.0.1:40000 -> 192.0.2.80:80 tcp` */
export function formatQuestion({ source, destination, protocol }: Question): string {
  return `${formatEndpoint(source)} -> ${formatEndpoint(destination)} ${protocol}`;
}

function packet({ source, destination }: Question, transport: Transport) {
  const addresses = { source: addressBytes(source.address), destination: addressBytes(destination.address) };
  if (destination.family === 6) return ipv6(addresses, transport);
  return ipv4({ source: addresses.source.slice(12), destination: addresses.destination.slice(12) }, transport);
}

function reason(outcome: OutcomeName, { slot, slots }: Decision): string {
  switch (outcome) {
    case 'txFlow':
      return 'its flow is there';
    case 'txNew':
      return `a new flow, slot ${slot} of ${slots}`;
    case 'txMoved':
      return `the server of its flow is gone, slot ${slot} of ${slots}`;
    case 'txAbuse':
      return 'client_acl denies it, the abuse server takes it';
    case 'passNotVip':
    case 'passOther':
      return 'not to a VIP, the kernel has it';
    case 'dropTarpit':
      return 'not to a VIP, that address holds whoever connects';
    case 'dropNoService':
      return 'the VIP does not serve that port or protocol';
    case 'dropDenied':
      return 'client_acl denies it';
    case 'dropNoServer':
      return `no server is in service${slot < 0 ? '' : ` (slot ${slot} of ${slots})`}`;
    default:
      return outcome;
  }
}

/** The protocol's number. */
export function protocolNumber(protocol: 'tcp' | 'udp'): number {
  return protocol === 'tcp' ? PROTOCOL.tcp : PROTOCOL.udp;
}
