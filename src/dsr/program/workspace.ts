/**
 * What all stages of the program share: which register holds what, where on the stack the keys are built, and the few
 * phrases that come up everywhere.
 *
 *   while the frame is read                      once it is known whose it is
 *   r6  its first byte                           the same
 *   r7  its end                                  the same; its length when it is counted
 *   r8  the IP header                            the outcome
 *   r9  what follows the IP headers              the real's value
 *
 * r1 to r5 are lost in every look-up. Fields from frames are compared and stored as they lie there; `wire16` and
 * `wire32` give the number that such a field has in a register, on the little-endian hosts that we run on.
 */
import * as asm from '../../bpf/asm/index.js';
import { Builder, Cursor, type FieldAt, type MapShape, type Place } from '../../bpf/builder/index.js';
import { XDP_MD } from '../../sys/uapi/bpf.js';
import {
  aclKey,
  controlValue,
  defaultDimensions,
  flowKey,
  flowValue,
  fragmentKey,
  fragmentValue,
  type MapName,
  mapLayouts,
  type ProgramOptions,
  prefixKey,
  vipKey,
} from '../layout.js';
import { type KnownAddress, knownAddresses, type VipMaps } from './known-vips.js';

export const FRAME = asm.r6;
export const END = asm.r7;
export const PACKET = asm.r8;
export const PAYLOAD = asm.r9;
export const OUTCOME_REGISTER = asm.r8;
export const REAL = asm.r9;

/** A field of a structure of the layout. */
export function field<F extends string>(layout: { readonly field: Readonly<Record<F, FieldAt>> }, name: F): FieldAt {
  return layout.field[name];
}

/** `bytes` from `offset` on. */
export function span(offset: number, bytes: number): FieldAt {
  return { offset, bytes };
}

/** The register's number of a big-endian field that has this value. */
export function wire16(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8);
}

export function wire32(value: number): number {
  return (wire16(value & 0xffff) << 16) | wire16(value >>> 16) | 0;
}

export class Workspace {
  readonly b = new Builder();
  readonly options: ProgramOptions;
  readonly maps: Readonly<Record<MapName, MapShape>>;
  readonly context: Place;
  readonly vipKey: Place;
  /** The service of a prefix: as `vipKey`, which keeps the address. */
  readonly prefixVipKey: Place;
  readonly prefixKey: Place;
  readonly aclKey: Place;
  readonly flowKey: Place;
  readonly flowValue: Place;
  readonly fragmentKey: Place;
  readonly fragmentValue: Place;
  /** A key of `reals` and what is counted by it, or of `outcomes`. */
  readonly index: Place;
  /** The service's number, as key of `slots` and `vipTraffic`. */
  readonly vip: Place;
  /** Its flags: those of the hash only, once it is chosen by. */
  readonly flags: Place;
  /** Both ports as a client sends them. */
  readonly ports: Place;
  /** 1 for a part of a datagram, whose server the other parts are to meet. */
  readonly isFragment: Place;
  /** Of a fragment: what must be known again after look-ups. */
  readonly protocol: Place;
  readonly remaining: Place;
  readonly packet: Place;
  readonly isLater: Place;
  readonly aclBit: Place;
  /** Where the frame's last EtherType lies, behind any tags; and what else is needed once the frame has been moved. */
  readonly typeAt: Place;
  readonly tags: Place;
  readonly innerBytes: Place;
  readonly tos: Place;
  readonly hash: Place;
  /** What counts once an answer is written: for a VIP, or for the tarpit. */
  readonly answerOutcome: Place;
  /** Of a segment of the tarpit: its numbers, in host order, and the word with flags and window, as it lies. */
  readonly sequence: Place;
  readonly acknowledgement: Place;
  readonly segmentWord: Place;
  /** Which of several known addresses it is. */
  readonly addressNumber: Place;
  /** The VIPs that the program knows by heart, by family. */
  readonly known: Readonly<Record<4 | 6, readonly KnownAddress[]>> | undefined;

