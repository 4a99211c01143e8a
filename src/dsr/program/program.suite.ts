/** The program as a subject of the decision's suite, and the comparison of the two on frames of any kind. */
import assert from 'node:assert/strict';
import { MAX_FRAME_BYTES, Program, TestRun } from '../../bpf/index.js';
import { describeFrame } from '../../frame/describe.js';
import { MIN_BUFFER_BYTES } from '../answer.js';
import { BpfTables, createMaps } from '../bpf-tables.js';
import { Decision } from '../decision.js';
import type { Subject } from '../decision.suite.js';
import { DEAD, DRAINED, STAGE_SIZE, setStage, setTunnels } from '../fixtures/stage.js';
import {
  ABUSE_REAL,
  type Dimensions,
  OUTCOME_NAMES,
  type ProgramOptions,
  type Verdict,
  verdictOf,
  XDP_DROP,
} from '../layout.js';
import { MemoryTables } from '../memory-tables.js';
import { dsrProgram, type VipMaps } from './index.js';

export const everything: ProgramOptions = {
  ipv4: true,
  ipv6: true,
  vlan: true,
  acl: true,
  tunnels: true,
  tarpit: true,
  prefixes: true,
};

/** No frame that is shorter comes to a program: the kernel sees to that. */
const MIN_FRAME_BYTES = 14;

export interface ProgramSubject extends Subject {
  /** The same as `run`, without copies: `output` and `outputBytes` of `testRun` have the frame. */
  verdict(frame: Uint8Array): Verdict;
  readonly testRun: TestRun;
  close(): void;
}

/**
 * A program with its own tables. `knowsVips`: by heart; it is then made anew when they have changed, as the controller
 * does.
 */
export function programSubject(knowsVips: boolean, size: Dimensions = STAGE_SIZE): ProgramSubject {
  const tables = new BpfTables(createMaps(size), size);
  const load = (vips?: VipMaps) => Program.load(dsrProgram(everything, vips), { maps: tables.maps });
  let program = load(knowsVips ? { vips: [], prefixes: [] } : undefined);
  let known = '';
  let mayDiffer = false;
  const testRun = new TestRun(program);

  const learn = () => {
    mayDiffer = false;
    const vips = tables.everyVip();
    const now = [...vips.vips, ...vips.prefixes]
      .map(([key, value]) => `${key} ${value}`)
      .sort()
      .join('\n');
    if (now === known) return;
    known = now;
    program.close();
    program = load(vips);
    testRun.use(program);
  };
  const verdict = (frame: Uint8Array) => {
    if (mayDiffer) learn();
    testRun.input.set(frame);
    return testRun.run(frame.length) as Verdict;
  };
  const control = new Proxy(tables, {
    get(target, name) {
      if (knowsVips && /^(set|delete)(Vip|Prefix)$/.test(String(name))) mayDiffer = true;
      const member = Reflect.get(target, name);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
  return {
    control,
    minFrameBytes: MIN_FRAME_BYTES,
    testRun,
    verdict,
    run: (frame) => ({ verdict: verdict(frame), frame: testRun.output.slice(0, testRun.outputBytes) }),
    close() {
      testRun.close();
      program.close();
      tables.close();
    },
  };
}

/** Gives both paths the frames, at most `count` of them, one after the other, and compares verdicts, frames, outcomes and traffic. */
export function compareWithDecision(
  frames: Iterable<Uint8Array>,
  { count, knowsVips, about }: { readonly count: number; readonly knowsVips: boolean; readonly about: string },
): void {
  // Room for a flow each: which one goes when there is none is the kernel's own business.
  const size = { ...STAGE_SIZE, flows: count, fragments: count };
  const tables = new MemoryTables(size);
  const decision = new Decision(tables);
  const subject = programSubject(knowsVips, size);
  try {
    for (const control of [tables, subject.control]) {
      setStage(control);
      setTunnels(control);
    }
    const buffer = new Uint8Array(MAX_FRAME_BYTES + MIN_BUFFER_BYTES);
    let number = 0;
    for (const given of frames) {
      number++;
      if (given.length < MIN_FRAME_BYTES || given.length > MAX_FRAME_BYTES) continue;
      buffer.set(given);
      const outcome = decision.decide(buffer, given.length);
      const verdict = subject.verdict(given);
      const context = () => `${about}, frame ${number}: ${OUTCOME_NAMES[outcome]} of ${describeFrame(given)}`;
      if (verdict !== verdictOf(outcome)) assert.fail(`verdict ${verdict}, ${context()}`);
      // What is dropped is nobody's to see; what passes must be as it came.
      if (verdict === XDP_DROP) continue;
      const { output, outputBytes } = subject.testRun;
      const isSame = Buffer.compare(output.subarray(0, outputBytes), buffer.subarray(0, decision.length)) === 0;
      if (!isSame)
        assert.equal(
          describeFrame(output.slice(0, outputBytes)),
          describeFrame(buffer.slice(0, decision.length)),
          context(),
        );
    }
    assert.deepEqual(subject.control.outcomes(), tables.outcomes(), about);
    for (let vip = 0; vip < size.vips; vip++)
      assert.deepEqual(subject.control.vipTraffic(vip), tables.vipTraffic(vip), `VIP ${vip}, ${about}`);
    for (const real of [1, 2, 3, 10, 11, 12, 13, DRAINED, DEAD, ABUSE_REAL])
      assert.deepEqual(subject.control.realTraffic(real), tables.realTraffic(real), `real ${real}, ${about}`);
  } finally {
    subject.close();
  }
}
