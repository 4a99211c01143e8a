/** What every ring must do: the fixtures of the decision, and any frame as the decision alone does it. */
import assert from 'node:assert/strict';
import { describeFrame } from '../../frame/describe.js';
import { Decision } from '../decision.js';
import { decisionSuite, fixtures, type Subject } from '../decision.suite.js';
import { randomFrames } from '../fixtures/random.js';
import { STAGE_SIZE, setStage } from '../fixtures/stage.js';
import { type Dimensions, OUTCOME_NAMES, verdictOf, XDP_DROP, XDP_PASS, XDP_TX } from '../layout.js';
import { MemoryTables } from '../memory-tables.js';
import { decideAll } from './frame-loop.js';
import type { FrameRing } from './frame-ring.js';

/** A ring, and the kernel at its other side. */
export interface RingStage {
  readonly ring: FrameRing;
  /** A frame comes by the interface. */
  receive(frame: Uint8Array): void;
  /** What has left by it since the last time. */
  sent(): Uint8Array[];
}

/** No interface hands over less. */
const MIN_FRAME_BYTES = 14;

export function ringSuite(name: string, makeStage: () => RingStage): void {
  decisionSuite(name, () => ringSubject(makeStage(), STAGE_SIZE));
}

function ringSubject({ ring, receive, sent }: RingStage, size: Dimensions): Subject {
  const tables = new MemoryTables(size);
  const decision = new Decision(tables);
  return {
    control: tables,
    minFrameBytes: MIN_FRAME_BYTES,
    run(given) {
      let passed: Uint8Array | undefined;
      receive(given);
      decideAll(ring, decision, (frame, length) => {
        passed = frame.slice(0, length);
      });
      const [frame, ...more] = sent();
      assert.equal(more.length, 0);
      if (frame) return { verdict: XDP_TX, frame };
      return passed ? { verdict: XDP_PASS, frame: passed } : { verdict: XDP_DROP, frame: given };
    },
  };
}

/** Gives ring and decision the same frames, and compares what becomes of them. */
export function compareRing(
  stage: RingStage,
  { count, seed }: { readonly count: number; readonly seed: number },
): void {
  const size = { ...STAGE_SIZE, flows: count, fragments: count };
  const subject = ringSubject(stage, size);
  const tables = new MemoryTables(size);
  const decision = new Decision(tables);
  setStage(subject.control);
  setStage(tables);
  const buffer = new Uint8Array(4096);
  let number = 0;
  for (const given of randomFrames(fixtures, seed, count)) {
    number++;
    if (given.length < MIN_FRAME_BYTES) continue;
    buffer.set(given);
    const outcome = decision.decide(buffer, given.length);
    const got = subject.run(given);
    const about = () => `seed ${seed}, frame ${number}: ${OUTCOME_NAMES[outcome]} of ${describeFrame(given)}`;
    if (got.verdict !== verdictOf(outcome)) assert.fail(`verdict ${got.verdict}, ${about()}`);
    if (got.verdict === XDP_DROP) continue;
    const expected = buffer.subarray(0, decision.length);
    if (Buffer.compare(got.frame, expected) !== 0)
      assert.equal(describeFrame(got.frame), describeFrame(expected.slice()), about());
  }
  assert.deepEqual(subject.control.outcomes(), tables.outcomes(), `seed ${seed}`);
}