  constructor(options: ProgramOptions, vips: VipMaps | undefined) {
    this.options = options;
    const addresses = knownAddresses(vips);
    const ofFamily = (family: 4 | 6) => addresses?.filter((address) => address.family === family) ?? [];
    this.known = addresses === undefined ? undefined : { 4: ofFamily(4), 6: ofFamily(6) };
    const layouts = mapLayouts(defaultDimensions);
    this.maps = Object.fromEntries(
      Object.entries(layouts).map(([name, { keyBytes, valueBytes }]) => [
        name,
        { name, key: { bytes: keyBytes }, value: { bytes: valueBytes } },
      ]),
    ) as Record<MapName, MapShape>;
    const { b } = this;
    this.context = b.reserve('context', 8);
    this.vipKey = b.reserve('key of vips', vipKey.bytes);
    this.prefixVipKey = b.reserve('key of vips of a prefix', vipKey.bytes);
    this.prefixKey = b.reserve('key of prefixes', prefixKey.bytes);
    this.aclKey = b.reserve('key of acl', aclKey.bytes);
    this.flowKey = b.reserve('key of flows', flowKey.bytes);
    this.flowValue = b.reserve('value of flows', flowValue.bytes);
    this.fragmentKey = b.reserve('key of fragments', fragmentKey.bytes);
    this.fragmentValue = b.reserve('value of fragments', fragmentValue.bytes);
    this.index = b.reserve('index', 4);
    this.vip = b.reserve('vip', 4);
    this.flags = b.reserve('flags', 4);
    this.ports = b.reserve('ports', 4);
    this.isFragment = b.reserve('is fragment', 4);
    this.protocol = b.reserve('protocol', 4);
    this.remaining = b.reserve('remaining', 4);
    this.packet = b.reserve('packet', 8);
    this.isLater = b.reserve('is later fragment', 4);
    this.aclBit = b.reserve('acl bit', 4);
    this.typeAt = b.reserve('type at', 8);
    this.tags = b.reserve('tags', 8);
    this.innerBytes = b.reserve('inner bytes', 4);
    this.tos = b.reserve('type of service', 4);
    this.hash = b.reserve('hash', 4);
    this.answerOutcome = b.reserve('outcome of an answer', 4);
    this.sequence = b.reserve('sequence', 4);
    this.acknowledgement = b.reserve('acknowledgement', 4);
    this.segmentWord = b.reserve('flags and window', 4);
    this.addressNumber = b.reserve('address number', 4);
  }

  /** What `r8` points at, or `r9`. */
  cursor(what: string, register: asm.Register): Cursor {
    return new Cursor(this.b, what, register, END);
  }

  /** The first 14 bytes of the frame, which are there. */
  get ethernet(): Place {
    return this.b.place('Ethernet header', FRAME, 0, 14);
  }

  /** dst = address of the only value of `control`. */
  control(dst: asm.Register): Place {
    this.b.emit(asm.loadMapValue(dst, 'control'));
    return this.b.place('control', dst, 0, controlValue.bytes);
  }

  /** Takes both pointers anew, as the kernel wants once a frame has been moved or cut. Uses r1. */
  reloadFrame(): void {
    this.context.load(asm.r1, span(0, 8));
    this.b.emit(asm.load(FRAME, asm.r1, XDP_MD.data, 4), asm.load(END, asm.r1, XDP_MD.dataEnd, 4));
  }

  /** Goes to `otherwise` if the frame is for another MAC address. Uses r2 and r3. */
  demandOwnMac(otherwise: string): void {
    const { b } = this;
    // Eight bytes of each, without the two that are not of the address.
    this.control(asm.r2).load(asm.r2, span(controlValue.at.mac, 8));
    this.ethernet.load(asm.r3, span(0, 8));
    b.emit(asm.lsh.imm(asm.r2, 16), asm.lsh.imm(asm.r3, 16), asm.jne.reg(asm.r2, asm.r3, otherwise));
  }

