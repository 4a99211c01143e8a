/**
 * ICMP to a VIP. An echo request is answered here. An error is about a packet that a server sent to a client, and goes
 * to that server: the flow is that of the packet it quotes, looked at from the client's side.
 *
 *   client ◄───── VIP (server)      the packet a router could not send on
 *          ─────► VIP               the router's message: outer header │ ICMP │ quoted header │ 8 bytes or more
 */
import * as asm from '../../bpf/asm/index.js';
import { below, type Cursor, equal, type Place, unequal, unequal32 } from '../../bpf/builder/index.js';
import { ICMP, ICMP_BYTES, ICMP_TYPE, ICMPV6_TYPE } from '../../frame/icmp.js';
import { FRAGMENT_OFFSET, IPV4, IPV4_BYTES } from '../../frame/ipv4.js';
import { IPV6, IPV6_BYTES } from '../../frame/ipv6.js';
import { PROTOCOL } from '../../frame/protocol.js';
import { flowKey, OUTCOME, vipKey } from '../layout.js';
import { walkExtensions } from './extensions.js';
import { findFlow } from './flow.js';
import { demandVersion, readIpv4Rest } from './ip.js';
import { demandVip, findPortless, findService } from './service.js';
import { field, OUTCOME_REGISTER, PACKET, PAYLOAD, REAL, span, type Workspace, wire16 } from './workspace.js';

const { r0, r1, r2, r3, r4 } = asm;

/** Time to live of what is answered here. */
const ANSWER_TTL = 64;

const ERRORS = {
  4: [ICMP_TYPE.unreachable, ICMP_TYPE.timeExceeded, ICMP_TYPE.parameterProblem],
  6: [ICMPV6_TYPE.unreachable, ICMPV6_TYPE.tooBig, ICMPV6_TYPE.timeExceeded, ICMPV6_TYPE.parameterProblem],
} as const;

export function icmpStage(w: Workspace, family: 4 | 6): void {
  const { b } = w;
  b.stage(`icmp${family}`, () => {
    w.remaining.store(span(0, 4), r4);
    demandVip(w, w.notVip);
    w.remaining.load(r4, span(0, 4));
    b.jumpIf(below(r4, ICMP_BYTES), 'dropMalformed');
    const message = w.cursor('ICMP message', PAYLOAD);
    message.need(ICMP_BYTES, r2, 'dropMalformed');
    // Type and code in one: the echo request has code 0.
    message.load(r1, span(ICMP.type, 2));
    b.jumpIf(equal(r1, family === 4 ? ICMP_TYPE.echoRequest : ICMPV6_TYPE.echoRequest), `echo${family}`);
    message.load(r1, span(ICMP.type, 1));
    for (const type of ERRORS[family]) b.jumpIf(equal(r1, type), `error${family}`);
    b.goto('dropIcmp');
  });
  echoStage(w, family);
  errorStage(w, family);
}

/** Sends the request back as its answer. */
function echoStage(w: Workspace, family: 4 | 6): void {
  const { b } = w;
  b.stage(`echo${family}`, () => {
    const message = b.place('ICMP message', PAYLOAD, 0, ICMP_BYTES);
    const header = w.cursor('IP header', PACKET);
    if (family === 4) {
      header.need(IPV4_BYTES, r2, 'dropMalformed');
      swap(header, IPV4.source, IPV4.destination, 4);
      replace16(header, IPV4.ttl, IPV4.checksum, () => b.emit(asm.and.imm(r1, 0xff00), asm.or.imm(r1, ANSWER_TTL)));
    } else {
      header.need(IPV6_BYTES, r2, 'dropMalformed');
      swap(header, IPV6.source, IPV6.destination, 16);
      header.store(span(IPV6.hopLimit, 1), ANSWER_TTL);
    }
    const reply = family === 4 ? ICMP_TYPE.echoReply : ICMPV6_TYPE.echoReply;
    replace16(message, ICMP.type, ICMP.checksum, () => b.emit(asm.mov.imm(r1, reply)));
    w.replyToSender();
    w.finish('txEcho');
  });

  function swap(place: Place, one: number, other: number, bytes: number): void {
    for (let at = 0; at < bytes; at += 4) {
      place.load(r1, span(one + at, 4));
      place.load(r2, span(other + at, 4));
      place.store(span(one + at, 4), r2);
      place.store(span(other + at, 4), r1);
    }
  }

  /**
   * Changes r1 = the word at `at` and the checksum over it (RFC 1624, equation 3). The sums are of words as they lie in
   * memory, which gives the same checksum in memory (RFC 1071, section 2 B).
   */
  function replace16(place: Place, at: number, checksumAt: number, change: () => void): void {
    place.load(r1, span(at, 2));
    place.load(r3, span(checksumAt, 2));
    b.emit(asm.xor.imm(r3, 0xffff), asm.mov.reg(r2, r1), asm.xor.imm(r2, 0xffff), asm.add.reg(r3, r2));
    change();
    place.store(span(at, 2), r1);
    b.emit(asm.add.reg(r3, r1));
    foldTwice(w, r3, r2);
    b.emit(asm.xor.imm(r3, 0xffff));
    place.store(span(checksumAt, 2), r3);
  }
}

