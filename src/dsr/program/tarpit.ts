/** The tarpit (../tarpit.ts): packets to addresses that nobody has, behind all that is a VIP's. */
import * as asm from '../../bpf/asm/index.js';
import type { Place } from '../../bpf/builder/index.js';
import { above, anyBit, below, equal, unequal } from '../../bpf/builder/index.js';
import { FRAGMENT_OFFSET, IPV4, IPV4_BYTES, MORE_FRAGMENTS } from '../../frame/ipv4.js';
import { IPV6, IPV6_BYTES } from '../../frame/ipv6.js';
import { PROTOCOL } from '../../frame/protocol.js';
import { TCP, TCP_BYTES, TCP_FLAG } from '../../frame/tcp.js';
import { aclKey, aclValue, controlValue, flowKey, OUTCOME, TARPIT_LIST, WHOLE_PREFIX } from '../layout.js';
import { TARPIT_WINDOW } from '../tarpit.js';
import { readIpv4Rest } from './ip.js';
import { END, field, PACKET, PAYLOAD, span, type Workspace, wire16, wire32 } from './workspace.js';

const { r0, r1, r2, r3, r4, r5 } = asm;

/** Time to live of what is answered here. */
const ANSWER_TTL = 64;

/** Goes to `otherwise` unless the address that lies there is tarpitted; it is in `aclKey` then. */
export function demandTarpit(w: Workspace, family: 4 | 6, from: Place, at: number, otherwise: string): void {
  const { b } = w;
  w.control(r1).load(r1, field(controlValue, 'tarpit'));
  b.jumpIf(equal(r1, 0), otherwise);
  w.aclKey.store(field(aclKey, 'prefixBits'), WHOLE_PREFIX);
  w.aclKey.store(field(aclKey, 'family'), family);
  w.storeAddress(w.aclKey, field(aclKey, 'address'), family, from, at);
  const listed = b.newLabel('listed');
  b.lookup(w.maps.acl, w.aclKey, otherwise).load(r1, field(aclValue, 'permitted'));
  b.jumpIf(anyBit(r1, 1 << TARPIT_LIST), listed);
  b.goto(otherwise);
  b.emit(asm.label(listed));
}

/** From r8 = an IP header, whole but for options, of a packet to our MAC address and none of the VIPs. */
export function tarpitStage(w: Workspace): void {
  const { b, options } = w;
  b.stage('notVip', () => {
    const header = w.cursor('IP header', PACKET);
    header.need(IPV4_BYTES, r2, 'passNotVip');
    header.load(r1, span(0, 1));
    b.emit(asm.rsh.imm(r1, 4));
    if (options.ipv4) b.jumpIf(equal(r1, 4), 'tarpit4');
    if (options.ipv6) b.jumpIf(equal(r1, 6), 'tarpit6');
    b.goto('passNotVip');
  });
  for (const family of [4, 6] as const) {
    if (!(family === 4 ? options.ipv4 : options.ipv6)) continue;
    b.stage(`tarpit${family}`, () => {
      if (family === 4) readPacket4(w);
      else readPacket6(w);
      readSegment(w, family);
    });
    b.stage(`tarpit${family}.answer`, () => writeAnswer(w, family));
  }
}

/** Leaves r9 = the segment, r4 = its bytes, the server's address in `aclKey` and the client's in `flowKey`. */
function readPacket4(w: Workspace): void {
  const { b } = w;
  const header = w.cursor('IPv4 header', PACKET);
  header.need(IPV4_BYTES, r2, 'passNotVip');
  demandTarpit(w, 4, header, IPV4.destination, 'passNotVip');
  w.storeAddress(w.flowKey, field(flowKey, 'client'), 4, header, IPV4.source);
  header.load(r1, span(IPV4.protocol, 1));
  b.jumpIf(unequal(r1, PROTOCOL.tcp), 'dropTarpit');
  header.load(r1, span(IPV4.fragment, 2));
  b.emit(asm.and.imm(r1, wire16(MORE_FRAGMENTS | FRAGMENT_OFFSET)));
  b.jumpIf(unequal(r1, 0), 'dropTarpit');
  header.load(r4, span(IPV4.totalLength, 2));
  b.emit(asm.toBe(r4, 16), asm.mov.reg(r2, END), asm.sub.reg(r2, PACKET));
  b.jumpIf(above(r4, r2), 'dropTarpit');
  readIpv4Rest(w, header, 'dropTarpit');
}

