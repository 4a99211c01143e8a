/** Whose the packet is: the look-ups in `vips`, and the list that its client must be permitted by. */
import * as asm from '../../bpf/asm/index.js';
import { anyBit, equal, type Place } from '../../bpf/builder/index.js';
import {
  ABUSE_REAL,
  aclKey,
  aclValue,
  flowKey,
  OUTCOME,
  REAL_SERVES,
  realValue,
  VIP_ANY_PORT,
  vipKey,
  vipValue,
} from '../layout.js';
import { knownServiceStage } from './known-vips.js';
import { field, OUTCOME_REGISTER, REAL, span, type Workspace } from './workspace.js';

const { r0, r1, r2, r3 } = asm;

/** Bits of a whole address in `acl`, the family's included. */
const WHOLE_PREFIX = 32 + 128;

/** Looks the service up, unless the program knows them all by heart. */
export function serviceStage(w: Workspace): void {
  const { b, known } = w;
  if (known === undefined) {
    b.stage('service', () => findService(w, { notVip: 'passNotVip', noService: 'dropNoService' }));
  } else {
    if (w.options.ipv4) knownServiceStage(w, 4, known[4]);
    if (w.options.ipv6) knownServiceStage(w, 6, known[6]);
  }
  b.stage('permission', () => {
    if (w.options.acl) demandPermission(w);
  });
}

/**
 * Looks up the service whose address, port and protocol are in `vipKey`: that of the port, else that of all ports.
 * Puts its number and flags on the stack; its list, too.
 */
export function findService(w: Workspace, exits: { readonly notVip: string; readonly noService: string }): void {
  const { b } = w;
  const [everyPort, none, found] = ['every', 'none', 'found'].map((role) => b.newLabel(role));
  // No service has port 0: its entry is the one of packets without a port.
  w.vipKey.load(r1, field(vipKey, 'portBe'));
  b.jumpIf(equal(r1, 0), everyPort);
  b.lookup(w.maps.vips, w.vipKey, everyPort);
  b.goto(found);

  b.emit(asm.label(everyPort));
  w.vipKey.store(field(vipKey, 'portBe'), 0);
  const entry = b.lookup(w.maps.vips, w.vipKey, none);
  entry.load(r1, field(vipValue, 'flags'));
  b.jumpIf(anyBit(r1, VIP_ANY_PORT), found);

  b.emit(asm.label(none));
  w.vipKey.store(field(vipKey, 'protocol'), 0);
  b.lookup(w.maps.vips, w.vipKey, exits.notVip);
  b.goto(exits.noService);

  b.emit(asm.label(found));
  keepService(w, b.place('value of vips', r0, 0, vipValue.bytes));
}

/** Puts an entry's number, flags and list on the stack. */
export function keepService(w: Workspace, entry: Place): void {
  entry.load(r1, field(vipValue, 'index'));
  w.vip.store(span(0, 4), r1);
  entry.load(r1, field(vipValue, 'flags'));
  w.flags.store(span(0, 4), r1);
  if (!w.options.acl) return;
  entry.load(r1, field(vipValue, 'acl'));
  w.aclBit.store(span(0, 4), r1);
}

/** Goes to `denied` unless the list of the VIP permits the client. */
export function demandPermission(w: Workspace): void {
  const { b } = w;
  const permitted = b.newLabel('permitted');
  w.aclBit.load(r1, span(0, 4));
  b.jumpIf(equal(r1, 0), permitted);
  w.vipKey.load(r1, field(vipKey, 'family'));
  w.aclKey.store(field(aclKey, 'prefixBits'), WHOLE_PREFIX);
  w.aclKey.store(field(aclKey, 'family'), r1);
  w.aclKey.copy(field(aclKey, 'address'), w.flowKey, field(flowKey, 'client'), r2);
  const lists = b.lookup(w.maps.acl, w.aclKey, 'denied');
  lists.load(r1, field(aclValue, 'permitted'));
  w.aclBit.load(r3, span(0, 4));
  b.emit(asm.and.reg(r1, r3));
  b.jumpIf(equal(r1, 0), 'denied');
  b.emit(asm.label(permitted));
}

/** A client that may not: the abuse server's, if there is one. */
export function deniedStage(w: Workspace): void {
  const { b } = w;
  b.stage('denied', () => {
    w.index.store(span(0, 4), ABUSE_REAL);
    const real = b.lookup(w.maps.reals, w.index, 'dropDenied');
    real.load(r1, field(realValue, 'state'));
    b.if(anyBit(r1, REAL_SERVES), () => {
      b.emit(asm.mov.reg(REAL, r0), asm.mov.imm(OUTCOME_REGISTER, OUTCOME.txAbuse));
      b.goto('forward');
    });
    w.finish('dropDenied');
  });
}
