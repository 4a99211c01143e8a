/**
 * The other end of the tunnels, on a server: takes packets for a VIP out of IPIP and GUE and hands them to the kernel as
 * if they had come so. Everything else passes untouched, tunnels of others too.
 *
 *   link ─┬─ outer4 ─┬─ ipip │ gue ─ inner 4 │ 6: VIP? from whom? ─ congestion ─ strip ─► pass
 *         └─ outer6 ─┘
 *
 * All lengths are constants: there is a stage for each outer family, kind and inner family. r6 is the frame, r7 its end.
 */
import * as asm from '../../bpf/asm/index.js';
import { anyBit, Builder, Cursor, equal, type MapShape, type Place, unequal } from '../../bpf/builder/index.js';
import type { ProgramSpec } from '../../bpf/program.js';
import { ETHER_TYPE, ETHERNET_BYTES } from '../../frame/ethernet.js';
import { FRAGMENT_OFFSET, IPV4, IPV4_BYTES, MORE_FRAGMENTS } from '../../frame/ipv4.js';
import { IPV6, IPV6_BYTES } from '../../frame/ipv6.js';
import { PROTOCOL } from '../../frame/protocol.js';
import { GUE_PORT } from '../../frame/tunnel.js';
import { UDP, UDP_BYTES } from '../../frame/udp.js';
import { XDP_DROP, XDP_MD, XDP_PASS } from '../../sys/uapi/bpf.js';
import { span, wire16 } from '../program/workspace.js';
import { addressKey, DECAP_OUTCOME, type DecapOutcome, decapMaps } from './layout.js';

const { r0, r1, r2, r3, r4 } = asm;
const FRAME = asm.r6;
const END = asm.r7;
const OUTCOME = asm.r8;
/** The outer header's protocol, so that what it promises is what follows. */
const PROMISED = asm.r9;

const FAMILIES = [4, 6] as const;
type Family = (typeof FAMILIES)[number];
const KINDS = ['ipip', 'gue'] as const;
type Kind = (typeof KINDS)[number];

const HEADER_BYTES = { 4: IPV4_BYTES, 6: IPV6_BYTES } as const;
const INSIDE = { 4: PROTOCOL.ipip, 6: PROTOCOL.ipv6 } as const;
const ETHER_TYPES = { 4: ETHER_TYPE.ipv4, 6: ETHER_TYPE.ipv6 } as const;
/** The two bits of the type of service that say congestion (RFC 3168): both set is the mark. */
const ECN = 3;

export interface DecapOptions {
  /** Packets are taken only from `sources`. */
  readonly checksSource: boolean;
}