/** The same. A header between the packet's and the segment is not looked for. */
function readPacket6(w: Workspace): void {
  const { b } = w;
  const header = w.cursor('IPv6 header', PACKET);
  header.need(IPV6_BYTES, r2, 'passNotVip');
  demandTarpit(w, 6, header, IPV6.destination, 'passNotVip');
  w.storeAddress(w.flowKey, field(flowKey, 'client'), 6, header, IPV6.source);
  header.load(r1, span(IPV6.nextHeader, 1));
  b.jumpIf(unequal(r1, PROTOCOL.tcp), 'dropTarpit');
  header.load(r4, span(IPV6.payloadLength, 2));
  b.emit(asm.toBe(r4, 16), asm.mov.reg(PAYLOAD, PACKET), asm.add.imm(PAYLOAD, IPV6_BYTES));
  b.emit(asm.mov.reg(r2, END), asm.sub.reg(r2, PAYLOAD));
  b.emit(asm.jsgt.reg(r4, r2, 'dropTarpit'));
}

/** What the segment is to be answered with: its numbers, flags and window on the stack. */
function readSegment(w: Workspace, family: 4 | 6): void {
  const { b } = w;
  const [opens, ready] = ['opens', 'ready'].map((role) => b.newLabel(role));
  b.jumpIf(below(r4, TCP_BYTES), 'dropTarpit');
  const segment = w.cursor('segment', PAYLOAD);
  segment.need(TCP_BYTES, r2, 'dropTarpit');
  segment.load(r1, span(TCP.words, 1));
  b.emit(asm.rsh.imm(r1, 4), asm.lsh.imm(r1, 2));
  b.jumpIf(below(r1, TCP_BYTES), 'dropTarpit');
  b.jumpIf(above(r1, r4), 'dropTarpit');
  segment.load(r2, span(TCP.flags, 1));
  b.jumpIf(anyBit(r2, TCP_FLAG.rst), 'dropTarpit');
  // What is more than an acknowledgement: data, or the end.
  b.emit(asm.sub.reg(r4, r1), asm.mov.reg(r3, r2), asm.and.imm(r3, TCP_FLAG.fin), asm.add.reg(r4, r3));
  w.remaining.store(span(0, 4), r4);
  segment.load(r1, span(TCP.sourcePort, 4));
  w.ports.store(span(0, 4), r1);
  segment.load(r1, span(TCP.sequence, 4));
  b.emit(asm.toBe(r1, 32));
  w.sequence.store(span(0, 4), r1);
  segment.load(r1, span(TCP.acknowledgement, 4));
  b.emit(asm.toBe(r1, 32));
  w.acknowledgement.store(span(0, 4), r1);
  b.emit(asm.and.imm(r2, TCP_FLAG.syn | TCP_FLAG.ack), asm.mov.reg(PAYLOAD, r2));
  b.jumpIf(equal(PAYLOAD, TCP_FLAG.syn | TCP_FLAG.ack), 'dropTarpit');
  b.jumpIf(equal(PAYLOAD, 0), 'dropTarpit');
  hash(w, family);
  w.sequence.load(r2, span(0, 4));
  b.jumpIf(equal(PAYLOAD, TCP_FLAG.syn), opens);

  // r3 = the client's first byte; r2 = how far from it this segment begins.
  w.acknowledgement.load(r4, span(0, 4));
  b.emit(asm.mov32.reg(r3, r4), asm.sub32.reg(r3, r1), asm.sub32.reg(r2, r3), asm.add32.imm(r2, 1));
  b.jumpIf(above(r2, TARPIT_WINDOW + 1), 'dropTarpit');
  const isProbe = b.newLabel('probe');
  b.jumpIf(equal(r2, 0), isProbe);
  w.remaining.load(r1, span(0, 4));
  b.jumpIf(equal(r1, 0), 'dropTarpit');
  b.emit(asm.label(isProbe));
  w.sequence.store(span(0, 4), r4);
  w.acknowledgement.store(span(0, 4), r3);
  answerWith(TCP_FLAG.ack, 0, OUTCOME.txTarpitHold);
  b.goto(ready);

  b.emit(asm.label(opens));
  b.emit(asm.add32.reg(r1, r2), asm.add32.imm(r2, 1));
  w.sequence.store(span(0, 4), r1);
  w.acknowledgement.store(span(0, 4), r2);
  answerWith(TCP_FLAG.syn | TCP_FLAG.ack, TARPIT_WINDOW, OUTCOME.txTarpit);
  b.emit(asm.label(ready));
  b.goto(`tarpit${family}.answer`);

  function answerWith(flags: number, window: number, outcome: number): void {
    w.segmentWord.store(span(0, 4), wire32(((TCP_BYTES / 4) << 28) | (flags << 16) | window));
    w.answerOutcome.store(span(0, 4), outcome);
  }
}

