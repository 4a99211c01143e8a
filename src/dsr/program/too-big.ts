/**
 * A packet that does not fit into the tunnel: its sender is told, as `../../frame/too-big.ts` writes it. The message
 * takes the packet's place and quotes its beginning, so the frame is cut behind the quote and grows at its head.
 */
import * as asm from '../../bpf/asm/index.js';
import { anyBit, atLeast, below, equal, type Place, unequal } from '../../bpf/builder/index.js';
import { ETHER_TYPE, ETHERNET_BYTES } from '../../frame/ethernet.js';
import { FRAGMENTATION_NEEDED, ICMP, ICMP_BYTES, ICMP_TYPE, ICMPV6_TYPE } from '../../frame/icmp.js';
import { DONT_FRAGMENT, FRAGMENT_OFFSET, IPV4, IPV4_BYTES } from '../../frame/ipv4.js';
import { IPV6, IPV6_BYTES } from '../../frame/ipv6.js';
import { PROTOCOL } from '../../frame/protocol.js';
import { MIN_MTU_V6, QUOTE_BYTES } from '../../frame/too-big.js';
import { ANSWER_WINDOW_BITS, answersValue, controlValue, OUTCOME, realValue, vipKey } from '../layout.js';
import { foldTwice } from './icmp.js';
import { atType } from './tunnel.js';
import { END, FRAME, field, OUTCOME_REGISTER, REAL, span, type Workspace, wire16 } from './workspace.js';

const { r0, r1, r2, r3, r4, r5, r8, r9 } = asm;

const TYPE_BYTES = 2;
const TAGS_AT = ETHERNET_BYTES - TYPE_BYTES;
const TAGS_BYTES = 8;
const TTL = 64;

/** From r9 = the real's value, r8 = what the outcome would have been, r4 = bytes of the packet; vipKey has its family. */
export function tooBigStage(w: Workspace): void {
  const { b, options } = w;
  b.stage('tooBig', () => {
    // An error is not answered with an error.
    b.jumpIf(equal(OUTCOME_REGISTER, OUTCOME.txIcmp), 'dropTooBig');
    b.place('real', REAL, 0, realValue.bytes).load(r9, field(realValue, 'innerMtu'));
    atType(w, r3);
    if (options.ipv4 && options.ipv6) {
      w.vipKey.load(r1, field(vipKey, 'family'));
      b.jumpIf(equal(r1, 6), 'tooBig6');
    }
    if (options.ipv4) b.goto('tooBig4');
    else b.goto('tooBig6');
  });
  if (options.ipv4) messageStage(w, 4);
  if (options.ipv6) messageStage(w, 6);
}