export function decapProgram({ checksSource }: DecapOptions): ProgramSpec {
  const b = new Builder();
  const maps = Object.fromEntries(
    Object.entries(decapMaps).map(([name, { keyBytes, valueBytes }]) => [
      name,
      { name, key: { bytes: keyBytes }, value: { bytes: valueBytes } },
    ]),
  ) as Record<keyof typeof decapMaps, MapShape>;
  const context = b.reserve('context', 8);
  const key = b.reserve('address', addressKey.bytes);
  const index = b.reserve('index', 4);
  const frame = () => new Cursor(b, 'frame', FRAME, END);

  linkStage();
  for (const outer of FAMILIES) {
    outerStage(outer);
    for (const kind of KINDS) {
      innerStage(outer, kind);
      for (const inner of FAMILIES) takeStage(outer, kind, inner);
    }
  }
  endStages();
  return { name: 'pen_decap', code: asm.prune(b.code) };

  function linkStage(): void {
    b.stage('link', () => {
      context.store(span(0, 8), r1);
      b.emit(asm.load(FRAME, r1, XDP_MD.data, 4), asm.load(END, r1, XDP_MD.dataEnd, 4));
      const ethernet = frame();
      ethernet.need(ETHERNET_BYTES, r2, 'pass');
      ethernet.load(r1, span(ETHERNET_BYTES - 2, 2));
      for (const family of FAMILIES) b.jumpIf(equal(r1, wire16(ETHER_TYPES[family])), `outer${family}`);
      b.goto('pass');
    });
  }

  /** Goes on with tunnels that end here. Most packets are none, and leave after their protocol. */
  function outerStage(outer: Family): void {
    b.stage(`outer${outer}`, () => {
      const packet = frame();
      packet.need(ETHERNET_BYTES + HEADER_BYTES[outer], r2, 'pass');
      const header = packet.part('outer header', span(ETHERNET_BYTES, HEADER_BYTES[outer]));
      header.load(PROMISED, span(outer === 4 ? IPV4.protocol : IPV6.nextHeader, 1));
      const [ours, gue] = ['tunnel', 'gue'].map((role) => b.newLabel(role));
      b.jumpIf(equal(PROMISED, PROTOCOL.udp), gue);
      for (const inner of FAMILIES) b.jumpIf(equal(PROMISED, INSIDE[inner]), ours);
      b.goto('pass');

      b.emit(asm.label(gue));
      const datagram = frame();
      const udpAt = ETHERNET_BYTES + HEADER_BYTES[outer];
      datagram.need(udpAt + UDP_BYTES, r2, 'pass');
      datagram.load(r1, span(udpAt + UDP.destinationPort, 2));
      b.jumpIf(unequal(r1, wire16(GUE_PORT)), 'pass');

      b.emit(asm.label(ours));
      storeAddress(outer, header, outer === 4 ? IPV4.destination : IPV6.destination);
      b.lookup(maps.own, key, 'pass');
      if (outer === 4) demandPlainV4();
      b.jumpIf(equal(PROMISED, PROTOCOL.udp), `outer${outer}.gue.inner`);
      b.goto(`outer${outer}.ipip.inner`);
    });
  }

  /** No options, no fragment, the header's checksum right. */
  function demandPlainV4(): void {
    const packet = frame();
    packet.need(ETHERNET_BYTES + IPV4_BYTES, r2, 'malformed');
    const header = packet.part('outer header', span(ETHERNET_BYTES, IPV4_BYTES));
    header.load(r1, span(0, 1));
    b.jumpIf(unequal(r1, 0x45), 'malformed');
    header.load(r1, span(IPV4.fragment, 2));
    b.jumpIf(anyBit(r1, wire16(MORE_FRAGMENTS | FRAGMENT_OFFSET)), 'malformed');
    b.emit(asm.mov.imm(r1, 0));
    for (let at = 0; at < IPV4_BYTES; at += 4) {
      header.load(r2, span(at, 4));
      b.emit(asm.add.reg(r1, r2));
    }
    b.emit(asm.mov.reg(r2, r1), asm.rsh.imm(r2, 32), asm.mov32.reg(r1, r1), asm.add.reg(r1, r2));
    for (let i = 0; i < 3; i++)
      b.emit(asm.mov.reg(r2, r1), asm.rsh.imm(r2, 16), asm.and.imm(r1, 0xffff), asm.add.reg(r1, r2));
    b.jumpIf(unequal(r1, 0xffff), 'malformed');
  }

  /** By the version of the packet inside. Of GUE that is the variant as well: 4 and 6 are variant 1, 0 is the other. */
  function innerStage(outer: Family, kind: Kind): void {
    b.stage(`outer${outer}.${kind}.inner`, () => {
      const at = innerAt(outer, kind);
      const packet = frame();
      packet.need(at + 1, r2, 'malformed');
      packet.load(r1, span(at, 1));
      b.emit(asm.rsh.imm(r1, 4));
      for (const inner of FAMILIES) b.jumpIf(equal(r1, inner), `outer${outer}.${kind}.inner${inner}`);
      b.goto('malformed');
    });
  }

  function takeStage(outer: Family, kind: Kind, inner: Family): void {
    b.stage(`outer${outer}.${kind}.inner${inner}`, () => {
      if (kind === 'ipip') b.jumpIf(unequal(PROMISED, INSIDE[inner]), 'malformed');
      const at = innerAt(outer, kind);
      const removed = at - ETHERNET_BYTES;
      const packet = frame();
      packet.need(at + HEADER_BYTES[inner], r2, 'malformed');
      const header = packet.part('inner header', span(at, HEADER_BYTES[inner]));
      const outerHeader = packet.part('outer header', span(ETHERNET_BYTES, HEADER_BYTES[outer]));
      storeAddress(inner, header, inner === 4 ? IPV4.destination : IPV6.destination);
      b.lookup(maps.vips, key, 'notVip');
      if (checksSource) {
        storeAddress(outer, outerHeader, outer === 4 ? IPV4.source : IPV6.source);
        b.lookup(maps.sources, key, 'foreign');
      }
      passCongestion(outer, outerHeader, inner, header);
      packet.copy(span(removed, 12), packet, span(0, 12), r1);
      packet.store(span(removed + 12, 2), wire16(ETHER_TYPES[inner]));
      context.load(r1, span(0, 8));
      b.emit(asm.mov.imm(r2, removed), asm.callHelper('xdp_adjust_head'));
      b.emit(asm.mov.imm(OUTCOME, DECAP_OUTCOME[kind]));
      b.goto('count');
    });
  }

  /** A mark on the tunnel becomes one on the packet; where the sender takes none it is dropped instead (RFC 6040 4.2). */
  function passCongestion(outer: Family, outerHeader: Place, inner: Family, header: Place): void {
    const done = b.newLabel('unmarked');
    loadCongestion(r1, outer, outerHeader);
    b.jumpIf(unequal(r1, ECN), done);
    loadCongestion(r1, inner, header);
    b.jumpIf(equal(r1, 0), 'congested');
    b.jumpIf(equal(r1, ECN), done);
    // The word that begins with version and type of service, as it lies in memory.
    header.load(r1, span(0, 2));
    b.emit(asm.mov.reg(r2, r1), asm.or.imm(r2, inner === 4 ? ECN << 8 : (ECN << 4) << 8));
    header.store(span(0, 2), r2);
    if (inner === 4) {
      // RFC 1624, equation 3.
      header.load(r3, span(IPV4.checksum, 2));
      b.emit(asm.xor.imm(r3, 0xffff), asm.xor.imm(r1, 0xffff), asm.add.reg(r3, r1), asm.add.reg(r3, r2));
      for (let i = 0; i < 2; i++)
        b.emit(asm.mov.reg(r4, r3), asm.rsh.imm(r4, 16), asm.and.imm(r3, 0xffff), asm.add.reg(r3, r4));
      b.emit(asm.xor.imm(r3, 0xffff));
      header.store(span(IPV4.checksum, 2), r3);
    }
    b.emit(asm.label(done));
  }

  function loadCongestion(register: asm.Register, family: Family, header: Place): void {
    header.load(register, span(1, 1));
    // Of IPv6 the traffic class begins in the first byte and ends in the middle of the second.
    if (family === 6) b.emit(asm.rsh.imm(register, 4));
    b.emit(asm.and.imm(register, ECN));
  }

  /** The key of a set, in 64-bit stores. Uses r2 and r3. */
  function storeAddress(family: Family, header: Place, at: number): void {
    if (family === 6) key.copy(span(addressKey.at.address, 16), header, span(at, 16), r2);
    else {
      header.load(r2, span(at, 4));
      b.emit(asm.lsh.imm(r2, 32), asm.mov32.imm(r3, 0xffff_0000), asm.or.reg(r2, r3));
      key.store(span(addressKey.at.address, 8), 0);
      key.store(span(addressKey.at.address + 8, 8), r2);
    }
    key.store(span(addressKey.at.family, 4), family);
  }

  function endStages(): void {
    for (const name of ['notVip', 'foreign', 'malformed', 'congested'] satisfies DecapOutcome[]) {
      b.stage(name, () => {
        b.emit(asm.mov.imm(OUTCOME, DECAP_OUTCOME[name]));
        b.goto('count');
      });
    }
    b.stage('count', () => {
      const counted = b.newLabel('counted');
      index.store(span(0, 4), OUTCOME);
      b.lookup(maps.counts, index, counted).increase(span(0, 8), 1, r1);
      b.emit(asm.label(counted), asm.mov.imm(r0, XDP_PASS));
      b.unless(unequal(OUTCOME, DECAP_OUTCOME.congested), () => b.emit(asm.mov.imm(r0, XDP_DROP)));
      b.emit(asm.exit());
    });
    b.stage('pass', () => b.return(XDP_PASS));
  }
}

function innerAt(outer: Family, kind: Kind): number {
  return ETHERNET_BYTES + HEADER_BYTES[outer] + (kind === 'gue' ? UDP_BYTES : 0);
}