/** r1 = HalfSipHash-1-3 of both addresses and the ports, as `core/siphash.ts` computes it. Uses r0 to r5. */
function hash(w: Workspace, family: 4 | 6): void {
  const { b } = w;
  const [v0, v1, v2, v3] = [r1, r2, r3, r4];
  const address = (place: Place, at: number) =>
    Array.from({ length: family === 4 ? 1 : 4 }, (_, i) => () => {
      place.load(r0, span(at + (family === 4 ? 12 : i * 4), 4));
    });
  const words = [
    ...address(w.flowKey, flowKey.at.client),
    ...address(w.aclKey, aclKey.at.address),
    () => w.ports.load(r0, span(0, 4)),
  ];
  const control = w.control(r0);
  control.load(v0, field(controlValue, 'tarpitKey0'));
  control.load(v1, field(controlValue, 'tarpitKey1'));
  b.emit(asm.mov32.reg(v2, v0), asm.xor32.imm(v2, 0x6c796765), asm.mov32.reg(v3, v1), asm.xor32.imm(v3, 0x74656462));
  for (const load of words) {
    load();
    round();
  }
  b.emit(asm.mov32.imm(r0, (words.length * 4) << 24));
  round();
  b.emit(asm.xor32.imm(v2, 0xff), asm.mov32.imm(r0, 0));
  for (let i = 0; i < 3; i++) round();
  b.emit(asm.mov32.reg(r1, v1), asm.xor32.reg(r1, v3));

  /** With the block in r0. */
  function round(): void {
    b.emit(asm.xor32.reg(v3, r0));
    b.emit(asm.add32.reg(v0, v1));
    rotate(v1, 5);
    b.emit(asm.xor32.reg(v1, v0));
    rotate(v0, 16);
    b.emit(asm.add32.reg(v2, v3));
    rotate(v3, 8);
    b.emit(asm.xor32.reg(v3, v2), asm.add32.reg(v0, v3));
    rotate(v3, 7);
    b.emit(asm.xor32.reg(v3, v0), asm.add32.reg(v2, v1));
    rotate(v1, 13);
    b.emit(asm.xor32.reg(v1, v2));
    rotate(v2, 16);
    b.emit(asm.xor32.reg(v0, r0));
  }

  function rotate(register: asm.Register, bits: number): void {
    b.emit(asm.mov32.reg(r5, register), asm.lsh32.imm(register, bits));
    b.emit(asm.rsh32.imm(r5, 32 - bits), asm.or32.reg(register, r5));
  }
}

