/**
 * The conformance suite of the engine seam: every engine plays the same cases, in a worker of its own, against
 * plain node:net peers on the main thread. An engine may opt out of a case only with a reason.
 */
import { describe, test } from 'node:test';
import type { EngineName } from './engine.js';
import { acceptCases } from './engine.suite.accept.js';
import { connectCases } from './engine.suite.connect.js';
import { crowdCases } from './engine.suite.crowd.js';
import { Stage } from './engine.suite.stage.js';
import { streamCases } from './engine.suite.stream.js';

const cases = [...acceptCases, ...connectCases, ...streamCases, ...crowdCases];

/** Declares the suite for one engine; `optOut` gives the reason by the name of the case. */
export function engineSuite(name: EngineName, optOut: Record<string, string> = {}): void {
  const unknown = Object.keys(optOut).filter((caseName) => !cases.some((c) => c.name === caseName));
  if (unknown.length > 0) throw new Error(`no such case: "${unknown.join('", "')}"`);
  describe(`${name} engine`, () => {
    for (const { name: caseName, play, obstacle } of cases) {
      const skip = optOut[caseName] ?? obstacle?.() ?? '';
      test(`${name} ${caseName}`, { skip: skip !== '' && skip, timeout: 20_000 }, async () => {
        const stage = new Stage(name);
        try {
          await play(stage);
        } catch (error) {
          await stage.abandon();
          throw error;
        }
        await stage.end();
      });
    }
  });
}
