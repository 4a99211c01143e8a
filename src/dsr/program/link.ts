/** The first stages: where the frame lies, its VLAN tags, and which protocol has it. */
import * as asm from '../../bpf/asm/index.js';
import { equal } from '../../bpf/builder/index.js';
import { ETHER_TYPE, ETHERNET_BYTES, MAX_TAGS, TAG_BYTES } from '../../frame/ethernet.js';
import { XDP_MD } from '../../sys/uapi/bpf.js';
import { END, FRAME, PACKET, span, type Workspace, wire16 } from './workspace.js';

export function linkStage(w: Workspace): void {
  const { b, options } = w;
  const frame = w.cursor('frame', FRAME);
  b.stage('link', () => {
    w.context.store(span(0, 8), asm.r1);
    b.emit(asm.load(FRAME, asm.r1, XDP_MD.data, 4), asm.load(END, asm.r1, XDP_MD.dataEnd, 4));
    frame.need(ETHERNET_BYTES, asm.r2, 'passOther');
    frame.load(asm.r1, span(ETHERNET_BYTES - 2, 2));
    b.emit(asm.mov.reg(PACKET, FRAME), asm.add.imm(PACKET, ETHERNET_BYTES));
    if (options.tunnels) w.typeAt.store(span(0, 8), ETHERNET_BYTES - 2);
    for (let tag = 1; options.vlan && tag <= MAX_TAGS; tag++) skipTag(tag);
    b.emit(asm.label('link.type'));
    if (options.ipv4) {
      b.jumpIf(equal(asm.r1, wire16(ETHER_TYPE.ipv4)), 'ipv4');
      b.jumpIf(equal(asm.r1, wire16(ETHER_TYPE.arp)), 'arp');
    }
    if (options.ipv6) b.jumpIf(equal(asm.r1, wire16(ETHER_TYPE.ipv6)), 'ipv6');
    b.goto('passOther');
  });

  function skipTag(tag: number): void {
    const tagged = b.newLabel('tag');
    b.jumpIf(equal(asm.r1, wire16(ETHER_TYPE.vlan)), tagged);
    b.jumpIf(equal(asm.r1, wire16(ETHER_TYPE.provider)), tagged);
    b.goto('link.type');
    b.emit(asm.label(tagged));
    const bytes = ETHERNET_BYTES + tag * TAG_BYTES;
    frame.need(bytes, asm.r2, 'passOther');
    frame.load(asm.r1, span(bytes - 2, 2));
    // A swapped register is any number to the verifier, so that one and two tags are the same to it from here on.
    b.emit(asm.mov.imm(asm.r2, bytes), asm.toLe(asm.r2, 64), asm.and.imm(asm.r2, 31));
    b.emit(asm.mov.reg(PACKET, FRAME), asm.add.reg(PACKET, asm.r2));
    if (!options.tunnels) return;
    b.emit(asm.sub.imm(asm.r2, 2));
    w.typeAt.store(span(0, 8), asm.r2);
  }
}
