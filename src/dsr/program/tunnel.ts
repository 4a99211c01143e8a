/**
 * The tunnel to a server that is not on the link: outer headers before the packet, as `../tunnel.ts` writes them. The
 * frame grows at its head, so all that lies before the packet is written anew, and the packet stays where it is.
 *
 *        MAC addresses │ tags │ type │ packet
 *   MAC addresses │ tags │ type │ outer IP │ (UDP) │ packet
 */
import * as asm from '../../bpf/asm/index.js';
import { above, equal, type Place, unequal } from '../../bpf/builder/index.js';
import { ETHER_TYPE, ETHERNET_BYTES } from '../../frame/ethernet.js';
import { DONT_FRAGMENT, IPV4, IPV4_BYTES } from '../../frame/ipv4.js';
import { IPV6, IPV6_BYTES } from '../../frame/ipv6.js';
import { PROTOCOL } from '../../frame/protocol.js';
import { ENCAP, FLOW_LABEL_MASK, flowPort, GUE_PORT, TUNNEL_TTL } from '../../frame/tunnel.js';
import { UDP, UDP_BYTES } from '../../frame/udp.js';
import { controlValue, realValue, vipKey } from '../layout.js';
import { hashFlow } from './flow.js';
import { countTraffic } from './forward.js';
import { FRAME, field, REAL, span, type Workspace, wire16 } from './workspace.js';

const { r0, r1, r2, r3, r4, r5 } = asm;

const TYPE_BYTES = 2;
const TAGS_AT = ETHERNET_BYTES - TYPE_BYTES;
/** Two tags, or what lies there if there are none. */
const TAGS_BYTES = 8;
/** Covers where the type may lie: 12, 16 or 20. */
const TYPE_AT_MASK = 31;

