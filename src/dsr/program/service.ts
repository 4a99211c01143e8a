/** Whose the packet is: the look-ups in `vips`, and the list that its client must be permitted by. */
import * as asm from '../../bpf/asm/index.js';
import { anyBit, equal, type Place } from '../../bpf/builder/index.js';
import {
  ABUSE_REAL,
  aclKey,
  aclValue,
  flowKey,
  OUTCOME,
  prefixKey,
  REAL_SERVES,
  realValue,
  VIP_ANY_PORT,
  VIP_PREFIX,
  vipKey,
  vipValue,
  WHOLE_PREFIX,
} from '../layout.js';
import { knownServiceStage } from './known-vips.js';
import { field, OUTCOME_REGISTER, REAL, span, type Workspace } from './workspace.js';

const { r0, r1, r2, r3 } = asm;

/** Looks the service up, unless the program knows them all by heart. */
export function serviceStage(w: Workspace): void {
  const { b, known } = w;
  if (known === undefined) {
    b.stage('service', () => findService(w, { notVip: w.notVip, noService: 'dropNoService' }));
  } else {
    if (w.options.ipv4) knownServiceStage(w, 4, known[4]);
    if (w.options.ipv6) knownServiceStage(w, 6, known[6]);
  }
  b.stage('permission', () => {
    if (w.options.acl) demandPermission(w);
  });
}

/**
 * Goes to `otherwise` unless the address in `vipKey` is a VIP, by itself or by its prefix. Leaves r0 = the value of its
 * entry, and a key without port and protocol; its family must be there.
 */
export function demandVip(w: Workspace, otherwise: string): Place {
  const { b } = w;
  const prefix = b.newLabel('prefix');
  w.vipKey.store(field(vipKey, 'portBe'), 0);
  w.vipKey.store(field(vipKey, 'protocol'), 0);
  if (!w.options.prefixes) return b.lookup(w.maps.vips, w.vipKey, otherwise);
  const found = b.newLabel('vip');
  b.lookup(w.maps.vips, w.vipKey, prefix);
  b.goto(found);
  b.emit(asm.label(prefix));
  lookUpPrefix(w, otherwise);
  b.emit(asm.label(found));
  return b.place('value of vips', r0, 0, vipValue.bytes);
}

/** Goes on with r0 = the value of the prefix that has the address in `vipKey`, whose family is not a prefix's. */
function lookUpPrefix(w: Workspace, otherwise: string): Place {
  const { b } = w;
  w.vipKey.load(r1, field(vipKey, 'family'));
  w.prefixKey.store(field(prefixKey, 'prefixBits'), WHOLE_PREFIX);
  w.prefixKey.store(field(prefixKey, 'family'), r1);
  w.prefixKey.copy(field(prefixKey, 'address'), w.vipKey, field(vipKey, 'address'), r2);
  return b.lookup(w.maps.prefixes, w.prefixKey, otherwise);
}

/** As `lookUpPrefix`; what has no port keeps it so: `prefixVipKey` is that of the prefix's service, but for its last word. */
function loadPrefixVip(w: Workspace, otherwise: string): void {
  lookUpPrefix(w, otherwise).load(r1, field(vipValue, 'index'));
  const at = vipKey.at.address;
  w.prefixVipKey.store(span(at, 8), 0);
  w.prefixVipKey.store(span(at + 8, 4), 0);
  w.prefixVipKey.store(span(at + 12, 4), r1);
}

interface ServiceExits {
  readonly notVip: string;
  readonly noService: string;
}

/**
 * Looks up the service whose address, port and protocol are in `vipKey`: that of the port, else that of all ports.
 * Puts its number and flags on the stack; its list, too.
 */
export function findService(w: Workspace, exits: ServiceExits): void {
  const { b } = w;
  const [found, none] = ['found', 'none'].map((role) => b.newLabel(role));
  if (w.options.prefixes) keepVipWord(w);
  lookUpService(w, w.vipKey, { found, none });

  b.emit(asm.label(none));
  w.vipKey.store(field(vipKey, 'protocol'), 0);
  if (w.options.prefixes) {
    const prefix = b.newLabel('prefix');
    b.lookup(w.maps.vips, w.vipKey, prefix);
    b.goto(exits.noService);
    b.emit(asm.label(prefix));
    loadPrefixVip(w, exits.notVip);
    w.prefixVipKey.load(r1, field(vipKey, 'protocol'));
    w.vipKey.store(field(vipKey, 'protocol'), r1);
    lookUpService(w, w.prefixVipKey, { found, none: exits.noService });
  } else {
    b.lookup(w.maps.vips, w.vipKey, exits.notVip);
    b.goto(exits.noService);
  }

  b.emit(asm.label(found));
  keepService(w, b.place('value of vips', r0, 0, vipValue.bytes));
}

/** Looks up where packets without a port go, whose address and protocol are in `vipKey`, and keeps that service. */
export function findPortless(w: Workspace, noService: string): void {
  const { b } = w;
  if (!w.options.prefixes) {
    keepService(w, b.lookup(w.maps.vips, w.vipKey, noService));
    return;
  }
  const [found, none, prefix] = ['found', 'none', 'prefix'].map((role) => b.newLabel(role));
  keepVipWord(w);
  b.lookup(w.maps.vips, w.vipKey, none);
  b.goto(found);
  b.emit(asm.label(none));
  w.vipKey.store(field(vipKey, 'protocol'), 0);
  b.lookup(w.maps.vips, w.vipKey, prefix);
  b.goto(noService);
  b.emit(asm.label(prefix));
  loadPrefixVip(w, noService);
  b.lookup(w.maps.vips, w.prefixVipKey, noService);
  b.emit(asm.label(found));
  keepService(w, b.place('value of vips', r0, 0, vipValue.bytes));
}

/** Port, protocol and family for a prefix's key. */
function keepVipWord(w: Workspace): void {
  w.vipKey.load(r1, span(vipKey.at.portBe, 4));
  w.b.emit(asm.mov32.imm(r2, VIP_PREFIX << 24), asm.or.reg(r1, r2));
  w.prefixVipKey.store(span(vipKey.at.portBe, 4), r1);
}

/** Goes to `found` with r0 = the value of the service of the port, else of that of all ports. Takes the port out of the key. */
function lookUpService(
  w: Workspace,
  key: Place,
  { found, none }: { readonly found: string; readonly none: string },
): void {
  const { b } = w;
  const everyPort = b.newLabel('everyPort');
  // No service has port 0: its entry is the one of packets without a port.
  key.load(r1, field(vipKey, 'portBe'));
  b.jumpIf(equal(r1, 0), everyPort);
  b.lookup(w.maps.vips, key, everyPort);
  b.goto(found);

  b.emit(asm.label(everyPort));
  key.store(field(vipKey, 'portBe'), 0);
  const entry = b.lookup(w.maps.vips, key, none);
  entry.load(r1, field(vipValue, 'flags'));
  b.jumpIf(anyBit(r1, VIP_ANY_PORT), found);
  b.goto(none);
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
