/**
 * What becomes of a frame: the decision that the XDP program takes, in TypeScript. It is the program's oracle in the
 * tests, answers `penctl explain`, and drives the paths through user space. Both work on the layout's bytes and do
 * nothing but look-ups, so what they do for a frame is the same however many servers there are.
 * docs/internals/dsr.md draws it. Hot path: no objects, closures or BigInts per frame.
 *
 * Frames that are none of the VIP's pass to the kernel, so the interface stays usable; of those that are, none passes.
 */

import { ARP, ARP_BYTES, ARP_REQUEST, arpOperation } from '../frame/arp.js';
import { get32, set16, set32 } from '../frame/byte-order.js';
import { DESTINATION_AT, ETHER_TYPE, EthernetView, isGroupMac, MAC_BYTES } from '../frame/ethernet.js';
import { ICMP, ICMP_BYTES, ICMP_TYPE, ICMPV6_TYPE, isIcmpError, isIcmpv6Error } from '../frame/icmp.js';
import { IPV6_ADDRESS_BYTES, IPV6_BYTES, isUnspecifiedV6 } from '../frame/ipv6.js';
import { NDP } from '../frame/ndp.js';
import { PacketView, REST } from '../frame/packet-view.js';
import { PROTOCOL } from '../frame/protocol.js';
import { opensConnection, TCP, TCP_BYTES } from '../frame/tcp.js';
import { ENCAP, packetBytes } from '../frame/tunnel.js';
import { UDP_BYTES } from '../frame/udp.js';
import { answerArp, answerEcho, answerSolicitation, isProperSolicitation, isSolicitationIntact } from './answer.js';
import { copyAddress, littleEndian32 } from './frame-words.js';
import { hashEnd, hashWord, slotOf } from './hash.js';
import {
  ABUSE_REAL,
  aclKey,
  controlValue,
  FRAGMENT_EPOCHS,
  flowKey,
  flowValue,
  fragmentKey,
  fragmentValue,
  MAX_EXTENSIONS,
  NO_REAL,
  NS_BYTES,
  OUTCOME,
  type Outcome,
  REAL_SERVES,
  REAL_TAKES_NEW,
  realValue,
  TARPIT_LIST,
  WHOLE_PREFIX,
} from './layout.js';
import { StructMemory } from './struct-memory.js';
import type { PathTables } from './tables.js';
import { Tarpit } from './tarpit.js';
import { answerTooBig, canTellTooBig, encapsulate } from './tunnel.js';
import { VipLookup } from './vip-lookup.js';

export class Decision {
  /** Length of the frame after `decide`: answers may be longer or shorter than what they answer. */
  length = 0;
  /** Where the frame went, NO_REAL if to no server. */
  real = NO_REAL;
  /** The service's number, -1 if none was found. */
  vip = -1;
  /** The Maglev slot that was looked into, -1 if none was, and how many the table has. */
  slot = -1;
  slots = 0;
  /** Both ports of the flow as the client sends them, 0 where they are not known; and where the client's address lies. */
  #ports = 0;
  #clientAt = 0;
  readonly #tables: PathTables;
  readonly #ownMac: Uint8Array;
  readonly #link = new EthernetView();
  readonly #packet = new PacketView();
  readonly #quoted = new PacketView();
  readonly #vips: VipLookup;
  readonly #aclKey = new StructMemory(aclKey.bytes);
  readonly #flowKey = new StructMemory(flowKey.bytes);
  readonly #flowValue = new StructMemory(flowValue.bytes);
  readonly #fragmentKey = new StructMemory(fragmentKey.bytes);
  readonly #fragmentValue = new StructMemory(fragmentValue.bytes);
  /** The real that is loaded, as the tables have it. */
  #real = new StructMemory(realValue.bytes);
  readonly #tarpit = new Tarpit();
  /** Whom the solicitation is for that was just found. */
  #targetIsVip = false;

  constructor(tables: PathTables) {
    this.#tables = tables;
    this.#vips = new VipLookup(tables);
    this.#ownMac = tables.control.subarray(controlValue.at.mac, controlValue.at.mac + MAC_BYTES);
  }