/** A segment without options and data, behind an IP header without any. */
function writeAnswer(w: Workspace, family: 4 | 6): void {
  const { b } = w;
  const headerBytes = family === 4 ? IPV4_BYTES : IPV6_BYTES;
  w.resizeTo(headerBytes + TCP_BYTES, 'passOther');
  const packet = w.cursor('answer', PACKET);
  packet.need(headerBytes + TCP_BYTES, r2, 'passOther');
  const segment = packet.part('segment', span(headerBytes, TCP_BYTES));
  w.replyToSender();
  if (family === 4) {
    packet.store(span(0, 4), wire32((0x45 << 24) | (IPV4_BYTES + TCP_BYTES)));
    packet.store(span(IPV4.id, 4), wire32(0x4000));
    packet.store(span(IPV4.ttl, 4), wire32((ANSWER_TTL << 24) | (PROTOCOL.tcp << 16)));
    packet.copy(span(IPV4.source, 4), w.aclKey, span(aclKey.at.address + 12, 4), r1);
    packet.copy(span(IPV4.destination, 4), w.flowKey, span(flowKey.at.client + 12, 4), r1);
    b.emit(asm.mov.imm(r1, 0));
    addWords(packet, 0, IPV4_BYTES);
    storeChecksum(packet, IPV4.checksum);
  } else {
    packet.store(span(0, 4), wire32(6 << 28));
    packet.store(span(IPV6.payloadLength, 4), wire32((TCP_BYTES << 16) | (PROTOCOL.tcp << 8) | ANSWER_TTL));
    packet.copy(span(IPV6.source, 16), w.aclKey, span(aclKey.at.address, 16), r1);
    packet.copy(span(IPV6.destination, 16), w.flowKey, span(flowKey.at.client, 16), r1);
  }
  w.ports.load(r1, span(0, 4));
  b.emit(asm.mov32.reg(r2, r1), asm.lsh32.imm(r1, 16), asm.rsh32.imm(r2, 16), asm.or32.reg(r1, r2));
  segment.store(span(TCP.sourcePort, 4), r1);
  for (const [at, number] of [
    [TCP.sequence, w.sequence],
    [TCP.acknowledgement, w.acknowledgement],
  ] as const) {
    number.load(r1, span(0, 4));
    b.emit(asm.toBe(r1, 32));
    segment.store(span(at, 4), r1);
  }
  segment.copy(span(TCP.words, 4), w.segmentWord, span(0, 4), r1);
  segment.store(span(TCP.checksum, 4), 0);
  b.emit(asm.mov.imm(r1, wire16(PROTOCOL.tcp) + wire16(TCP_BYTES)));
  addWords(packet, family === 4 ? IPV4.source : IPV6.source, family === 4 ? 8 : 32);
  addWords(segment, 0, TCP_BYTES);
  storeChecksum(segment, TCP.checksum);
  w.finishAnswer();

  /** r1 += the words; r2 is lost. Sums of 32-bit words fold to the same as those of 16. */
  function addWords(place: Place, offset: number, bytes: number): void {
    for (let at = offset; at < offset + bytes; at += 4) {
      place.load(r2, span(at, 4));
      b.emit(asm.add.reg(r1, r2));
    }
  }

  function storeChecksum(place: Place, at: number): void {
    b.emit(asm.mov.reg(r2, r1), asm.rsh.imm(r2, 32), asm.mov32.reg(r1, r1), asm.add.reg(r1, r2));
    for (let i = 0; i < 3; i++)
      b.emit(asm.mov.reg(r2, r1), asm.rsh.imm(r2, 16), asm.and.imm(r1, 0xffff), asm.add.reg(r1, r2));
    b.emit(asm.xor.imm(r1, 0xffff));
    place.store(span(at, 2), r1);
  }
}
