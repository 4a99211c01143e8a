/** Which server: that of the flow, or the one that the Maglev table says. */
import * as asm from '../../bpf/asm/index.js';
import { anyBit, equal, unequal } from '../../bpf/builder/index.js';
import { PROTOCOL } from '../../frame/protocol.js';
import { TCP, TCP_FLAG } from '../../frame/tcp.js';
import { HASH_END, HASH_STEP } from '../hash.js';
import {
  controlValue,
  flowKey,
  flowValue,
  OUTCOME,
  PAGE_SLOTS,
  REAL_SERVES,
  REAL_TAKES_NEW,
  realValue,
  serviceValue,
  VIP_HASH_PORTS,
  vipKey,
} from '../layout.js';
import { field, OUTCOME_REGISTER, PAYLOAD, REAL, span, type Workspace } from './workspace.js';

const { r0, r1, r2 } = asm;

/** The flow's server if it has one that serves; else one is chosen and remembered. */
export function flowStage(w: Workspace): void {
  const { b } = w;
  b.stage('flow', () => {
    findFlow(w, { unknown: 'flow.unknown', lost: 'flow.lost' });
    const keep = b.newLabel('keep');
    // A server that is being drained keeps what it has; ports of an ended connection that come again are a new flow.
    b.place('real', r0, 0, realValue.bytes).load(r1, field(realValue, 'state'));
    b.jumpIf(anyBit(r1, REAL_TAKES_NEW), keep);
    w.vipKey.load(r1, field(vipKey, 'protocol'));
    b.jumpIf(unequal(r1, PROTOCOL.tcp), keep);
    const segment = w.cursor('TCP header', PAYLOAD);
    segment.need(TCP.flags + 1, r2, 'dropMalformed');
    segment.load(r1, span(TCP.flags, 1));
    b.emit(asm.and.imm(r1, TCP_FLAG.syn | TCP_FLAG.ack));
    b.jumpIf(equal(r1, TCP_FLAG.syn), 'flow.lost');
    b.emit(asm.label(keep));
    b.emit(asm.mov.reg(REAL, r0), asm.mov.imm(OUTCOME_REGISTER, OUTCOME.txFlow));
    w.isFragment.load(r1, span(0, 4));
    b.jumpIf(unequal(r1, 0), 'remember');
    b.goto('forward');

    b.emit(asm.label('flow.unknown'), asm.mov.imm(OUTCOME_REGISTER, OUTCOME.txNew), asm.ja('choose'));
    b.emit(asm.label('flow.lost'), asm.mov.imm(OUTCOME_REGISTER, OUTCOME.txMoved), asm.ja('choose'));
  });
}

/**
 * Looks up the flow of the client, service and ports on the stack. Goes on with its real's value at r0, if that is the
 * server that the flow began with, and serves. Uses r8.
 */
export function findFlow(w: Workspace, exits: { readonly unknown: string; readonly lost: string }): void {
  const { b } = w;
  w.vip.load(r1, span(0, 4));
  w.ports.load(r2, span(0, 4));
  b.emit(asm.lsh.imm(r2, 32), asm.or.reg(r1, r2));
  w.flowKey.store(span(flowKey.at.vip, 8), r1);
  const value = b.lookup(w.maps.flows, w.flowKey, exits.unknown);
  value.load(r1, field(flowValue, 'real'));
  value.load(asm.r8, field(flowValue, 'generation'));
  loadServing(w, r1, asm.r8, exits.lost);
}

/** r0 = the value of `real`, if that serves and has this generation (kept in r8). */
export function loadServing(w: Workspace, real: asm.Register, generation: asm.Register, otherwise: string): void {
  const { b } = w;
  w.index.store(span(0, 4), real);
  const value = b.lookup(w.maps.reals, w.index, otherwise);
  value.load(r1, field(realValue, 'generation'));
  b.jumpIf(unequal(r1, generation), otherwise);
  value.load(r1, field(realValue, 'state'));
  b.emit(asm.and.imm(r1, REAL_SERVES));
  b.jumpIf(equal(r1, 0), otherwise);
}

