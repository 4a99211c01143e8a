/**
 * IP headers: whom the packet is for, and where its payload lies. What comes out, for the stages that follow:
 *
 *   r1 protocol   r4 bytes of payload, as the header has it   r9 the payload   stack: both addresses
 *
 * Most packets are whole TCP or UDP, and most of those are a service's; so nothing is asked about the address alone
 * until a packet turns out to be something else. Stages named `ours.…` ask, and end with that outcome if it is a VIP's.
 */
import * as asm from '../../bpf/asm/index.js';
import { above, below, type Cursor, equal, unequal } from '../../bpf/builder/index.js';
import { FRAGMENT_OFFSET, IPV4, IPV4_BYTES, MORE_FRAGMENTS } from '../../frame/ipv4.js';
import { IPV6, IPV6_BYTES } from '../../frame/ipv6.js';
import { PROTOCOL } from '../../frame/protocol.js';
import { TCP_BYTES } from '../../frame/tcp.js';
import { UDP_BYTES } from '../../frame/udp.js';
import { flowKey, vipKey } from '../layout.js';
import { walkExtensions } from './extensions.js';
import { demandKnownAddress } from './known-vips.js';
import { END, field, PACKET, PAYLOAD, span, type Workspace, wire16 } from './workspace.js';

const { r1, r2, r4 } = asm;

export function ipv4Stage(w: Workspace): void {
  const { b } = w;
  b.stage('ipv4', () => {
    const header = w.cursor('IPv4 header', PACKET);
    header.need(IPV4_BYTES, r2, 'passOther');
    demandVersion(w, header, 4, 'passOther');
    w.demandOwnMac('passOther');
    if (w.known !== undefined) demandKnownAddress(w, w.known[4], { header, at: IPV4.destination, otherwise: w.notVip });
    w.isFragment.store(span(0, 4), 0);
    w.storeAddress(w.vipKey, field(vipKey, 'address'), 4, header, IPV4.destination);
    w.storeVipPort(w.portlessWord(4));
    w.storeAddress(w.flowKey, field(flowKey, 'client'), 4, header, IPV4.source);
    header.load(r4, span(IPV4.totalLength, 2));
    b.emit(asm.toBe(r4, 16), asm.mov.reg(r2, END), asm.sub.reg(r2, PACKET));
    b.jumpIf(above(r4, r2), 'ours.dropMalformed');
    readIpv4Rest(w, header, 'ours.dropMalformed');
    header.load(r1, span(IPV4.protocol, 1));
    header.load(r2, span(IPV4.fragment, 2));
    b.emit(asm.and.imm(r2, wire16(MORE_FRAGMENTS | FRAGMENT_OFFSET)));
    b.jumpIf(unequal(r2, 0), 'fragment4');
  });
  transportStage(w, 4);
}

export function ipv6Stage(w: Workspace): void {
  const { b } = w;
  b.stage('ipv6', () => {
    const header = w.cursor('IPv6 header', PACKET);
    header.need(IPV6_BYTES, r2, 'passOther');
    demandVersion(w, header, 6, 'passOther');
    header.load(r1, span(IPV6.nextHeader, 1));
    // A solicitation comes to a group as a rule, so that must be seen before whom the frame is for.
    b.jumpIf(equal(r1, PROTOCOL.icmpv6), 'solicitation');
    b.emit(asm.label('ipv6.other'));
    w.demandOwnMac('passOther');
    if (w.known !== undefined) demandKnownAddress(w, w.known[6], { header, at: IPV6.destination, otherwise: w.notVip });
    w.isFragment.store(span(0, 4), 0);
    w.storeAddress(w.vipKey, field(vipKey, 'address'), 6, header, IPV6.destination);
    w.storeVipPort(w.portlessWord(6));
    w.storeAddress(w.flowKey, field(flowKey, 'client'), 6, header, IPV6.source);
    header.load(r4, span(IPV6.payloadLength, 2));
    b.emit(asm.toBe(r4, 16), asm.mov.reg(PAYLOAD, PACKET), asm.add.imm(PAYLOAD, IPV6_BYTES));
    b.emit(asm.mov.reg(r2, END), asm.sub.reg(r2, PAYLOAD));
    // Signed: nothing at all may follow the header.
    b.emit(asm.jsgt.reg(r4, r2, 'ours.dropMalformed'));
    walkExtensions(w, {
      malformed: 'ours.dropMalformed',
      tooMany: 'ours.dropExtensions',
      laterFragment: 'fragment6',
    });
    w.isFragment.load(r2, span(0, 4));
    b.jumpIf(unequal(r2, 0), 'fragment6');
  });
  transportStage(w, 6);
}

/** Goes on with what has ports, whole or a first fragment. */
function transportStage(w: Workspace, family: 4 | 6): void {
  const { b } = w;
  b.stage(`transport${family}`, () => {
    const udp = b.newLabel('udp');
    const ports = b.newLabel('ports');
    b.jumpIf(unequal(r1, PROTOCOL.tcp), udp);
    b.jumpIf(below(r4, TCP_BYTES), 'ours.dropMalformed');
    b.goto(ports);
    b.emit(asm.label(udp));
    b.jumpIf(equal(r1, family === 4 ? PROTOCOL.icmp : PROTOCOL.icmpv6), `icmp${family}`);
    b.jumpIf(unequal(r1, PROTOCOL.udp), 'ours.dropNoService');
    b.jumpIf(below(r4, UDP_BYTES), 'ours.dropMalformed');
    b.emit(asm.label(ports));
    const payload = w.cursor('ports', PAYLOAD);
    payload.need(4, r2, 'ours.dropMalformed');
    payload.load(r2, span(0, 4));
    w.ports.store(span(0, 4), r2);
    // Destination port, protocol and family, in one word as the key has them.
    b.emit(asm.rsh.imm(r2, 16), asm.lsh.imm(r1, 16), asm.or.reg(r1, r2), asm.or.imm(r1, family << 24));
    w.storeVipPort(r1);
    b.goto(w.known === undefined ? 'service' : `service${family}`);
  });
}

/** Leaves r1 with the first byte. */
export function demandVersion(w: Workspace, header: Cursor, version: number, otherwise: string): void {
  header.load(r1, span(0, 1));
  w.b.emit(asm.mov.reg(r2, r1), asm.rsh.imm(r2, 4));
  w.b.jumpIf(unequal(r2, version), otherwise);
}

/** From r4 = bytes from the header on: r9 = the payload, r4 = its bytes. Uses r1 and r2. */
export function readIpv4Rest(w: Workspace, header: Cursor, malformed: string): void {
  const { b } = w;
  header.load(r1, span(0, 1));
  b.emit(asm.and.imm(r1, 15), asm.lsh.imm(r1, 2));
  b.jumpIf(below(r1, IPV4_BYTES), malformed);
  b.jumpIf(above(r1, r4), malformed);
  b.emit(asm.sub.reg(r4, r1), asm.mov.reg(PAYLOAD, PACKET), asm.add.reg(PAYLOAD, r1));
}
