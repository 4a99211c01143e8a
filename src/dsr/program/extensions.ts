/**
 * IPv6 extension headers, at most MAX_EXTENSIONS of them, unrolled. From r1 = next header, r4 = bytes that remain and
 * r9 = where they begin; leaves the three behind the last header. The fragment header is told to the stack.
 */
import * as asm from '../../bpf/asm/index.js';
import { above, below, equal } from '../../bpf/builder/index.js';
import { FRAGMENT_HEADER_BYTES, FRAGMENT_OFFSET_V6, MORE_FRAGMENTS_V6 } from '../../frame/ipv6.js';
import { PROTOCOL } from '../../frame/protocol.js';
import { fragmentKey, MAX_EXTENSIONS } from '../layout.js';
import { field, PACKET, PAYLOAD, span, type Workspace, wire16 } from './workspace.js';

const { r1, r2, r3, r4, r5 } = asm;

/** Covers the longest extension header, 2048 bytes. */
const LENGTH_MASK = 0xfff;
/** Covers as many of them as are walked, and the fixed header. */
const OFFSET_MASK = 0x3fff;

interface Exits {
  readonly malformed: string;
  readonly tooMany: string;
  /** For a fragment that is not its datagram's first. */
  readonly laterFragment: string;
}

/** All there are that are walked; authentication counts in other units, fragment has a fixed length. */
const COUNTED_IN_EIGHTS = [PROTOCOL.hopByHop, PROTOCOL.routing, PROTOCOL.destinationOptions];

export function walkExtensions(w: Workspace, exits: Exits): void {
  const { b } = w;
  const [done, walked] = ['transport', 'walked'].map((role) => b.newLabel(role));
  // Nearly every packet has none.
  for (const protocol of [PROTOCOL.tcp, PROTOCOL.udp]) b.jumpIf(equal(r1, protocol), done);
  for (let header = 0; header < MAX_EXTENSIONS; header++) walkOne(w, walked, exits);
  for (const protocol of [...COUNTED_IN_EIGHTS, PROTOCOL.fragment, PROTOCOL.authentication])
    b.jumpIf(equal(r1, protocol), exits.tooMany);
  // One way on, however many headers there were, lest the verifier take each for another.
  b.emit(asm.label(walked), asm.mov.reg(r2, PAYLOAD), asm.sub.reg(r2, PACKET), asm.and.imm(r2, OFFSET_MASK));
  b.emit(asm.mov.reg(PAYLOAD, PACKET), asm.add.reg(PAYLOAD, r2));
  b.emit(asm.label(done));
}

function walkOne(w: Workspace, done: string, exits: Exits): void {
  const { b } = w;
  const [eights, fragment, authentication, next] = ['eights', 'fragment', 'authentication', 'next'].map((role) =>
    b.newLabel(role),
  );
  for (const protocol of COUNTED_IN_EIGHTS) b.jumpIf(equal(r1, protocol), eights);
  b.jumpIf(equal(r1, PROTOCOL.fragment), fragment);
  b.jumpIf(equal(r1, PROTOCOL.authentication), authentication);
  b.goto(done);

  b.emit(asm.label(eights));
  readHead();
  b.emit(asm.add.imm(r2, 1), asm.lsh.imm(r2, 3));
  b.goto(next);

  b.emit(asm.label(authentication));
  readHead();
  b.emit(asm.add.imm(r2, 2), asm.lsh.imm(r2, 2));
  b.goto(next);

  b.emit(asm.label(fragment));
  const header = readHead();
  header.load(r2, span(4, 4));
  w.fragmentKey.store(field(fragmentKey, 'id'), r2);
  header.load(r2, span(2, 2));
  b.emit(asm.mov.reg(r3, r2), asm.and.imm(r3, wire16(FRAGMENT_OFFSET_V6)));
  b.emit(asm.and.imm(r2, wire16(FRAGMENT_OFFSET_V6 | MORE_FRAGMENTS_V6)));
  // The only fragment of its datagram is no fragment (RFC 6946), whatever a header before this one said.
  w.isFragment.store(span(0, 4), r2);
  w.isLater.store(span(0, 4), r3);
  b.emit(asm.mov.imm(r2, FRAGMENT_HEADER_BYTES));
  b.jumpIf(equal(r3, 0), next);
  b.emit(asm.mov.reg(r1, r5), asm.add.reg(PAYLOAD, r2), asm.sub.reg(r4, r2));
  b.goto(exits.laterFragment);

  // r2 = the header's length, r5 = the next one's protocol.
  b.emit(asm.label(next));
  // All lengths look alike to the verifier from here on, or it would follow each kind of header through the rest of
  // the program (over a million instructions): it knows nothing of a swapped register, and swapping to the byte order
  // that it has changes nothing.
  b.emit(asm.toLe(r2, 64), asm.and.imm(r2, LENGTH_MASK));
  b.jumpIf(above(r2, r4), exits.malformed);
  b.emit(asm.mov.reg(r1, r5), asm.add.reg(PAYLOAD, r2), asm.sub.reg(r4, r2));

  /** r5 = the next header's protocol, r2 = this one's length as it has it. */
  function readHead() {
    b.jumpIf(below(r4, 8), exits.malformed);
    const head = w.cursor('extension header', PAYLOAD);
    head.need(8, r2, exits.malformed);
    head.load(r5, span(0, 1));
    head.load(r2, span(1, 1));
    return head;
  }
}
