/** Neighbour discovery: a solicitation for a VIP's address is turned into the advertisement (RFC 4861 7.2.4). */
import * as asm from '../../bpf/asm/index.js';
import { above, anyBit, below, equal, type Place, unequal } from '../../bpf/builder/index.js';
import { ICMP, ICMPV6_TYPE } from '../../frame/icmp.js';
import { IPV6, IPV6_BYTES } from '../../frame/ipv6.js';
import {
  ALL_NODES,
  LINK_ADDRESS_OPTION_BYTES,
  NDP,
  NDP_HOP_LIMIT,
  NEIGHBOUR_BYTES,
  OVERRIDE,
  SOLICITED,
  TARGET_LINK_ADDRESS,
} from '../../frame/ndp.js';
import { PROTOCOL } from '../../frame/protocol.js';
import { MAX_NS_BYTES, NS_BYTES, OUTCOME, VIP_SILENT, vipKey, vipValue } from '../layout.js';
import { demandVip } from './service.js';
import { demandTarpit } from './tarpit.js';
import { END, field, PACKET, PAYLOAD, span, type Workspace, wire16, wire32 } from './workspace.js';

const { r1, r2, r3, r4, r5 } = asm;

const ADVERTISEMENT_BYTES = NEIGHBOUR_BYTES + LINK_ADDRESS_OPTION_BYTES;

