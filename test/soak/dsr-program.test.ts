import { test } from 'node:test';
import { needsBpf } from '../../src/bpf/kernel.suite.js';
import { fixtures } from '../../src/dsr/decision.suite.js';
import { randomFrames } from '../../src/dsr/fixtures/random.js';
import { compareWithDecision } from '../../src/dsr/program/program.suite.js';

const FRAMES = 1_000_000;

for (const knowsVips of [false, true]) {
  const name = knowsVips ? 'the XDP program that knows its VIPs' : 'the XDP program';
  test(`${name} agrees with the decision on ${FRAMES} random frames`, { ...needsBpf, timeout: 600_000 }, () => {
    const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
    compareWithDecision(randomFrames(fixtures, seed, FRAMES), { count: FRAMES, knowsVips, about: `seed ${seed}` });
  });
}
