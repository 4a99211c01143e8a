import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { carriesTraffic, trafficWaitedMs, waitedForCoreMs } from './turns.js';

const skip = process.platform !== 'linux' && 'needs /proc';

test('trafficWaitedMs adds up the threads that carry traffic, until they no longer do', { skip }, () => {
  const threads = readdirSync('/proc/self/task').map(Number);
  assert.ok(threads.length > 1);
  const leave = threads.map(carriesTraffic);
  const [before, own, after] = [trafficWaitedMs(), waitedForCoreMs(), trafficWaitedMs()];
  assert.ok(before >= 0 && own <= after && before <= after, `${before} ${own} ${after}`);
  for (const end of [...leave, ...leave]) end();
  const [one, sum, other] = [waitedForCoreMs(), trafficWaitedMs(), waitedForCoreMs()];
  assert.ok(one <= sum && sum <= other, 'with none known it is this one');
});

test('carriesTraffic of a thread that is not there does nothing', { skip }, () => {
  const leave = carriesTraffic(0);
  assert.ok(trafficWaitedMs() >= 0);
  leave();
});