/** From r8 = an IPv6 header of an ICMPv6 message; all that is no solicitation for a VIP goes on at `ipv6.other`. */
export function solicitationStage(w: Workspace): void {
  const { b } = w;
  b.stage('solicitation', () => {
    const packet = w.cursor('solicitation', PACKET);
    packet.need(IPV6_BYTES + NS_BYTES, r2, 'solicitation.none');
    const message = packet.part('solicitation', span(IPV6_BYTES, NS_BYTES));
    message.load(r2, span(ICMP.type, 1));
    b.jumpIf(unequal(r2, ICMPV6_TYPE.neighbourSolicitation), 'solicitation.none');
    w.demandOwnOrGroupMac('solicitation.none');
    w.storeAddress(w.vipKey, field(vipKey, 'address'), 6, message, NDP.target);
    w.storeVipPort(w.portlessWord(6));
    const entry = demandVip(w, w.options.tarpit ? 'solicitation.notVip' : 'solicitation.none');
    entry.load(r1, field(vipValue, 'flags'));
    b.jumpIf(anyBit(r1, VIP_SILENT), 'passNotVip');
    w.answerOutcome.store(span(0, 4), OUTCOME.txNdp);
    b.emit(asm.label('solicitation.ours'));
    demandProper(packet, message);
    b.goto('advertisement');

    if (w.options.tarpit) {
      b.emit(asm.label('solicitation.notVip'));
      // Who has no address asks before he takes this one: he may have it.
      packet.load(r1, span(IPV6.source, 8));
      packet.load(r2, span(IPV6.source + 8, 8));
      b.emit(asm.or.reg(r1, r2), asm.jeq.imm(r1, 0, 'solicitation.none'));
      demandTarpit(w, 6, message, NDP.target, 'solicitation.none');
      w.answerOutcome.store(span(0, 4), OUTCOME.txTarpitNdp);
      b.goto('solicitation.ours');
    }
    b.emit(asm.label('solicitation.none'), asm.mov.imm(r1, PROTOCOL.icmpv6), asm.ja('ipv6.other'));
  });
  advertisementStage(w);

  /** RFC 4861 7.1.1. Leaves r4 = bytes of the message. */
  function demandProper(packet: Place, message: Place): void {
    packet.load(r1, span(IPV6.hopLimit, 1));
    b.jumpIf(unequal(r1, NDP_HOP_LIMIT), 'passNotVip');
    message.load(r1, span(ICMP.code, 1));
    b.jumpIf(unequal(r1, 0), 'passNotVip');
    packet.load(r4, span(IPV6.payloadLength, 2));
    b.emit(asm.mov.reg(r5, r4), asm.toBe(r4, 16));
    b.jumpIf(below(r4, NS_BYTES), 'passNotVip');
    b.jumpIf(above(r4, MAX_NS_BYTES), 'passNotVip');
    b.emit(asm.jset.imm(r4, 7, 'passNotVip'));
    b.emit(asm.mov.reg(r2, END), asm.sub.reg(r2, PACKET), asm.sub.imm(r2, IPV6_BYTES));
    b.jumpIf(above(r4, r2), 'passNotVip');
    // r1 = sum of the pseudo header (r5 = length as it lies), the fixed part, and the options.
    b.emit(asm.mov.reg(r1, r5), asm.add.imm(r1, wire16(PROTOCOL.icmpv6)));
    addWords(packet, span(IPV6.source, 32));
    addWords(message, span(0, NS_BYTES));
    addOptions();
    fold();
    b.jumpIf(unequal(r1, 0xffff), 'dropMalformed');
  }

  /** r1 += the words; r2 is lost. Sums of 32-bit words fold to the same as those of 16. */
  function addWords(place: Place, { offset, bytes }: { offset: number; bytes: number }): void {
    for (let at = offset; at < offset + bytes; at += 4) {
      place.load(r2, span(at, 4));
      b.emit(asm.add.reg(r1, r2));
    }
  }

  /** Eight bytes at a time while there are any. */
  function addOptions(): void {
    const added = b.newLabel('added');
    b.emit(asm.mov.reg(PAYLOAD, PACKET), asm.add.imm(PAYLOAD, IPV6_BYTES + NS_BYTES));
    b.emit(asm.mov.reg(r3, r4), asm.sub.imm(r3, NS_BYTES));
    for (let at = 0; at < MAX_NS_BYTES - NS_BYTES; at += 8) {
      b.jumpIf(equal(r3, 0), added);
      const options = w.cursor('options', PAYLOAD);
      options.need(8, r2, 'passNotVip');
      addWords(options, span(0, 8));
      b.emit(asm.add.imm(PAYLOAD, 8), asm.sub.imm(r3, 8));
    }
    b.emit(asm.label(added));
  }

  /** r1 = its 16-bit words added up with their carries, from 64 bits. */
  function fold(): void {
    b.emit(asm.mov.reg(r2, r1), asm.rsh.imm(r2, 32), asm.mov32.reg(r1, r1), asm.add.reg(r1, r2));
    for (let i = 0; i < 3; i++)
      b.emit(asm.mov.reg(r2, r1), asm.rsh.imm(r2, 16), asm.and.imm(r1, 0xffff), asm.add.reg(r1, r2));
  }

  function advertisementStage(workspace: Workspace): void {
    b.stage('advertisement', () => {
      w.resizeTo(IPV6_BYTES + ADVERTISEMENT_BYTES, 'passOther');
      const packet = workspace.cursor('advertisement', PACKET);
      packet.need(IPV6_BYTES + ADVERTISEMENT_BYTES, r2, 'passOther');
      const message = packet.part('advertisement', span(IPV6_BYTES, ADVERTISEMENT_BYTES));
      workspace.replyToSender();
      addressAnswer(packet, message);
      writeAnswer(packet, message);
      workspace.finishAnswer();
    });
  }

  /** To the asker; to everybody if he has no address yet, and is about to take ours. Leaves r4 = the flags. */
  function addressAnswer(packet: Place, message: Place): void {
    const [named, addressed] = ['named', 'addressed'].map((role) => b.newLabel(role));
    packet.load(r1, span(IPV6.source, 8));
    packet.load(r2, span(IPV6.source + 8, 8));
    b.emit(asm.or.reg(r1, r2), asm.jne.imm(r1, 0, named));
    w.ethernet.store(span(0, 2), wire16(0x3333));
    w.ethernet.store(span(2, 4), wire32(1));
    const group = new DataView(ALL_NODES.buffer, ALL_NODES.byteOffset);
    for (let at = 0; at < 16; at += 4) packet.store(span(IPV6.destination + at, 4), group.getInt32(at, true));
    b.emit(asm.mov32.imm(r4, wire32(OVERRIDE)), asm.ja(addressed));
    b.emit(asm.label(named));
    packet.copy(span(IPV6.destination, 16), packet, span(IPV6.source, 16), r1);
    b.emit(asm.mov32.imm(r4, wire32(SOLICITED | OVERRIDE)), asm.label(addressed));
    packet.copy(span(IPV6.source, 16), message, span(NDP.target, 16), r1);
  }

  function writeAnswer(packet: Place, message: Place): void {
    packet.store(span(0, 4), wire32(6 << 28));
    packet.store(span(IPV6.payloadLength, 2), wire16(ADVERTISEMENT_BYTES));
    message.store(span(0, 4), wire32(ICMPV6_TYPE.neighbourAdvertisement << 24));
    message.store(span(ICMP.word, 4), r4);
    message.store(span(NDP.options, 2), wire16((TARGET_LINK_ADDRESS << 8) | 1));
    w.storeOwnMac(message, NDP.options + 2);
    b.emit(asm.mov.imm(r1, wire16(PROTOCOL.icmpv6) + wire16(ADVERTISEMENT_BYTES)));
    addWords(packet, span(IPV6.source, 32));
    addWords(message, span(0, ADVERTISEMENT_BYTES));
    fold();
    b.emit(asm.xor.imm(r1, 0xffff));
    message.store(span(ICMP.checksum, 2), r1);
  }
}
