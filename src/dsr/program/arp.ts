/** ARP: a request for a VIP's address is answered in place (RFC 826). */
import * as asm from '../../bpf/asm/index.js';
import { anyBit, equal, unequal32 } from '../../bpf/builder/index.js';
import { ARP, ARP_BYTES, ARP_REPLY, ARP_REQUEST } from '../../frame/arp.js';
import { OUTCOME, VIP_SILENT, vipKey, vipValue } from '../layout.js';
import { demandVip } from './service.js';
import { demandTarpit } from './tarpit.js';
import { field, PACKET, span, type Workspace, wire16, wire32 } from './workspace.js';

const { r1, r2, r3 } = asm;

export function arpStage(w: Workspace): void {
  const { b } = w;
  b.stage('arp', () => {
    const packet = w.cursor('ARP packet', PACKET);
    packet.need(ARP_BYTES, r2, 'passOther');
    w.demandOwnOrGroupMac('passOther');
    // Ethernet and IPv4, addresses of six and four bytes, a request.
    packet.load(r1, span(0, 4));
    b.jumpIf(unequal32(r1, wire32(0x0001_0800)), 'passNotVip');
    packet.load(r1, span(4, 4));
    b.jumpIf(unequal32(r1, wire32((0x0604 << 16) | ARP_REQUEST)), 'passNotVip');
    w.storeAddress(w.vipKey, field(vipKey, 'address'), 4, packet, ARP.targetIp);
    w.storeVipPort(w.portlessWord(4));
    const entry = demandVip(w, w.options.tarpit ? 'arp.notVip' : 'passNotVip');
    // Another balancer answers, or the kernel.
    entry.load(r1, field(vipValue, 'flags'));
    b.jumpIf(anyBit(r1, VIP_SILENT), 'passNotVip');
    w.answerOutcome.store(span(0, 4), OUTCOME.txArp);
    b.emit(asm.label('arp.answer'));
    packet.store(span(ARP.operation, 2), wire16(ARP_REPLY));
    // The asker's addresses become the target's, the address asked for the sender's.
    w.copyMac(packet, ARP.targetMac, packet, ARP.senderMac);
    packet.load(r1, span(ARP.senderIp, 4));
    packet.load(r3, span(ARP.targetIp, 4));
    packet.store(span(ARP.targetIp, 4), r1);
    packet.store(span(ARP.senderIp, 4), r3);
    w.storeOwnMac(packet, ARP.senderMac);
    w.replyToSender();
    w.finishAnswer();
    if (!w.options.tarpit) return;

    b.emit(asm.label('arp.notVip'));
    // Somebody without an address asks before he takes this one: he may have it.
    packet.load(r1, span(ARP.senderIp, 4));
    b.jumpIf(equal(r1, 0), 'passNotVip');
    demandTarpit(w, 4, packet, ARP.targetIp, 'passNotVip');
    w.answerOutcome.store(span(0, 4), OUTCOME.txTarpitArp);
    b.goto('arp.answer');
  });
}
