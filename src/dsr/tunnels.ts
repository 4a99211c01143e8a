/**
 * Which servers behind tunnels are there, by which router, and how much fits into a packet to them.
 *
 * A server is asked through its tunnel: an echo request to a VIP, wrapped as a client's packet would be. Whoever
 * answers has a way back to us, takes packets out of the tunnel, and holds the VIP; one that lacks any of it would be of
 * no use to clients, though it answered a connection to its own address. The way there is the kernel's (`route`); what
 * fits is the least of interface, route, and what routers have said ("too big" about packets of ours).
 *
 * Anybody who knows two addresses can write such a message. One that quotes a question of ours, with the token in it, is
 * believed. Any other is a claim, which is put to the test by a question that is too long if it is true:
 *
 *   "too big", quotes no question ─► claim ──► a long question ─┬─ answered ───────────────────► it was a lie
 *                                                  ▲      │     └─ "too big" that quotes it ───► believed as that says
 *                                                  └──────┘ silence, though the short ones are answered: after three, believed
 *
 * Pure: frames, times and routes come in, frames go out through `send`.
 */
import { formatIp, type IpWords, isV4 } from '../core/address.js';
import { isSameAddress } from '../core/vip.js';
import { get16, get32 } from '../frame/byte-order.js';
import { ETHER_TYPE, EthernetView, ethernet } from '../frame/ethernet.js';
import { FRAGMENTATION_NEEDED, ICMP, ICMP_BYTES, ICMP_TYPE, ICMPV6_TYPE, icmp, icmpv6 } from '../frame/icmp.js';
import { IPV4_BYTES, ipv4 } from '../frame/ipv4.js';
import { IPV6_BYTES, ipv6 } from '../frame/ipv6.js';
import { PacketView, REST } from '../frame/packet-view.js';
import { PROTOCOL } from '../frame/protocol.js';
import { MIN_MTU_V6 } from '../frame/too-big.js';
import { ENCAP, type Encap, GUE_PORT, packetBytes, tunnelBytes, tunnelled } from '../frame/tunnel.js';
import { MAX_EXTENSIONS } from './layout.js';
import { addressName } from './neighbours.js';
import { type Probed, ProbeSchedule } from './probe-schedule.js';
import { addressBytes, addressWords } from './record.js';

/** What the kernel says of the way to an address: by whom, or why there is none, in words. */
export type Way = { readonly nextHop: IpWords; readonly mtu: number | undefined } | string;

export interface TunnelOptions {
  /** Our MAC address, as it is now. */
  mac(): Uint8Array;
  /** Marks answers to our own questions. */
  readonly token: number;
  /** The MAC address of a router or server on the link, undefined while it does not answer. */
  macOf(address: IpWords): Uint8Array | undefined;
  /** Where tunnels of a family begin, undefined while the interface has no address of it. */
  source(family: 4 | 6): IpWords | undefined;
  interfaceMtu(): number;
  way(address: IpWords): Way;
  send(frame: Uint8Array): void;
  /** A server has come or gone, is reached another way, or takes packets of another size; by name. */
  changed(name: string): void;
}

/** A server behind a tunnel, and a VIP that it holds. */
export interface FarServer {
  readonly address: IpWords;
  readonly encap: Exclude<Encap, 'none'>;
  readonly vip: IpWords;
}

interface Entry extends Probed {
  readonly name: string;
  server: FarServer;
  readonly number: number;
  way: Way;
  /** What a router has said, and when that is forgotten. */
  pathMtu: number;
  pathMtuUntilMs: number;
  claim: Claim | undefined;
}

/** A path MTU that may be a lie. */
interface Claim {
  readonly pathMtu: number;
  /** Of an outer packet that does not pass if it is true. */
  readonly tooLong: number;
  /** Long questions that have had no answer while short ones had. */
  unanswered: number;
}

