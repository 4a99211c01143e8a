import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { monotonicMs } from './clock.js';

const now = (): number => Number(process.hrtime.bigint() / 1_000_000n);

test('`monotonicMs` counts whole milliseconds from the zero of CLOCK_MONOTONIC', () => {
  for (let i = 0; i < 100; i++) {
    const before = now();
    const read = monotonicMs();
    const after = now();
    assert.ok(Number.isInteger(read) && read >= before - 1 && read <= after + 1, `${before} <= ${read} <= ${after}`);
  }
});

test('`monotonicMs` has the same zero on every thread', async (t) => {
  const code = `
    import { parentPort } from 'node:worker_threads';
    import { monotonicMs } from '${new URL('./clock.js', import.meta.url)}';
    parentPort.postMessage(monotonicMs());`;
  const before = monotonicMs();
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
  t.after(() => thread.terminate());
  const read = await new Promise<number>((resolve, reject) => thread.on('message', resolve).on('error', reject));
  assert.ok(before <= read && read <= monotonicMs(), `${before} <= ${read} <= ${monotonicMs()}`);
});