/** From r9 = the MTU to tell, r3 = where the type lies, r4 = bytes of the packet. */
function messageStage(w: Workspace, family: 4 | 6): void {
  const { b } = w;
  const headerBytes = family === 4 ? IPV4_BYTES : IPV6_BYTES;
  const added = headerBytes + ICMP_BYTES;
  const quote = QUOTE_BYTES[family];
  const messageBytes = added + quote;
  b.stage(`tooBig${family}`, () => {
    // Nobody sends less than every link takes, so that would be told in vain.
    if (family === 6) b.jumpIf(below(r9, MIN_MTU_V6), 'dropTooBig');
    b.jumpIf(below(r4, quote), 'dropTooBig');
    demandOneHost();
    demandAnswer(w);
    resize();
    // The frame's own MAC addresses and tags lie behind the room that was made.
    const frame = w.cursor('frame', FRAME);
    frame.need(added + TAGS_AT + TAGS_BYTES, r2, 'dropTooBig');
    w.copyMac(frame, 0, frame, added + 6);
    w.storeOwnMac(frame, 6);
    if (w.options.vlan) frame.copy(span(TAGS_AT, TAGS_BYTES), frame, span(added + TAGS_AT, TAGS_BYTES), r1);
    atType(w, r8);
    const packet = w.cursor('message', r8);
    packet.need(TYPE_BYTES + messageBytes, r2, 'dropTooBig');
    packet.store(span(0, TYPE_BYTES), wire16(family === 4 ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6));
    const message = packet.part('message', span(TYPE_BYTES, messageBytes));
    if (family === 4) writeV4(message);
    else writeV6(message);
    w.finish('txTooBig');
  });

  /** That whom it came from is one host, and of IPv4 that it is no later fragment. */
  function demandOneHost(): void {
    const packet = w.cursor('packet', r3);
    packet.need(TYPE_BYTES + headerBytes, r2, 'dropTooBig');
    const header = packet.part('IP header', span(TYPE_BYTES, headerBytes));
    header.load(r1, span(family === 4 ? IPV4.source : IPV6.source, 1));
    b.jumpIf(equal(r1, 0), 'dropTooBig');
    if (family === 6) {
      b.jumpIf(equal(r1, 0xff), 'dropTooBig');
      return;
    }
    b.jumpIf(equal(r1, 127), 'dropTooBig');
    b.jumpIf(atLeast(r1, 224), 'dropTooBig');
    header.load(r1, span(IPV4.fragment, 2));
    b.jumpIf(anyBit(r1, wire16(FRAGMENT_OFFSET)), 'dropTooBig');
  }

  /** Cuts the frame behind the quote and makes room before it. */
  function resize(): void {
    atType(w, r2);
    // r2 = how long the frame is to be without what comes before it, less how long it is.
    b.emit(asm.add.imm(r2, TYPE_BYTES + quote), asm.sub.reg(r2, END));
    w.context.load(r1, span(0, 8));
    b.emit(asm.callHelper('xdp_adjust_tail'));
    b.jumpIf(unequal(r0, 0), 'dropTooBig');
    w.context.load(r1, span(0, 8));
    b.emit(asm.mov.imm(r2, -added), asm.callHelper('xdp_adjust_head'));
    w.reloadFrame();
    b.jumpIf(unequal(r0, 0), 'dropTooBig');
  }

  function writeV4(message: Place): void {
    message.store(span(0, 2), wire16(0x4500));
    message.store(span(IPV4.totalLength, 2), wire16(messageBytes));
    message.store(span(IPV4.id, 2), 0);
    message.store(span(IPV4.fragment, 2), wire16(DONT_FRAGMENT));
    message.store(span(IPV4.ttl, 2), wire16((TTL << 8) | PROTOCOL.icmp));
    const constant = wire16(0x4500) + wire16(messageBytes) + wire16(DONT_FRAGMENT) + wire16((TTL << 8) | PROTOCOL.icmp);
    message.load(r1, span(added + IPV4.destination, 4));
    message.load(r2, span(added + IPV4.source, 4));
    message.store(span(IPV4.source, 4), r1);
    message.store(span(IPV4.destination, 4), r2);
    b.emit(asm.add.reg(r1, r2), asm.add.imm(r1, constant));
    b.emit(asm.mov.reg(r2, r1), asm.rsh.imm(r2, 32), asm.mov32.reg(r1, r1), asm.add.reg(r1, r2));
    for (let i = 0; i < 3; i++)
      b.emit(asm.mov.reg(r2, r1), asm.rsh.imm(r2, 16), asm.and.imm(r1, 0xffff), asm.add.reg(r1, r2));
    b.emit(asm.xor.imm(r1, 0xffff));
    message.store(span(IPV4.checksum, 2), r1);
    writeIcmp(message, (ICMP_TYPE.unreachable << 8) | FRAGMENTATION_NEEDED);
    b.emit(asm.mov.imm(r5, 0));
    finishIcmp(message, r5);
  }

  function writeV6(message: Place): void {
    message.store(span(0, 4), 0x60);
    message.store(span(IPV6.payloadLength, 2), wire16(messageBytes - IPV6_BYTES));
    message.store(span(IPV6.nextHeader, 1), PROTOCOL.icmpv6);
    message.store(span(IPV6.hopLimit, 1), TTL);
    message.copy(span(IPV6.source, 16), message, span(added + IPV6.destination, 16), r1);
    message.copy(span(IPV6.destination, 16), message, span(added + IPV6.source, 16), r1);
    writeIcmp(message, ICMPV6_TYPE.tooBig << 8);
    // The pseudo header: both addresses, the length, the protocol.
    b.emit(asm.mov.imm(r5, wire16(messageBytes - IPV6_BYTES) + wire16(PROTOCOL.icmpv6)));
    b.addWords(message, span(IPV6.source, 32), r5);
    finishIcmp(message, r0);
  }

  function writeIcmp(message: Place, typeAndCode: number): void {
    message.store(span(headerBytes + ICMP.type, 2), wire16(typeAndCode));
    message.store(span(headerBytes + ICMP.checksum, 2), 0);
    b.emit(asm.mov.reg(r1, r9), asm.toBe(r1, 32));
    message.store(span(headerBytes + ICMP.word, 4), r1);
  }

  function finishIcmp(message: Place, seed: asm.Register): void {
    b.addWords(message, span(headerBytes, ICMP_BYTES + quote), seed);
    b.emit(asm.mov32.reg(r0, r0));
    foldTwice(w, r0, r1);
    b.emit(asm.xor.imm(r0, 0xffff));
    message.store(span(headerBytes + ICMP.checksum, 2), r0);
  }
}

/** Goes to `dropTooBig` if this CPU has sent what it may in this window of time. Uses r8. */
function demandAnswer(w: Workspace): void {
  const { b } = w;
  b.emit(asm.callHelper('ktime_get_ns'), asm.rsh.imm(r0, ANSWER_WINDOW_BITS), asm.mov32.reg(r8, r0));
  w.index.store(span(0, 4), 0);
  const answers = b.lookup(w.maps.answers, w.index, 'dropTooBig');
  answers.load(r1, field(answersValue, 'window'));
  b.unless(equal(r1, r8), () => {
    answers.store(field(answersValue, 'window'), r8);
    answers.store(field(answersValue, 'used'), 0);
  });
  answers.load(r1, field(answersValue, 'used'));
  w.control(r2).load(r2, field(controlValue, 'answers'));
  b.jumpIf(atLeast(r1, r2), 'dropTooBig');
  b.emit(asm.add.imm(r1, 1));
  answers.store(field(answersValue, 'used'), r1);
}