  /** Goes to `otherwise` unless the frame is for our MAC address or for a group. Uses r2 and r3. */
  demandOwnOrGroupMac(otherwise: string): void {
    const { b } = this;
    const accepted = b.newLabel('mac');
    this.ethernet.load(asm.r2, span(0, 1));
    b.emit(asm.jset.imm(asm.r2, 1, accepted));
    this.demandOwnMac(otherwise);
    b.emit(asm.label(accepted));
  }

  /** Writes our MAC address. Uses r2 and r3. */
  storeOwnMac(to: Place, at: number): void {
    const control = this.control(asm.r2);
    this.copyMac(to, at, control, controlValue.at.mac);
  }

  /** Uses r3. */
  copyMac(to: Place, at: number, from: Place, source: number): void {
    from.load(asm.r3, span(source, 4));
    to.store(span(at, 4), asm.r3);
    from.load(asm.r3, span(source + 4, 2));
    to.store(span(at + 4, 2), asm.r3);
  }

  /**
   * Makes the frame end so many bytes behind the IP header; the kernel then wants all pointers to be taken anew, and r9 is
   * lost. Goes to `otherwise` where there is no room behind the frame (a driver that has none).
   */
  resizeTo(bytes: number, otherwise: string): void {
    const { b } = this;
    const { r0, r1, r2, r3 } = asm;
    // Where the header lies, 14 to 22, which the verifier cannot know of a difference of pointers.
    b.emit(asm.mov.reg(PAYLOAD, PACKET), asm.sub.reg(PAYLOAD, FRAME), asm.and.imm(PAYLOAD, 31));
    b.emit(asm.mov.reg(r2, PAYLOAD), asm.add.imm(r2, bytes));
    b.emit(asm.mov.reg(r3, END), asm.sub.reg(r3, FRAME), asm.sub.reg(r2, r3));
    this.context.load(r1, span(0, 8));
    b.emit(asm.callHelper('xdp_adjust_tail'));
    this.reloadFrame();
    b.emit(asm.mov.reg(PACKET, FRAME), asm.add.reg(PACKET, PAYLOAD));
    this.cursor('frame', FRAME).need(14, r2, otherwise);
    b.emit(asm.jne.imm(r0, 0, otherwise));
  }

  /** Back to who sent it, from us. Uses r2 and r3. */
  replyToSender(): void {
    this.copyMac(this.ethernet, 0, this.ethernet, 6);
    this.storeOwnMac(this.ethernet, 6);
  }

  /**
   * An address of the packet as keys have it: 16 bytes, an IPv4 one mapped. In whole 64-bit stores, as the kernel reads
   * keys in such. Uses r2 and r3.
   */
  storeAddress(to: Place, at: FieldAt, family: 4 | 6, from: Place, source: number): void {
    if (family === 6) {
      to.copy(at, from, span(source, 16), asm.r2);
      return;
    }
    from.load(asm.r2, span(source, 4));
    this.b.emit(asm.lsh.imm(asm.r2, 32), asm.mov32.imm(asm.r3, 0xffff_0000), asm.or.reg(asm.r2, asm.r3));
    to.store(span(at.offset, 8), 0);
    to.store(span(at.offset + 8, 8), asm.r2);
  }

  /** The key's port (as it lies in frames), protocol and family, from one register or constant. */
  storeVipPort(word: asm.Register | number): void {
    this.vipKey.store(span(vipKey.at.portBe, 4), word);
  }

  /** The entry (address, 0, protocol) or (address, 0, 0): its key's last word. */
  portlessWord(family: 4 | 6, protocol = 0): number {
    return (family << 24) | (protocol << 16);
  }

  /** Where packets go that are for no VIP's address. */
  get notVip(): string {
    return this.options.tarpit ? 'notVip' : 'passNotVip';
  }

  /** Ends with the outcome that was kept for when the answer is written. */
  finishAnswer(): void {
    this.answerOutcome.load(OUTCOME_REGISTER, span(0, 4));
    this.b.goto('count');
  }

  /** Ends with the outcome. */
  finish(outcome: string): void {
    this.b.goto(outcome);
  }
}
