/** The rings in user space, with as many random frames as the XDP program. */
import { test } from 'node:test';
import { compareRing } from '../../src/dsr/ring/ring.suite.js';
import { netmapStage, packetStage } from '../../src/dsr/ring/stages.suite.js';

const FRAMES = 1_000_000;

for (const [name, makeStage] of [
  ['a packet ring', packetStage],
  ['a netmap port', netmapStage],
] as const) {
  test(`${name} agrees with the decision on ${FRAMES} random frames`, () => {
    const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
    compareRing(makeStage(), { count: FRAMES, seed });
  });
}
