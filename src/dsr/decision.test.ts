import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIN_BUFFER_BYTES } from './answer.js';
import { Decision } from './decision.js';
import { decisionSuite, fixtures, type Subject } from './decision.suite.js';
import { randomFrames } from './fixtures/random.js';
import { OWN_MAC, STAGE_SIZE, STAGE_SLOTS, setReal, setStage, setTunnels, VIP } from './fixtures/stage.js';
import { ABUSE_REAL, OUTCOME_NAMES, REAL_SERVES, verdictOf, XDP_TX } from './layout.js';
import { MemoryTables } from './memory-tables.js';

function memorySubject(): Subject {
  const tables = new MemoryTables(STAGE_SIZE);
  const decision = new Decision(tables);
  return {
    control: tables,
    run(given) {
      const buffer = new Uint8Array(given.length + MIN_BUFFER_BYTES);
      buffer.set(given);
      const outcome = decision.decide(buffer, given.length);
      return { verdict: verdictOf(outcome), frame: buffer.slice(0, decision.length) };
    },
  };
}

decisionSuite('the decision in TypeScript', memorySubject);

test('the decision keeps its promises on 100,000 random frames', () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
  const { control, run } = memorySubject();
  setStage(control);
  setTunnels(control);
  let frames = 0;
  for (const given of randomFrames(fixtures, seed, 100_000)) {
    if (frames === 50_000) {
      setReal(control, 1, 0);
      for (const vip of [VIP.web, VIP.web6]) control.setSlots(vip, new Uint16Array(STAGE_SLOTS).fill(2));
      setReal(control, ABUSE_REAL, REAL_SERVES);
    }
    const { verdict, frame } = run(given.slice());
    const about = `seed ${seed}, frame ${frames++}: ${Buffer.from(given).toString('hex')}`;
    if (verdict === XDP_TX) {
      assert.deepEqual([...frame.subarray(6, 12)], [...OWN_MAC], about);
    } else {
      assert.equal(Buffer.compare(frame, given), 0, `a frame that does not leave was changed, ${about}`);
    }
  }
  assert.equal(
    control.outcomes().reduce((sum, count) => sum + count),
    frames,
    `seed ${seed}: each counts once`,
  );
  const missing = OUTCOME_NAMES.filter((_, outcome) => control.outcomes()[outcome] === 0);
  assert.deepEqual(missing, [], `seed ${seed}: every outcome comes up`);
});
