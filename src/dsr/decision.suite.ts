/**
 * What every packet path must do with the fixtures: the decision in TypeScript, the XDP program, and those to come. A
 * path is a Subject: tables that the stage is set on, and a way to hand it a frame.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFrame } from '../frame/describe.js';
import { forwardFixtures } from './fixtures/forward.js';
import { fragmentFixtures } from './fixtures/fragment.js';
import { icmpFixtures } from './fixtures/icmp.js';
import { malformedFixtures } from './fixtures/malformed.js';
import { neighbourFixtures } from './fixtures/neighbour.js';
import { prefixFixtures } from './fixtures/prefix.js';
import { type Fixture, type Step, sentTo, setStage } from './fixtures/stage.js';
import { tarpitFixtures } from './fixtures/tarpit.js';
import { tunnelFixtures } from './fixtures/tunnel.js';
import { OUTCOME, OUTCOME_NAMES, type Verdict, verdictOf, XDP_TX } from './layout.js';
import type { ControlTables, Traffic } from './tables.js';

export interface Subject {
  readonly control: ControlTables;
  /** Frames that are shorter never come that way; 0 unless given. */
  readonly minFrameBytes?: number;
  run(frame: Uint8Array): { readonly verdict: Verdict; readonly frame: Uint8Array };
}

export const fixtures: readonly Fixture[] = [
  ...forwardFixtures,
  ...fragmentFixtures,
  ...icmpFixtures,
  ...neighbourFixtures,
  ...malformedFixtures,
  ...prefixFixtures,
  ...tunnelFixtures,
  ...tarpitFixtures,
];

/** Tests `makeSubject`'s path on all fixtures. It is made once, of STAGE_SIZE; `end` is called when all is done. */
export function decisionSuite(name: string, makeSubject: () => Subject, end: () => void = () => {}): void {
  test(`${name} does with each of ${fixtures.length} fixtures what is expected`, async (t) => {
    const subject = makeSubject();
    t.after(end);
    for (const fixture of fixtures) {
      await t.test(fixture.name, () => {
        setStage(subject.control);
        for (const step of fixture.steps) {
          if (typeof step === 'function') step(subject.control);
          else if (step.given.length >= (subject.minFrameBytes ?? 0)) check(subject, step);
        }
      });
    }
  });
}

function check(subject: Subject, step: Step): void {
  const { given, outcome, real, vip } = step;
  const before = countersOf(subject.control, step);
  const got = subject.run(given.slice());
  const after = countersOf(subject.control, step);

  const wanted = verdictOf(OUTCOME[outcome]);
  const counted = OUTCOME_NAMES.filter((_, i) => after.outcomes[i] !== before.outcomes[i]);
  assert.deepEqual(counted, [outcome], `outcome of ${describeFrame(given)}`);
  assert.equal(after.outcomes[OUTCOME[outcome]], before.outcomes[OUTCOME[outcome]] + 1);
  assert.equal(got.verdict, wanted);
  const expected = step.expect ?? (real === undefined ? given : sentTo(real, given));
  // Of a frame that is dropped nobody sees what is in it.
  if (wanted === XDP_TX || Buffer.compare(got.frame, given) !== 0) {
    assert.deepEqual(describeFrame(got.frame), describeFrame(expected));
    assert.deepEqual(Buffer.from(got.frame).toString('hex'), Buffer.from(expected).toString('hex'));
  }
  const isNew = outcome === 'txNew' || outcome === 'txMoved';
  const traffic = { packets: 1, bytes: given.length, flows: isNew ? 1 : 0 };
  if (real !== undefined) assert.deepEqual(difference(before.real, after.real), traffic, 'traffic of the real');
  if (vip !== undefined) assert.deepEqual(difference(before.vip, after.vip), traffic, 'traffic of the VIP');
  if (real === undefined) assert.deepEqual(after.total, before.total, 'nobody has traffic');
}

function countersOf(control: ControlTables, { real, vip }: Step) {
  return {
    outcomes: control.outcomes(),
    real: control.realTraffic(real ?? 0),
    vip: control.vipTraffic(vip ?? 0),
    total: [0, 1, 2, 3, 4].map((one) => control.realTraffic(one).packets),
  };
}

function difference(before: Traffic, after: Traffic): Traffic {
  return {
    packets: after.packets - before.packets,
    bytes: after.bytes - before.bytes,
    flows: after.flows - before.flows,
  };
}