/** r9 = the real's value, `index` its number, `vip` the service's, r8 = the outcome; vipKey has the packet's family. */
export function tunnelStage(w: Workspace): void {
  const { b, options } = w;
  const real = b.place('real', REAL, 0, realValue.bytes);
  b.stage('tunnel', () => {
    measure();
    real.load(r1, field(realValue, 'innerMtu'));
    w.innerBytes.load(r4, span(0, 4));
    b.jumpIf(above(r4, r1), 'tooBig');
    keepTags();
    countTraffic(w);
    hashFlow(w);
    w.hash.store(span(0, 4), r1);
    grow();
    w.copyMac(w.ethernet, 0, real, realValue.at.mac);
    w.storeOwnMac(w.ethernet, 6);
    if (options.vlan) restoreTags(w);
    atType(w, r4);
    real.load(r1, field(realValue, 'outer'));
    b.jumpIf(unequal(r1, 4), 'tunnel.ipv6');
    outerV4();
    b.emit(asm.label('tunnel.ipv6'));
    outerV6();
  });

  /** Bytes and type of service of the packet, to the stack. */
  function measure(): void {
    const [six, measured] = ['six', 'measured'].map((role) => b.newLabel(role));
    atType(w, r3);
    const packet = w.cursor('packet', r3);
    if (options.ipv4) {
      if (options.ipv6) {
        w.vipKey.load(r1, field(vipKey, 'family'));
        b.jumpIf(equal(r1, 6), six);
      }
      packet.need(TYPE_BYTES + IPV4_BYTES, r2, 'dropTooBig');
      const header = packet.part('IPv4 header', span(TYPE_BYTES, IPV4_BYTES));
      header.load(r4, span(IPV4.totalLength, 2));
      b.emit(asm.toBe(r4, 16));
      header.load(r5, span(IPV4.tos, 1));
      b.goto(measured);
    }
    b.emit(asm.label(six));
    if (options.ipv6) {
      packet.need(TYPE_BYTES + IPV6_BYTES, r2, 'dropTooBig');
      const header = packet.part('IPv6 header', span(TYPE_BYTES, IPV6_BYTES));
      header.load(r4, span(IPV6.payloadLength, 2));
      b.emit(asm.toBe(r4, 16), asm.add.imm(r4, IPV6_BYTES));
      header.load(r5, span(0, 2));
      b.emit(asm.toBe(r5, 16), asm.rsh.imm(r5, 4), asm.and.imm(r5, 0xff));
    }
    b.emit(asm.label(measured));
    w.innerBytes.store(span(0, 4), r4);
    w.tos.store(span(0, 4), r5);
  }

  function keepTags(): void {
    if (!options.vlan) return;
    const frame = w.cursor('tags', FRAME);
    frame.need(TAGS_AT + TAGS_BYTES, r2, 'dropTooBig');
    w.tags.copy(span(0, TAGS_BYTES), frame, span(TAGS_AT, TAGS_BYTES), r1);
  }

  /** Makes room at the frame's head: 20 or 40 bytes, and 8 more for UDP. */
  function grow(): void {
    b.emit(asm.mov.imm(r2, -IPV4_BYTES));
    real.load(r1, field(realValue, 'outer'));
    b.unless(equal(r1, 4), () => b.emit(asm.mov.imm(r2, -IPV6_BYTES)));
    real.load(r1, field(realValue, 'encap'));
    b.unless(unequal(r1, ENCAP.gue), () => b.emit(asm.sub.imm(r2, UDP_BYTES)));
    w.context.load(r1, span(0, 8));
    b.emit(asm.callHelper('xdp_adjust_head'));
    w.reloadFrame();
    // Without room before the frame (a driver that keeps none) it cannot be sent on.
    b.jumpIf(unequal(r0, 0), 'dropTooBig');
    w.cursor('frame', FRAME).need(TAGS_AT + TAGS_BYTES, r2, 'dropTooBig');
  }

  /** From r4 = where the type lies. */
  function outerV4(): void {
    const frame = w.cursor('outer IPv4', r4);
    frame.need(TYPE_BYTES + IPV4_BYTES, r2, 'dropTooBig');
    frame.store(span(0, TYPE_BYTES), wire16(ETHER_TYPE.ipv4));
    const header = frame.part('outer IPv4', span(TYPE_BYTES, IPV4_BYTES));
    // r5 = the sum of what is not the same for all, as it lies in memory (RFC 1071, section 2 B).
    w.tos.load(r1, span(0, 4));
    b.emit(asm.lsh.imm(r1, 8), asm.or.imm(r1, 0x45), asm.mov.reg(r5, r1));
    header.store(span(0, 2), r1);
    loadProtocol();
    b.emit(asm.lsh.imm(r2, 8), asm.or.imm(r2, TUNNEL_TTL), asm.add.reg(r5, r2));
    header.store(span(IPV4.ttl, 2), r2);
    // r3 = bytes behind the header.
    b.emit(asm.mov.reg(r1, r3), asm.add.imm(r1, IPV4_BYTES), asm.toBe(r1, 16), asm.add.reg(r5, r1));
    header.store(span(IPV4.totalLength, 2), r1);
    header.store(span(IPV4.id, 2), 0);
    header.store(span(IPV4.fragment, 2), wire16(DONT_FRAGMENT));
    w.control(r1).load(r1, field(controlValue, 'sourceV4'));
    header.store(span(IPV4.source, 4), r1);
    b.emit(asm.add.reg(r5, r1));
    real.load(r1, span(realValue.at.address + 12, 4));
    header.store(span(IPV4.destination, 4), r1);
    b.emit(asm.add.reg(r5, r1), asm.add.imm(r5, wire16(DONT_FRAGMENT)));
    foldWide(w, r5, r1);
    b.emit(asm.xor.imm(r5, 0xffff));
    header.store(span(IPV4.checksum, 2), r5);
    udp(TYPE_BYTES + IPV4_BYTES);
  }

  function outerV6(): void {
    const frame = w.cursor('outer IPv6', r4);
    frame.need(TYPE_BYTES + IPV6_BYTES, r2, 'dropTooBig');
    frame.store(span(0, TYPE_BYTES), wire16(ETHER_TYPE.ipv6));
    const header = frame.part('outer IPv6', span(TYPE_BYTES, IPV6_BYTES));
    w.tos.load(r1, span(0, 4));
    w.hash.load(r2, span(0, 4));
    b.emit(asm.lsh.imm(r1, 20), asm.or.imm(r1, 6 << 28), asm.and.imm(r2, FLOW_LABEL_MASK), asm.or.reg(r1, r2));
    b.emit(asm.toBe(r1, 32));
    header.store(span(0, 4), r1);
    loadProtocol();
    header.store(span(IPV6.nextHeader, 1), r2);
    header.store(span(IPV6.hopLimit, 1), TUNNEL_TTL);
    b.emit(asm.mov.reg(r1, r3), asm.toBe(r1, 16));
    header.store(span(IPV6.payloadLength, 2), r1);
    header.copy(span(IPV6.source, 16), w.control(r1), field(controlValue, 'sourceV6'), r2);
    header.copy(span(IPV6.destination, 16), real, field(realValue, 'address'), r1);
    udp(TYPE_BYTES + IPV6_BYTES);
  }

  /** r2 = what follows the outer IP header, r3 = how many bytes of it. Uses r1. */
  function loadProtocol(): void {
    const [gue, loaded] = ['gue', 'loaded'].map((role) => b.newLabel(role));
    w.innerBytes.load(r3, span(0, 4));
    real.load(r1, field(realValue, 'encap'));
    b.jumpIf(equal(r1, ENCAP.gue), gue);
    b.emit(asm.mov.imm(r2, PROTOCOL.ipip));
    w.vipKey.load(r1, field(vipKey, 'family'));
    b.jumpIf(equal(r1, 4), loaded);
    b.emit(asm.mov.imm(r2, PROTOCOL.ipv6), asm.ja(loaded));
    b.emit(asm.label(gue), asm.mov.imm(r2, PROTOCOL.udp), asm.add.imm(r3, UDP_BYTES));
    b.emit(asm.label(loaded));
  }

  /** The last header if it is GUE, from r3 = its bytes and what follows it; then the frame is complete. */
  function udp(at: number): void {
    real.load(r1, field(realValue, 'encap'));
    b.jumpIf(unequal(r1, ENCAP.gue), 'count');
    const frame = w.cursor('outer UDP', r4);
    frame.need(at + UDP_BYTES, r2, 'dropTooBig');
    const header = frame.part('outer UDP', span(at, UDP_BYTES));
    w.hash.load(r1, span(0, 4));
    b.emit(asm.and.imm(r1, flowPort(0xffff) ^ flowPort(0)), asm.or.imm(r1, flowPort(0)), asm.toBe(r1, 16));
    header.store(span(UDP.sourcePort, 2), r1);
    header.store(span(UDP.destinationPort, 2), wire16(GUE_PORT));
    b.emit(asm.toBe(r3, 16));
    header.store(span(UDP.length, 2), r3);
    header.store(span(UDP.checksum, 2), 0);
    b.goto('count');
  }
}

