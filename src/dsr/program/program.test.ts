import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Program, TestRun } from '../../bpf/index.js';
import { needsBpf } from '../../bpf/kernel.suite.js';
import { describeFrame } from '../../frame/describe.js';
import { BpfTables, createMaps } from '../bpf-tables.js';
import { Decision } from '../decision.js';
import { decisionSuite, fixtures, type Subject } from '../decision.suite.js';
import { randomFrames } from '../fixtures/random.js';
import { DEAD, DRAINED, STAGE_SIZE, setStage } from '../fixtures/stage.js';
import { ABUSE_REAL, OUTCOME_NAMES, type ProgramOptions, type Verdict, verdictOf, XDP_DROP } from '../layout.js';
import { MemoryTables } from '../memory-tables.js';
import { dsrProgram } from './program.js';

const everything: ProgramOptions = { ipv4: true, ipv6: true, vlan: true, acl: true, slots: STAGE_SIZE.slots };

function programSubject(): Subject & { close(): void } {
  const maps = createMaps(STAGE_SIZE);
  const tables = new BpfTables(maps, STAGE_SIZE);
  const program = Program.load(dsrProgram(everything), { maps });
  const run = new TestRun(program);
  return {
    control: tables,
    minFrameBytes: 14,
    run(frame) {
      run.input.set(frame);
      const verdict = run.run(frame.length) as Verdict;
      return { verdict, frame: run.output.slice(0, run.outputBytes) };
    },
    close() {
      run.close();
      program.close();
      tables.close();
    },
  };
}

/** What both paths say of the frames, one after the other, compared. */
function compareOn(frames: Iterable<Uint8Array>, about: string): void {
  const subject = programSubject();
  try {
    const tables = new MemoryTables(STAGE_SIZE);
    const decision = new Decision(tables, STAGE_SIZE.slots);
    setStage(tables);
    setStage(subject.control);
    const buffer = new Uint8Array(4096);
    let number = 0;
    for (const given of frames) {
      number++;
      if (given.length < 14) continue;
      buffer.set(given);
      const outcome = decision.decide(buffer, given.length);
      const got = subject.run(given);
      const context = () => `${about}, frame ${number}: ${OUTCOME_NAMES[outcome]} of ${describeFrame(given)}`;
      if (got.verdict !== verdictOf(outcome)) assert.fail(`verdict ${got.verdict} ${context()}`);
      // What is dropped is nobody's to see; what passes must be as it came.
      const want = got.verdict === XDP_DROP ? undefined : buffer.subarray(0, decision.length);
      if (want !== undefined && Buffer.compare(got.frame, want) !== 0)
        assert.equal(describeFrame(got.frame), describeFrame(want), context());
    }
    assert.deepEqual(subject.control.outcomes(), tables.outcomes(), about);
    for (let vip = 0; vip < STAGE_SIZE.vips; vip++)
      assert.deepEqual(subject.control.vipTraffic(vip), tables.vipTraffic(vip), `VIP ${vip}, ${about}`);
    for (const real of [1, 2, 3, DRAINED, DEAD, ABUSE_REAL])
      assert.deepEqual(subject.control.realTraffic(real), tables.realTraffic(real), `real ${real}, ${about}`);
  } finally {
    subject.close();
  }
}

test('program and decision agree on 20,000 random frames', needsBpf, () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
  const count = Number(process.env.PEN_TEST_FRAMES ?? 20_000);
  compareOn(randomFrames(fixtures, seed, count), `seed ${seed}`);
});

if (needsBpf.skip === false) {
  let subject: ReturnType<typeof programSubject> | undefined;
  decisionSuite(
    'the XDP program',
    () => (subject = programSubject()),
    () => subject?.close(),
  );
} else test('the XDP program does what is expected', needsBpf, () => {});
