/** Parts of datagrams: all of them to one server, whichever comes first. From r1, r4 and r9 as `ip.ts` leaves them. */
import * as asm from '../../bpf/asm/index.js';
import { above32, equal, unequal } from '../../bpf/builder/index.js';
import { FRAGMENT_OFFSET, IPV4 } from '../../frame/ipv4.js';
import { PROTOCOL } from '../../frame/protocol.js';
import {
  controlValue,
  FRAGMENT_EPOCHS,
  flowKey,
  fragmentKey,
  fragmentValue,
  OUTCOME,
  realValue,
  vipKey,
  vipValue,
} from '../layout.js';
import { loadServing } from './flow.js';
import { demandPermission, demandVip, findPortless } from './service.js';
import { field, OUTCOME_REGISTER, PACKET, REAL, span, type Workspace, wire16 } from './workspace.js';

const { r0, r1, r2, r4 } = asm;

export function fragmentStage(w: Workspace, family: 4 | 6): void {
  const { b } = w;
  b.stage(`fragment${family}`, () => {
    w.protocol.store(span(0, 4), r1);
    w.remaining.store(span(0, 4), r4);
    w.packet.store(span(0, 8), PACKET);
    // Its ports are known later, if at all.
    if (w.options.tunnels) w.ports.store(span(0, 4), 0);
    b.jumpIf(equal(r1, family === 4 ? PROTOCOL.icmp : PROTOCOL.icmpv6), 'ours.dropIcmp');
    if (family === 4) readIpv4Fragment();
    // Of IPv6 the number and whether it is a later one were kept when its header was walked over.
    else w.fragmentKey.store(span(fragmentKey.at.protocol, 4), 6 << 8);
    w.fragmentKey.copy(field(fragmentKey, 'client'), w.flowKey, field(flowKey, 'client'), r2);
    w.fragmentKey.copy(field(fragmentKey, 'vip'), w.vipKey, field(vipKey, 'address'), r2);
    const address = demandVip(w, w.notVip);
    if (w.options.acl) {
      address.load(r1, field(vipValue, 'acl'));
      w.aclBit.store(span(0, 4), r1);
    }
    findServer();
    if (w.options.acl) demandPermission(w);
    b.emit(asm.mov.imm(OUTCOME_REGISTER, OUTCOME.txFragment));
    b.goto('forward');

    b.emit(asm.label(`fragment${family}.unknown`));
    w.protocol.load(r1, span(0, 4));
    w.remaining.load(r4, span(0, 4));
    w.packet.load(PACKET, span(0, 8));
    w.isLater.load(r2, span(0, 4));
    b.jumpIf(equal(r2, 0), `transport${family}`);
    chooseWithoutPorts();
  });

  function readIpv4Fragment(): void {
    const header = w.b.place('IPv4 header', PACKET, 0, 20);
    w.isFragment.store(span(0, 4), 1);
    header.load(r2, span(IPV4.fragment, 2));
    b.emit(asm.and.imm(r2, wire16(FRAGMENT_OFFSET)));
    w.isLater.store(span(0, 4), r2);
    // The number is a big-endian word whose upper half is zero; protocol and family follow it.
    header.load(r2, span(IPV4.id, 2));
    b.emit(asm.lsh.imm(r2, 16), asm.or.imm(r1, 4 << 8), asm.lsh.imm(r1, 32), asm.or.reg(r1, r2));
    w.fragmentKey.store(span(fragmentKey.at.id, 8), r1);
  }

  /** The server that the datagram's other fragments went to, at r9. */
  function findServer(): void {
    const unknown = `fragment${family}.unknown`;
    const known = b.lookup(w.maps.fragments, w.fragmentKey, unknown);
    w.control(r1).load(r1, field(controlValue, 'epoch'));
    known.load(r2, field(fragmentValue, 'epoch'));
    b.emit(asm.sub32.reg(r1, r2));
    b.jumpIf(above32(r1, FRAGMENT_EPOCHS), unknown);
    known.load(r1, field(fragmentValue, 'vip'));
    w.vip.store(span(0, 4), r1);
    known.load(r1, field(fragmentValue, 'real'));
    known.load(asm.r8, field(fragmentValue, 'generation'));
    loadServing(w, r1, asm.r8, unknown);
    b.emit(asm.mov.reg(REAL, r0));
  }

  /** It came before the first one, which alone has ports, and which will follow it. */
  function chooseWithoutPorts(): void {
    const served = b.newLabel('served');
    b.jumpIf(equal(r1, PROTOCOL.tcp), served);
    b.jumpIf(unequal(r1, PROTOCOL.udp), 'dropNoService');
    b.emit(asm.label(served));
    b.emit(asm.lsh.imm(r1, 16), asm.or.imm(r1, family << 24));
    w.storeVipPort(r1);
    findPortless(w, 'dropNoService');
    w.flags.store(span(0, 4), 0);
    if (w.options.acl) demandPermission(w);
    b.emit(asm.mov.imm(OUTCOME_REGISTER, OUTCOME.txFragment));
    b.goto('choose');
  }
}

/** Remembers the server at r9, whose number is in `index`, for the datagram. */
export function rememberStage(w: Workspace): void {
  const { b } = w;
  b.stage('remember', () => {
    w.index.load(r1, span(0, 4));
    w.fragmentValue.store(field(fragmentValue, 'real'), r1);
    b.place('real', REAL, 0, realValue.bytes).load(r1, field(realValue, 'generation'));
    w.fragmentValue.store(field(fragmentValue, 'generation'), r1);
    w.vip.load(r1, span(0, 4));
    w.fragmentValue.store(field(fragmentValue, 'vip'), r1);
    w.control(r1).load(r1, field(controlValue, 'epoch'));
    w.fragmentValue.store(field(fragmentValue, 'epoch'), r1);
    b.update(w.maps.fragments, w.fragmentKey, w.fragmentValue);
    b.goto('forward');
  });
}