/** Between two looks at routes, which change by hand or by routing daemons. */
const ROUTE_INTERVAL_MS = 1000;
/** After that a path may have become wider (RFC 1191 6.3, RFC 8201 5.4). */
const PATH_MTU_MS = 600_000;
/** What every host takes (RFC 791 3.1); a lower figure is a forgery or a mistake. */
const MIN_MTU_V4 = 576;
/** For routers that name none, as before RFC 1191. */
const UNNAMED_MTU = 1280;
const MARK_BYTES = 8;
/** Behind the mark of a long question: the bytes of its outer packet. */
const LONG_MARK_BYTES = MARK_BYTES + 4;
const LONG_UNANSWERED = 3;

export class Tunnels {
  readonly #options: TunnelOptions;
  readonly #schedule: ProbeSchedule<Entry>;
  readonly #numbered = new Map<number, Entry>();
  readonly #link = new EthernetView();
  readonly #packet = new PacketView();
  readonly #quoted = new PacketView();
  readonly #inner = new PacketView();
  #nextNumber = 0;
  #nextRoutesMs = 0;
  #interfaceMtu = 0;
  #nowMs = 0;

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#schedule = new ProbeSchedule<Entry>({
      ask: (entry) => this.#ask(entry),
      lost: (name) => options.changed(name),
    });
  }

  /** From now on it is asked. */
  add(name: string, server: FarServer): void {
    if (this.#schedule.get(name)) return;
    if (this.#schedule.size === 0) this.#interfaceMtu = this.#options.interfaceMtu();
    const number = this.#nextNumber++;
    const way = this.#options.way(server.address);
    const path = { pathMtu: 0, pathMtuUntilMs: 0, claim: undefined };
    const entry: Entry = { name, server, number, way, ...path, isAlive: false, nextMs: 0, asked: 0 };
    this.#schedule.add(name, entry);
    this.#numbered.set(number, entry);
  }

  remove(name: string): void {
    const entry = this.#schedule.get(name);
    if (!entry) return;
    this.#schedule.remove(name);
    this.#numbered.delete(entry.number);
  }

  /** It answered a moment ago, and took packets of that size, as another process knows. It is asked all the same. */
  assume(name: string, innerMtu: number, nowMs: number): void {
    const entry = this.#schedule.get(name);
    if (!entry || !this.#schedule.found(entry)) return;
    const { encap, address } = entry.server;
    entry.pathMtu = innerMtu + tunnelBytes(ENCAP[encap], isV4(address) ? 4 : 6);
    entry.pathMtuUntilMs = nowMs + PATH_MTU_MS;
    this.#options.changed(name);
  }

  /** It is asked for another VIP; it stays what it was until that is answered or not. */
  aim(name: string, vip: IpWords): void {
    const entry = this.#schedule.get(name);
    if (entry) entry.server = { ...entry.server, vip };
  }

  /** Who must be known on the link for it, a router or the server itself; undefined if there is no way. */
  nextHopOf(name: string): IpWords | undefined {
    const way = this.#schedule.get(name)?.way;
    return way === undefined || typeof way === 'string' ? undefined : way.nextHop;
  }

  /** Whether all that are asked have answered. */
  get isComplete(): boolean {
    return this.#schedule.isComplete;
  }

  /** The MAC address on the way to a server that answers, and how large its packets may be; undefined if it does not. */
  at(name: string): { mac: Uint8Array; innerMtu: number } | undefined {
    const entry = this.#schedule.get(name);
    if (!entry?.isAlive || typeof entry.way === 'string') return undefined;
    const mac = this.#options.macOf(entry.way.nextHop);
    return mac && { mac, innerMtu: this.#innerMtu(entry, entry.way.mtu) };
  }

  /** `by 192.0.2.1 mtu 1480`, or why it cannot be reached, for people. */
  describe(name: string): string {
    const entry = this.#schedule.get(name);
    if (!entry) return '';
    if (typeof entry.way === 'string') return entry.way;
    return `by ${formatIp(entry.way.nextHop)} mtu ${this.#innerMtu(entry, entry.way.mtu)}`;
  }

  /** Why a server that does not answer may not, as a hint. */
  hint(name: string): string {
    const entry = this.#schedule.get(name);
    if (!entry || typeof entry.way === 'string') return typeof entry?.way === 'string' ? entry.way : '';
    const { nextHop } = entry.way;
    const { address, vip, encap } = entry.server;
    if (this.#options.macOf(nextHop) === undefined && !isSameAddress(nextHop, address))
      return `the router ${formatIp(nextHop)} does not answer`;
    return `does it take ${encap} apart, hold ${formatIp(vip)} on lo, and have a way to us?`;
  }

  /** Asks those whose time has come, gives up those that have not answered, and looks at routes. */
  tick(nowMs: number): void {
    if (this.#schedule.size === 0) return;
    this.#nowMs = nowMs;
    if (nowMs >= this.#nextRoutesMs) this.#lookAtRoutes(nowMs);
    this.#forgetPaths(nowMs);
    this.#schedule.tick(nowMs);
  }

  /** A frame that has come in. */
  received(frame: Uint8Array, nowMs: number): void {
    const packet = this.#packet;
    if (!this.#link.read(frame, frame.length)) return;
    if (!packet.readHeader(frame, this.#link.etherType, this.#link.payloadAt, frame.length)) return;
    // What counts stands at the beginning: of a long answer the rest may be cut off, or be in another fragment.
    if (packet.readRest(frame, frame.length, true, MAX_EXTENSIONS) !== REST.whole || !packet.isFirstFragment) return;
    const isV4Packet = packet.family === 4;
    if (packet.protocol !== (isV4Packet ? PROTOCOL.icmp : PROTOCOL.icmpv6)) return;
    if (packet.payloadEnd - packet.payloadAt < ICMP_BYTES + MARK_BYTES) return;
    const at = packet.payloadAt;
    const type = frame[at + ICMP.type];
    if (type === (isV4Packet ? ICMP_TYPE.echoReply : ICMPV6_TYPE.echoReply)) {
      this.#answered(frame);
      return;
    }
    const isTooBig = isV4Packet
      ? type === ICMP_TYPE.unreachable && frame[at + ICMP.code] === FRAGMENTATION_NEEDED
      : type === ICMPV6_TYPE.tooBig;
    if (isTooBig) this.#tooBig(frame, nowMs);
  }

  #forgetPaths(nowMs: number): void {
    for (const entry of this.#schedule.entries()) {
      if (entry.pathMtu === 0 || nowMs < entry.pathMtuUntilMs) continue;
      entry.pathMtu = 0;
      this.#options.changed(entry.name);
    }
  }

  #lookAtRoutes(nowMs: number): void {
    this.#nextRoutesMs = nowMs + ROUTE_INTERVAL_MS;
    const interfaceMtu = this.#options.interfaceMtu();
    const isOther = interfaceMtu !== this.#interfaceMtu;
    this.#interfaceMtu = interfaceMtu;
    // Hundreds of servers have a handful of routers, but each may have a route of its own.
    for (const entry of this.#schedule.entries()) {
      const way = this.#options.way(entry.server.address);
      if (!isOther && textOf(way) === textOf(entry.way)) continue;
      entry.way = way;
      this.#options.changed(entry.name);
    }
  }

  #ask(entry: Entry): void {
    const isAnswered = entry.asked === 0;
    entry.asked += 1;
    this.#send(entry, 0);
    const { claim } = entry;
    if (!claim) return;
    // Of one that does not answer at all there is nothing to be learnt.
    if (!entry.isAlive) entry.claim = undefined;
    else if (isAnswered && ++claim.unanswered >= LONG_UNANSWERED) this.#believe(entry, claim.pathMtu, this.#nowMs);
    else this.#send(entry, claim.tooLong);
  }

  /** An echo request in the tunnel; `outerBytes` of the whole packet, 0 for as few as do. */
  #send({ server, way, number, asked }: Entry, outerBytes: number): void {
    const { token, macOf, source, send } = this.#options;
    const { address, encap, vip } = server;
    const nextMac = typeof way === 'string' ? undefined : macOf(way.nextHop);
    const outer = source(isV4(address) ? 4 : 6);
    const inner = source(isV4(vip) ? 4 : 6);
    if (!nextMac || !outer || !inner) return;
    const headers = tunnelBytes(ENCAP[encap], isV4(address) ? 4 : 6) + (isV4(vip) ? IPV4_BYTES : IPV6_BYTES);
    const mark = new Uint8Array(
      outerBytes === 0 ? MARK_BYTES : Math.max(LONG_MARK_BYTES, outerBytes - headers - ICMP_BYTES),
    );
    const view = new DataView(mark.buffer);
    view.setUint32(0, token);
    view.setUint32(4, number);
    if (outerBytes !== 0) view.setUint32(8, outerBytes);
    const word = ((number & 0xffff) << 16) | (asked & 0xffff);
    const packet = isV4(vip)
      ? ipv4({ source: wire(inner), destination: wire(vip) }, icmp({ type: ICMP_TYPE.echoRequest, word }, mark))
      : ipv6({ source: wire(inner), destination: wire(vip) }, icmpv6({ type: ICMPV6_TYPE.echoRequest, word }, mark));
    const tunnel = { encap, source: wire(outer), destination: wire(address), hash: number };
    send(ethernet({ destination: nextMac, source: this.#options.mac() }, tunnelled(tunnel, packet)));
  }

  #answered(frame: Uint8Array): void {
    const { at, family, sourceAt, payloadAt } = this.#packet;
    const markAt = payloadAt + ICMP_BYTES;
    if (get32(frame, markAt) !== (this.#options.token | 0)) return;
    const entry = this.#numbered.get(get32(frame, markAt + 4) >>> 0);
    if (!entry || !isSameAddress(wordsAt(frame, sourceAt, family), entry.server.vip)) return;
    const end = Math.min(frame.length, at + packetBytes(frame, at, family));
    const isLong = markAt + LONG_MARK_BYTES <= end;
    if (isLong && entry.claim && get32(frame, markAt + MARK_BYTES) >= entry.claim.tooLong) entry.claim = undefined;
    entry.asked = 0;
    if (!this.#schedule.found(entry)) return;
    this.#options.changed(entry.name);
  }

  /** A router's message about a packet of ours: what it quotes must be from us, to that server, in its tunnel. */
  #tooBig(frame: Uint8Array, nowMs: number): void {
    const { family, payloadAt, payloadEnd } = this.#packet;
    const quoted = this.#quoted;
    const etherType = family === 4 ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6;
    if (!quoted.readHeader(frame, etherType, payloadAt + ICMP_BYTES, payloadEnd)) return;
    if (quoted.readRest(frame, payloadEnd, true, MAX_EXTENSIONS) !== REST.whole) return;
    const encap = encapOf(frame, quoted);
    const source = this.#options.source(family === 4 ? 4 : 6);
    if (encap === 'none' || !source || !isSameAddress(wordsAt(frame, quoted.sourceAt, family), source)) return;
    const entry = this.#schedule.get(farName(wordsAt(frame, quoted.destinationAt, family), encap));
    if (!entry || typeof entry.way === 'string') return;
    const told = family === 4 ? get16(frame, payloadAt + ICMP.word + 2) : get32(frame, payloadAt + ICMP.word) >>> 0;
    const pathMtu = Math.max(told === 0 ? UNNAMED_MTU : told, family === 4 ? MIN_MTU_V4 : MIN_MTU_V6);
    if (entry.pathMtu !== 0 && entry.pathMtu < pathMtu) return;
    if (this.#quotesQuestion(frame, entry)) {
      this.#believe(entry, pathMtu, nowMs);
      return;
    }
    const outerMtu = this.#outerMtu(entry, entry.way.mtu);
    if (!entry.isAlive || pathMtu >= outerMtu) return;
    // Of several the widest, so that a lie beside a true one costs time only. The next question is asked in its turn.
    const isFirst = entry.claim === undefined;
    if (entry.claim && entry.claim.pathMtu >= pathMtu) return;
    const tooLong = told === 0 ? outerMtu : pathMtu + 1;
    entry.claim = { pathMtu, tooLong, unanswered: 0 };
    if (isFirst) this.#send(entry, tooLong);
  }

  /** Whether the quote is of a question to it, which nobody knows who has not seen it. */
  #quotesQuestion(frame: Uint8Array, { number, server }: Entry): boolean {
    const { payloadAt, payloadEnd, family: outer } = this.#quoted;
    const inner = this.#inner;
    const isV4Vip = isV4(server.vip);
    const at = payloadAt + tunnelBytes(ENCAP[server.encap], outer) - (outer === 4 ? IPV4_BYTES : IPV6_BYTES);
    if (!inner.readHeader(frame, isV4Vip ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6, at, payloadEnd)) return false;
    if (inner.readRest(frame, payloadEnd, true, MAX_EXTENSIONS) !== REST.whole) return false;
    const markAt = inner.payloadAt + ICMP_BYTES;
    if (inner.protocol !== (isV4Vip ? PROTOCOL.icmp : PROTOCOL.icmpv6) || markAt + MARK_BYTES > payloadEnd)
      return false;
    return get32(frame, markAt) === (this.#options.token | 0) && get32(frame, markAt + 4) >>> 0 === number;
  }

  #believe(entry: Entry, pathMtu: number, nowMs: number): void {
    entry.claim = undefined;
    if (typeof entry.way === 'string') return;
    const before = this.#innerMtu(entry, entry.way.mtu);
    entry.pathMtu = pathMtu;
    entry.pathMtuUntilMs = nowMs + PATH_MTU_MS;
    if (this.#innerMtu(entry, entry.way.mtu) !== before) this.#options.changed(entry.name);
  }

  #outerMtu({ pathMtu }: Entry, routeMtu: number | undefined): number {
    return Math.min(this.#options.interfaceMtu(), routeMtu ?? 0xffff, pathMtu || 0xffff);
  }

  #innerMtu(entry: Entry, routeMtu: number | undefined): number {
    const { encap, address } = entry.server;
    return Math.max(0, this.#outerMtu(entry, routeMtu) - tunnelBytes(ENCAP[encap], isV4(address) ? 4 : 6));
  }
}

/** Of what is quoted; `none` if it is no tunnel of ours. */
function encapOf(frame: Uint8Array, { protocol, payloadAt, payloadEnd }: PacketView): Encap {
  if (protocol === PROTOCOL.ipip || protocol === PROTOCOL.ipv6) return 'ipip';
  const isGue = protocol === PROTOCOL.udp && payloadAt + 4 <= payloadEnd && get16(frame, payloadAt + 2) === GUE_PORT;
  return isGue ? 'gue' : 'none';
}

function wordsAt(frame: Uint8Array, at: number, family: number): IpWords {
  return family === 6 ? addressWords(frame, at) : [0, 0, 0xffff, get32(frame, at)];
}

/** As packets have it: 4 or 16 bytes. */
function wire(address: IpWords): Uint8Array {
  const bytes = addressBytes(address);
  return isV4(address) ? bytes.slice(12) : bytes;
}

/** What a server is known by: on the link by its address, behind a tunnel by that and the kind. */
export function farName(address: IpWords, encap: Encap): string {
  return encap === 'none' ? addressName(address) : `${addressName(address)} ${encap}`;
}

function textOf(way: Way): string {
  return typeof way === 'string' ? way : `${way.nextHop} ${way.mtu}`;
}