/** Points `register` at the frame's last EtherType, behind any tags; the packet follows it. */
export function atType(w: Workspace, register: asm.Register): void {
  if (w.options.vlan) {
    w.typeAt.load(register, span(0, 8));
    w.b.emit(asm.and.imm(register, TYPE_AT_MASK));
  } else w.b.emit(asm.mov.imm(register, TAGS_AT));
  w.b.emit(asm.add.reg(register, FRAME));
}

/** Writes the tags that were kept, or as many bytes of nothing that the headers will lie over. Uses r1. */
function restoreTags(w: Workspace): void {
  const frame: Place = w.b.place('tags', FRAME, TAGS_AT, TAGS_BYTES);
  frame.copy(span(0, TAGS_BYTES), w.tags, span(0, TAGS_BYTES), r1);
}

/** sum = its 16-bit words, added up with their carries, from 64 bits. */
export function foldWide({ b }: Workspace, sum: asm.Register, scratch: asm.Register): void {
  b.emit(asm.mov.reg(scratch, sum), asm.rsh.imm(scratch, 32), asm.mov32.reg(sum, sum), asm.add.reg(sum, scratch));
  for (let i = 0; i < 3; i++)
    b.emit(asm.mov.reg(scratch, sum), asm.rsh.imm(scratch, 16), asm.and.imm(sum, 0xffff), asm.add.reg(sum, scratch));
}