/** sum = its 16-bit words, added up with their carries; enough for sums below 2^32. */
export function foldTwice(w: Workspace, sum: asm.Register, scratch: asm.Register): void {
  for (let i = 0; i < 2; i++) {
    w.b.emit(asm.mov.reg(scratch, sum), asm.rsh.imm(scratch, 16), asm.and.imm(sum, 0xffff), asm.add.reg(sum, scratch));
  }
}

/** From r4 = bytes of the message and r9 = the message. */
function errorStage(w: Workspace, family: 4 | 6): void {
  const { b } = w;
  b.stage(`error${family}`, () => {
    b.emit(asm.sub.imm(r4, ICMP_BYTES), asm.mov.reg(PACKET, PAYLOAD), asm.add.imm(PACKET, ICMP_BYTES));
    const quoted = w.cursor('quoted header', PACKET);
    if (family === 4) readQuotedV4(quoted);
    else readQuotedV6(quoted);
    // r1 = protocol, r4 = bytes of it that are quoted.
    const served = b.newLabel('served');
    b.jumpIf(equal(r1, PROTOCOL.tcp), served);
    b.jumpIf(unequal(r1, PROTOCOL.udp), 'dropNoService');
    b.emit(asm.label(served));
    b.emit(asm.lsh.imm(r1, 16), asm.or.imm(r1, family << 24));
    w.isLater.load(r2, span(0, 4));
    b.jumpIf(unequal(r2, 0), `error${family}.later`);
    aboutFlow();
    b.emit(asm.label(`error${family}.later`));
    aboutLaterFragment();
  });

  function readQuotedV4(quoted: Cursor): void {
    b.jumpIf(below(r4, IPV4_BYTES), 'dropMalformed');
    quoted.need(IPV4_BYTES, r2, 'dropMalformed');
    demandVersion(w, quoted, 4, 'dropMalformed');
    readIpv4Rest(w, quoted, 'dropMalformed');
    quoted.load(r1, span(IPV4.source, 4));
    w.vipKey.load(r2, span(vipKey.at.address + 12, 4));
    b.jumpIf(unequal32(r1, r2), 'dropIcmp');
    w.storeAddress(w.flowKey, field(flowKey, 'client'), 4, quoted, IPV4.destination);
    quoted.load(r2, span(IPV4.fragment, 2));
    b.emit(asm.and.imm(r2, wire16(FRAGMENT_OFFSET)));
    w.isLater.store(span(0, 4), r2);
    quoted.load(r1, span(IPV4.protocol, 1));
  }

  function readQuotedV6(quoted: Cursor): void {
    b.jumpIf(below(r4, IPV6_BYTES), 'dropMalformed');
    quoted.need(IPV6_BYTES, r2, 'dropMalformed');
    demandVersion(w, quoted, 6, 'dropMalformed');
    b.emit(asm.sub.imm(r4, IPV6_BYTES), asm.mov.reg(PAYLOAD, PACKET), asm.add.imm(PAYLOAD, IPV6_BYTES));
    w.isLater.store(span(0, 4), 0);
    quoted.load(r1, span(IPV6.nextHeader, 1));
    const walked = b.newLabel('walked');
    walkExtensions(w, { malformed: 'dropMalformed', tooMany: 'dropExtensions', laterFragment: walked });
    b.emit(asm.label(walked));
    for (let at = 0; at < 16; at += 8) {
      quoted.load(r2, span(IPV6.source + at, 8));
      w.vipKey.load(r3, span(vipKey.at.address + at, 8));
      b.jumpIf(unequal(r2, r3), 'dropIcmp');
    }
    w.storeAddress(w.flowKey, field(flowKey, 'client'), 6, quoted, IPV6.destination);
  }

  /** What is quoted has ports, of which the source is the service's. */
  function aboutFlow(): void {
    // What a router quotes at least (RFC 792).
    b.jumpIf(below(r4, 8), 'dropMalformed');
    const ports = w.cursor('quoted ports', PAYLOAD);
    ports.need(4, r2, 'dropMalformed');
    ports.load(r2, span(0, 2));
    b.emit(asm.or.reg(r1, r2));
    w.storeVipPort(r1);
    ports.load(r1, span(2, 2));
    b.emit(asm.lsh.imm(r2, 16), asm.or.reg(r1, r2));
    w.ports.store(span(0, 4), r1);
    findService(w, { notVip: 'dropNoService', noService: 'dropNoService' });
    const choose = `error${family}.choose`;
    findFlow(w, { unknown: choose, lost: choose });
    b.emit(asm.mov.reg(REAL, r0), asm.mov.imm(OUTCOME_REGISTER, OUTCOME.txIcmp), asm.ja('forward'));
    b.emit(asm.label(choose), asm.mov.imm(OUTCOME_REGISTER, OUTCOME.txIcmp), asm.ja('choose'));
  }

  function aboutLaterFragment(): void {
    w.storeVipPort(r1);
    findPortless(w, 'dropNoService');
    w.flags.store(span(0, 4), 0);
    if (w.options.tunnels) w.ports.store(span(0, 4), 0);
    b.emit(asm.mov.imm(OUTCOME_REGISTER, OUTCOME.txIcmp), asm.ja('choose'));
  }
}