/** Chooses by hash (../hash.ts); r8 says what for: a flow that is to be written, a fragment, or an error message. */
export function chooseStage(w: Workspace): void {
  const { b } = w;
  b.stage('choose', () => {
    hashClient(w);
    b.emit(asm.mov.reg(asm.r9, r1));
    const service = b.lookup(w.maps.services, w.vip, 'dropNoServer');
    // The hash's share of the range: hash * slots / 2^32. Of a VIP without a table that is the first slot of page 0.
    service.load(r1, field(serviceValue, 'slots'));
    b.emit(asm.mul.reg(asm.r9, r1), asm.rsh.imm(asm.r9, 32));
    service.load(r1, field(serviceValue, 'page'));
    b.emit(asm.mov.reg(r2, asm.r9), asm.rsh.imm(r2, Math.log2(PAGE_SLOTS)), asm.add.reg(r1, r2));
    w.index.store(span(0, 4), r1);
    b.lookup(w.maps.slots, w.index, 'dropNoServer');
    // Which slot of the page, times its two bytes.
    b.emit(asm.and.imm(asm.r9, PAGE_SLOTS - 1), asm.lsh.imm(asm.r9, 1), asm.add.reg(r0, asm.r9));
    b.place('slot', r0, 0, 2).load(r1, span(0, 2));
    w.index.store(span(0, 4), r1);
    // Real 0 is nobody; its value says that it does not serve.
    const value = b.lookup(w.maps.reals, w.index, 'dropNoServer');
    value.load(r1, field(realValue, 'state'));
    b.emit(asm.and.imm(r1, REAL_SERVES));
    b.jumpIf(equal(r1, 0), 'dropNoServer');
    b.emit(asm.mov.reg(REAL, r0));
    b.jumpIf(equal(OUTCOME_REGISTER, OUTCOME.txIcmp), 'forward');
    b.jumpIf(equal(OUTCOME_REGISTER, OUTCOME.txFragment), 'remember');
    w.index.load(r1, span(0, 4));
    w.flowValue.store(field(flowValue, 'real'), r1);
    b.place('real', REAL, 0, realValue.bytes).load(r1, field(realValue, 'generation'));
    w.flowValue.store(field(flowValue, 'generation'), r1);
    b.update(w.maps.flows, w.flowKey, w.flowValue);
    w.isFragment.load(r1, span(0, 4));
    b.jumpIf(unequal(r1, 0), 'remember');
    b.goto('forward');
  });
}

/** r1 = the hash of the client's address, and of the ports if the service is so. Uses r2. */
function hashClient(w: Workspace): void {
  hash(w, (addPorts) => {
    w.flags.load(r2, span(0, 4));
    w.b.emit(asm.and.imm(r2, VIP_HASH_PORTS));
    w.b.unless(equal(r2, 0), addPorts);
  });
}

/** r1 = the hash of client and ports, which spreads flows on their way. Uses r2. */
export function hashFlow(w: Workspace): void {
  hash(w, (addPorts) => addPorts());
}

function hash(w: Workspace, mayAddPorts: (addPorts: () => void) => void): void {
  const { b, options } = w;
  const client = (word: number) => span(flowKey.at.client + word * 4, 4);
  w.control(r1).load(r1, field(controlValue, 'seed'));
  const last = () => addWord(() => w.flowKey.load(r2, client(3)));
  const first = () => {
    for (let word = 0; word < 3; word++) addWord(() => w.flowKey.load(r2, client(word)));
  };
  if (options.ipv6) {
    if (options.ipv4) {
      w.vipKey.load(r2, field(vipKey, 'family'));
      b.if(equal(r2, 6), first);
    } else first();
  }
  last();
  mayAddPorts(() => addWord(() => w.ports.load(r2, span(0, 4))));
  for (const [factor, shift] of HASH_END) {
    b.emit(asm.mul32.imm(r1, factor), asm.mov32.reg(r2, r1), asm.rsh32.imm(r2, shift), asm.xor32.reg(r1, r2));
  }

  function addWord(loadWord: () => void): void {
    loadWord();
    b.emit(asm.toBe(r2, 32), asm.xor32.reg(r1, r2), asm.mul32.imm(r1, HASH_STEP));
    b.emit(asm.mov32.reg(r2, r1), asm.rsh32.imm(r2, 15), asm.xor32.reg(r1, r2));
  }
}