  /** Decides on the first `length` bytes of `frame`, of at least MIN_BUFFER_BYTES, and rewrites them where they lie. */
  decide(frame: Uint8Array, length: number): Outcome {
    this.length = length;
    this.real = NO_REAL;
    this.vip = -1;
    this.slot = -1;
    this.slots = 0;
    const outcome = this.#decide(frame, length);
    this.#tables.count(outcome);
    return outcome;
  }

  #decide(frame: Uint8Array, end: number): Outcome {
    const link = this.#link;
    const packet = this.#packet;
    if (!link.read(frame, end)) return OUTCOME.passOther;
    if (link.etherType === ETHER_TYPE.arp) return this.#arp(frame, link.payloadAt, end);
    if (!packet.readHeader(frame, link.etherType, link.payloadAt, end)) return OUTCOME.passOther;
    if (this.#isSolicitation(frame, end)) return this.#solicitation(frame, end);
    // A switch that floods, or an interface that hears everything, shows us what is meant for others.
    if (!this.#isOwnMac(frame)) return OUTCOME.passOther;
    if (!this.#vips.isVip(frame, packet.destinationAt, packet.family)) return this.#notVip(frame, end);

    const rest = packet.readRest(frame, end, false, MAX_EXTENSIONS);
    if (rest === REST.malformed) return OUTCOME.dropMalformed;
    if (rest === REST.tooManyExtensions) return OUTCOME.dropExtensions;
    const icmp = packet.family === 4 ? PROTOCOL.icmp : PROTOCOL.icmpv6;
    if (packet.protocol === icmp) return packet.isFragment ? OUTCOME.dropIcmp : this.#icmp(frame);
    return packet.isFragment ? this.#fragment(frame) : this.#whole(frame);
  }

  /** A packet with ports: the first or only part of its datagram. */
  #whole(frame: Uint8Array): Outcome {
    const { family, protocol, payloadAt, payloadEnd, sourceAt } = this.#packet;
    if (protocol !== PROTOCOL.tcp && protocol !== PROTOCOL.udp) return OUTCOME.dropNoService;
    const isTcp = protocol === PROTOCOL.tcp;
    if (payloadEnd - payloadAt < (isTcp ? TCP_BYTES : UDP_BYTES)) return OUTCOME.dropMalformed;
    const vipPort = this.#packet.destinationPort(frame);
    const ports = get32(frame, payloadAt);
    this.#ports = ports;
    this.#clientAt = sourceAt;
    if (!this.#findService(vipPort, protocol)) return OUTCOME.dropNoService;
    if (this.#isDenied(frame)) return this.#denied(frame);
    this.#loadFlowKey(frame, sourceAt, family, ports >>> 16, vipPort);
    const outcome = this.#flow(frame, isTcp && opensConnection(frame[payloadAt + TCP.flags]), ports);
    if (outcome === OUTCOME.dropNoServer) return outcome;
    if (this.#packet.isFragment) this.#rememberFragment();
    return this.#forward(frame, outcome);
  }

  /** A part of a datagram: where the others went. */
  #fragment(frame: Uint8Array): Outcome {
    const { family, protocol, isFirstFragment, sourceAt } = this.#packet;
    this.#ports = 0;
    this.#clientAt = sourceAt;
    this.#loadFragmentKey(frame);
    if (this.#knowsFragment()) {
      return this.#isDenied(frame) ? this.#denied(frame) : this.#forward(frame, OUTCOME.txFragment);
    }
    if (isFirstFragment) return this.#whole(frame);
    // It came before the first one, which alone has ports, and which will follow it.
    if (protocol !== PROTOCOL.tcp && protocol !== PROTOCOL.udp) return OUTCOME.dropNoService;
    if (!this.#vips.findPortless(protocol)) return OUTCOME.dropNoService;
    this.vip = this.#vips.service;
    if (this.#isDenied(frame)) return this.#denied(frame);
    if (!this.#choose(frame, sourceAt, family, 0, false)) return OUTCOME.dropNoServer;
    this.#rememberFragment();
    return this.#forward(frame, OUTCOME.txFragment);
  }

  /** Finds or makes the flow whose key is loaded; dropNoServer if nobody can have it. */
  #flow(frame: Uint8Array, opens: boolean, ports: number): Outcome {
    const { sourceAt, family } = this.#packet;
    const value = this.#flowValue.words;
    const isKnown = this.#tables.findFlow(this.#flowKey, this.#flowValue);
    if (isKnown && this.#serves(value[flowValue.at.real >> 2], value[flowValue.at.generation >> 2])) {
      // The ports of an ended connection that come again are a new flow, and a server being drained takes none.
      if (!opens || (this.#state() & REAL_TAKES_NEW) !== 0) return OUTCOME.txFlow;
    }
    if (!this.#choose(frame, sourceAt, family, ports, this.#vips.hashesPorts)) return OUTCOME.dropNoServer;
    value[flowValue.at.real >> 2] = this.real;
    value[flowValue.at.generation >> 2] = this.#generation();
    this.#tables.putFlow(this.#flowKey, this.#flowValue);
    return isKnown ? OUTCOME.txMoved : OUTCOME.txNew;
  }

  #icmp(frame: Uint8Array): Outcome {
    const { family, payloadAt, payloadEnd } = this.#packet;
    if (payloadEnd - payloadAt < ICMP_BYTES) return OUTCOME.dropMalformed;
    const type = frame[payloadAt + ICMP.type];
    const request = family === 4 ? ICMP_TYPE.echoRequest : ICMPV6_TYPE.echoRequest;
    if (type === request && frame[payloadAt + ICMP.code] === 0) {
      answerEcho(frame, this.#packet, this.#ownMac);
      return OUTCOME.txEcho;
    }
    const isError = family === 4 ? isIcmpError(type) : isIcmpv6Error(type);
    return isError ? this.#error(frame) : OUTCOME.dropIcmp;
  }

  /** An error message goes where the packets of the flow go that it is about; the packet it quotes came from there. */
  #error(frame: Uint8Array): Outcome {
    const { family, payloadAt, payloadEnd, destinationAt } = this.#packet;
    const quoted = this.#quoted;
    const etherType = family === 4 ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6;
    if (!quoted.readHeader(frame, etherType, payloadAt + ICMP_BYTES, payloadEnd)) return OUTCOME.dropMalformed;
    const rest = quoted.readRest(frame, payloadEnd, true, MAX_EXTENSIONS);
    if (rest === REST.malformed) return OUTCOME.dropMalformed;
    if (rest === REST.tooManyExtensions) return OUTCOME.dropExtensions;
    const length = family === 4 ? 4 : IPV6_ADDRESS_BYTES;
    for (let i = 0; i < length; i++) {
      if (frame[quoted.sourceAt + i] !== frame[destinationAt + i]) return OUTCOME.dropIcmp;
    }
    const { protocol } = quoted;
    if (protocol !== PROTOCOL.tcp && protocol !== PROTOCOL.udp) return OUTCOME.dropNoService;
    return quoted.isFirstFragment ? this.#errorOfFlow(frame) : this.#errorOfFragment(frame);
  }

  #errorOfFlow(frame: Uint8Array): Outcome {
    const { family, protocol, payloadAt, payloadEnd, destinationAt } = this.#quoted;
    // What a router quotes at least (RFC 792).
    if (payloadAt + 8 > payloadEnd) return OUTCOME.dropMalformed;
    const vipPort = this.#quoted.sourcePort(frame);
    const clientPort = this.#quoted.destinationPort(frame);
    const ports = (clientPort << 16) | vipPort;
    this.#ports = ports;
    this.#clientAt = destinationAt;
    // What is quoted came from the address that the message is for, whose key is loaded.
    if (!this.#findService(vipPort, protocol)) return OUTCOME.dropNoService;
    this.#loadFlowKey(frame, destinationAt, family, clientPort, vipPort);
    const value = this.#flowValue.words;
    const isKnown = this.#tables.findFlow(this.#flowKey, this.#flowValue);
    if (isKnown && this.#serves(value[flowValue.at.real >> 2], value[flowValue.at.generation >> 2])) {
      return this.#forward(frame, OUTCOME.txIcmp);
    }
    if (!this.#choose(frame, destinationAt, family, ports, this.#vips.hashesPorts)) return OUTCOME.dropNoServer;
    return this.#forward(frame, OUTCOME.txIcmp);
  }

  #errorOfFragment(frame: Uint8Array): Outcome {
    const { family, protocol, destinationAt } = this.#quoted;
    this.#ports = 0;
    this.#clientAt = destinationAt;
    if (!this.#vips.findPortless(protocol)) return OUTCOME.dropNoService;
    this.vip = this.#vips.service;
    if (!this.#choose(frame, destinationAt, family, 0, false)) return OUTCOME.dropNoServer;
    return this.#forward(frame, OUTCOME.txIcmp);
  }

  #arp(frame: Uint8Array, at: number, end: number): Outcome {
    if (at + ARP_BYTES > end) return OUTCOME.passOther;
    if (!this.#isOwnMac(frame) && !isGroupMac(frame, DESTINATION_AT)) return OUTCOME.passOther;
    if (arpOperation(frame, at, end) !== ARP_REQUEST) return OUTCOME.passNotVip;
    const isVip = this.#vips.isVip(frame, at + ARP.targetIp, 4);
    if (isVip && this.#vips.isSilent) return OUTCOME.passNotVip;
    // Somebody without an address asks before he takes this one: he may have it.
    if (!isVip && (get32(frame, at + ARP.senderIp) === 0 || !this.#isTarpitted(frame, at + ARP.targetIp, 4)))
      return OUTCOME.passNotVip;
    answerArp(frame, at, this.#ownMac);
    return isVip ? OUTCOME.txArp : OUTCOME.txTarpitArp;
  }

  /** A packet for none of the VIPs. */
  #notVip(frame: Uint8Array, end: number): Outcome {
    const packet = this.#packet;
    if (!this.#isTarpitted(frame, packet.destinationAt, packet.family)) return OUTCOME.passNotVip;
    const { control } = this.#tables;
    const key0 = littleEndian32(control, controlValue.at.tarpitKey0);
    const key1 = littleEndian32(control, controlValue.at.tarpitKey1);
    const outcome = this.#tarpit.answer(frame, end, packet, key0, key1, this.#ownMac);
    if (outcome !== OUTCOME.dropTarpit) this.length = this.#tarpit.length;
    return outcome;
  }

  #isTarpitted(frame: Uint8Array, at: number, family: number): boolean {
    if (littleEndian32(this.#tables.control, controlValue.at.tarpit) === 0) return false;
    return (this.#listsOf(frame, at, family) & (1 << TARPIT_LIST)) !== 0;
  }

  /** A neighbour solicitation for a VIP; it comes to a group as a rule. */
  #isSolicitation(frame: Uint8Array, end: number): boolean {
    const { family, at, protocol } = this.#packet;
    const bodyAt = at + IPV6_BYTES;
    if (family !== 6 || protocol !== PROTOCOL.icmpv6 || bodyAt + NS_BYTES > end) return false;
    if (frame[bodyAt + ICMP.type] !== ICMPV6_TYPE.neighbourSolicitation) return false;
    if (!this.#isOwnMac(frame) && !isGroupMac(frame, DESTINATION_AT)) return false;
    this.#targetIsVip = this.#vips.isVip(frame, bodyAt + NDP.target, 6);
    if (this.#targetIsVip) return true;
    return !isUnspecifiedV6(frame, this.#packet.sourceAt) && this.#isTarpitted(frame, bodyAt + NDP.target, 6);
  }

  #solicitation(frame: Uint8Array, end: number): Outcome {
    if ((this.#targetIsVip && this.#vips.isSilent) || !isProperSolicitation(frame, this.#packet, end))
      return OUTCOME.passNotVip;
    if (!isSolicitationIntact(frame, this.#packet)) return OUTCOME.dropMalformed;
    this.length = answerSolicitation(frame, this.#packet, this.#ownMac);
    return this.#targetIsVip ? OUTCOME.txNdp : OUTCOME.txTarpitNdp;
  }

  /** To the real that is loaded: its MAC address for ours, and nothing else but the tunnel that it may be reached by. */
  #forward(frame: Uint8Array, outcome: Outcome): Outcome {
    if (this.#real.bytes[realValue.at.encap] !== ENCAP.none) return this.#tunnel(frame, outcome);
    this.#address(frame);
    this.#countTraffic(outcome);
    return outcome;
  }

  #tunnel(frame: Uint8Array, outcome: Outcome): Outcome {
    const { at, family } = this.#packet;
    const { bytes } = this.#real;
    const mtu = bytes[realValue.at.innerMtu] | (bytes[realValue.at.innerMtu + 1] << 8);
    if (packetBytes(frame, at, family) > mtu) return this.#tooBig(frame, outcome, mtu);
    this.#countTraffic(outcome);
    this.length = encapsulate(frame, this.length, this.#packet, bytes, this.#tables.control, this.#flowHash(frame));
    this.#address(frame);
    return outcome;
  }

  /** The client is told, but for what may not be answered (errors) or is too much. */
  #tooBig(frame: Uint8Array, outcome: Outcome, mtu: number): Outcome {
    this.real = NO_REAL;
    if (outcome === OUTCOME.txIcmp || !canTellTooBig(frame, this.#packet, mtu)) return OUTCOME.dropTooBig;
    if (!this.#tables.takeAnswer()) return OUTCOME.dropTooBig;
    this.length = answerTooBig(frame, this.#packet, mtu, this.#ownMac);
    return OUTCOME.txTooBig;
  }

  /** Of client and ports, whatever the service hashes by: it spreads flows on the way, not over servers. */
  #flowHash(frame: Uint8Array): number {
    let hash = littleEndian32(this.#tables.control, controlValue.at.seed);
    const words = this.#packet.family === 4 ? 1 : 4;
    for (let i = 0; i < words; i++) hash = hashWord(hash, get32(frame, this.#clientAt + i * 4));
    return hashEnd(hashWord(hash, this.#ports));
  }

  /** Written out: the loop took 20 ns of the 190 that a decision takes. */
  #address(frame: Uint8Array): void {
    const to = this.#real.bytes;
    const from = this.#ownMac;
    frame[11] = from[5];
    frame[10] = from[4];
    frame[9] = from[3];
    frame[8] = from[2];
    frame[7] = from[1];
    frame[6] = from[0];
    frame[5] = to[realValue.at.mac + 5];
    frame[4] = to[realValue.at.mac + 4];
    frame[3] = to[realValue.at.mac + 3];
    frame[2] = to[realValue.at.mac + 2];
    frame[1] = to[realValue.at.mac + 1];
    frame[0] = to[realValue.at.mac];
  }

  /** Of the frame as it came, before there is a tunnel around it. */
  #countTraffic(outcome: Outcome): void {
    const flows = outcome === OUTCOME.txNew || outcome === OUTCOME.txMoved ? 1 : 0;
    this.#tables.countVip(this.vip, this.length, flows);
    this.#tables.countReal(this.real, this.length, flows);
  }

  #isDenied(frame: Uint8Array): boolean {
    const { aclBit } = this.#vips;
    if (aclBit === 0) return false;
    const { family, sourceAt } = this.#packet;
    return (this.#listsOf(frame, sourceAt, family) & aclBit) === 0;
  }

  /** The lists that permit an address, a bit each. */
  #listsOf(frame: Uint8Array, at: number, family: number): number {
    this.#aclKey.words[aclKey.at.prefixBits >> 2] = WHOLE_PREFIX;
    this.#aclKey.words[aclKey.at.family >> 2] = family;
    copyAddress(frame, at, family, this.#aclKey.words, aclKey.at.address >> 2);
    return this.#tables.permittedBy(this.#aclKey);
  }

  #denied(frame: Uint8Array): Outcome {
    return this.#load(ABUSE_REAL) ? this.#forward(frame, OUTCOME.txAbuse) : OUTCOME.dropDenied;
  }

  #findService(port: number, protocol: number): boolean {
    if (!this.#vips.findService(port, protocol)) return false;
    this.vip = this.#vips.service;
    return true;
  }

  #loadFlowKey(frame: Uint8Array, clientAt: number, family: number, clientPort: number, vipPort: number): void {
    copyAddress(frame, clientAt, family, this.#flowKey.words, flowKey.at.client >> 2);
    this.#flowKey.words[flowKey.at.vip >> 2] = this.vip;
    set16(this.#flowKey.bytes, flowKey.at.clientPortBe, clientPort);
    set16(this.#flowKey.bytes, flowKey.at.vipPortBe, vipPort);
  }

  #loadFragmentKey(frame: Uint8Array): void {
    const { family, protocol, sourceAt, destinationAt, fragmentId } = this.#packet;
    const { bytes } = this.#fragmentKey;
    copyAddress(frame, sourceAt, family, this.#fragmentKey.words, fragmentKey.at.client >> 2);
    copyAddress(frame, destinationAt, family, this.#fragmentKey.words, fragmentKey.at.vip >> 2);
    set32(bytes, fragmentKey.at.id, fragmentId);
    bytes[fragmentKey.at.protocol] = family === 4 ? protocol : 0;
    bytes[fragmentKey.at.family] = family;
  }

  /** Whether the datagram's other fragments have a server that still is one; it is loaded then. */
  #knowsFragment(): boolean {
    const { words } = this.#fragmentValue;
    if (!this.#tables.findFragment(this.#fragmentKey, this.#fragmentValue)) return false;
    const age = (this.#epoch() - words[fragmentValue.at.epoch >> 2]) >>> 0;
    if (age > FRAGMENT_EPOCHS) return false;
    if (!this.#serves(words[fragmentValue.at.real >> 2], words[fragmentValue.at.generation >> 2])) return false;
    this.vip = words[fragmentValue.at.vip >> 2];
    return true;
  }

  #rememberFragment(): void {
    const { words } = this.#fragmentValue;
    words[fragmentValue.at.real >> 2] = this.real;
    words[fragmentValue.at.generation >> 2] = this.#generation();
    words[fragmentValue.at.vip >> 2] = this.vip;
    words[fragmentValue.at.epoch >> 2] = this.#epoch();
    this.#tables.putFragment(this.#fragmentKey, this.#fragmentValue);
  }

  /** Loads the real that the hash says; false if there is none in service. */
  #choose(frame: Uint8Array, clientAt: number, family: number, ports: number, hashesPorts: boolean): boolean {
    const { control } = this.#tables;
    let hash = littleEndian32(control, controlValue.at.seed);
    const words = family === 4 ? 1 : 4;
    for (let i = 0; i < words; i++) hash = hashWord(hash, get32(frame, clientAt + i * 4));
    if (hashesPorts) hash = hashWord(hash, ports);
    this.slots = this.#tables.slotsOf(this.vip);
    this.slot = slotOf(hashEnd(hash), this.slots);
    return this.#load(this.#tables.slot(this.vip, this.slot));
  }

  /** Loads a real; false if it is none that serves. */
  #load(real: number): boolean {
    this.real = NO_REAL;
    if (real === NO_REAL) return false;
    this.#real = this.#tables.real(real);
    if ((this.#state() & REAL_SERVES) === 0) return false;
    this.real = real;
    return true;
  }

  /** Loads a real that an entry names; false if it is another server by now, or none. */
  #serves(real: number, generation: number): boolean {
    if (this.#load(real) && this.#generation() === generation) return true;
    this.real = NO_REAL;
    return false;
  }

  #state(): number {
    const { bytes } = this.#real;
    return bytes[realValue.at.state] | (bytes[realValue.at.state + 1] << 8);
  }

  #generation(): number {
    return this.#real.words[realValue.at.generation >> 2];
  }

  #epoch(): number {
    return littleEndian32(this.#tables.control, controlValue.at.epoch);
  }

  #isOwnMac(frame: Uint8Array): boolean {
    const own = this.#ownMac;
    return (
      frame[5] === own[5] &&
      frame[4] === own[4] &&
      frame[3] === own[3] &&
      frame[2] === own[2] &&
      frame[1] === own[1] &&
      frame[0] === own[0]
    );
  }
}
