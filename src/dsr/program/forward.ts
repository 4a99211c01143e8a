/** The last stages: to the server, and the counters. */
import * as asm from '../../bpf/asm/index.js';
import { above, atMost, type MapShape, type Place, unequal } from '../../bpf/builder/index.js';
import { ENCAP } from '../../frame/tunnel.js';
import { XDP_DROP, XDP_PASS, XDP_TX } from '../../sys/uapi/bpf.js';
import { LAST_PASS, LAST_TX, OUTCOME, OUTCOME_NAMES, realValue, trafficValue } from '../layout.js';
import { demandVip } from './service.js';
import { END, FRAME, field, OUTCOME_REGISTER, REAL, span, type Workspace } from './workspace.js';

const { r0, r1, r2, r9 } = asm;

/** r9 = the real's value, `index` its number, `vip` the service's, r8 = the outcome. */
export function forwardStage(w: Workspace): void {
  const { b } = w;
  b.stage('forward', () => {
    const real = b.place('real', REAL, 0, realValue.bytes);
    if (w.options.tunnels) {
      real.load(r1, field(realValue, 'encap'));
      b.jumpIf(unequal(r1, ENCAP.none), 'tunnel');
    }
    w.copyMac(w.ethernet, 0, real, realValue.at.mac);
    w.storeOwnMac(w.ethernet, 6);
    countTraffic(w);
    b.goto('count');
  });
}

/** For the real at r9 and the service; r7 = the frame's length. Uses r1 and r2. */
export function countTraffic(w: Workspace): void {
  const { b } = w;
  b.emit(asm.sub.reg(END, FRAME));
  count(w.maps.realTraffic, w.index);
  count(w.maps.vipTraffic, w.vip);

  function count(map: MapShape, key: Place): void {
    const skip = b.newLabel('counted');
    const traffic = b.lookup(map, key, skip);
    traffic.increase(field(trafficValue, 'packets'), 1, r1);
    traffic.increase(field(trafficValue, 'bytes'), END, r1);
    // txNew or txMoved, which are neighbours.
    b.emit(asm.mov.reg(r2, OUTCOME_REGISTER), asm.sub.imm(r2, OUTCOME.txNew));
    b.unless(above(r2, OUTCOME.txMoved - OUTCOME.txNew), () => traffic.increase(field(trafficValue, 'flows'), 1, r1));
    b.emit(asm.label(skip));
  }
}

/** Counts the outcome in r8 and ends with the verdict that belongs to it. */
export function countStage(w: Workspace): void {
  const { b } = w;
  b.stage('count', () => {
    const counted = b.newLabel('counted');
    w.index.store(span(0, 4), OUTCOME_REGISTER);
    b.lookup(w.maps.outcomes, w.index, counted).increase(span(0, 8), 1, r1);
    b.emit(asm.label(counted), asm.mov.imm(r0, XDP_DROP));
    b.if(atMost(OUTCOME_REGISTER, LAST_TX), () => b.emit(asm.mov.imm(r0, XDP_TX)));
    b.if(atMost(OUTCOME_REGISTER, LAST_PASS), () => b.emit(asm.mov.imm(r0, XDP_PASS)));
    b.emit(asm.exit());
  });
}

/** A stage for each outcome that is led to, `passOther` for instance; and those that first ask whether it is a VIP's. */
export function outcomeStages(w: Workspace): void {
  const { b } = w;
  const isLedTo = (name: string) => b.code.some((item) => 'target' in item && item.target === name);
  const asked = OUTCOME_NAMES.filter((name) => isLedTo(`ours.${name}`));
  for (const name of asked) b.stage(`ours.${name}`, () => b.emit(asm.mov.imm(r9, OUTCOME[name]), asm.ja('ours')));
  if (asked.length > 0)
    b.stage('ours', () => {
      demandVip(w, w.notVip);
      b.emit(asm.mov.reg(OUTCOME_REGISTER, r9), asm.ja('count'));
    });
  for (const name of OUTCOME_NAMES.filter(isLedTo))
    b.stage(name, () => b.emit(asm.mov.imm(OUTCOME_REGISTER, OUTCOME[name]), asm.ja('count')));
}
