/** A server dies and returns under load; whoever comes after its death is served. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { backend } from '../support/backend.js';
import { failures, shoot, tally } from '../support/load.js';
import { pen } from '../support/pen.js';

const BLACKLIST_SEC = 2;

for (const engine of ['uring', 'node']) {
  for (const [how, concurrency] of [
    ['one after the other', 1],
    ['64 at a time', 64],
  ] as const) {
    test(`${engine}: 5,000 requests ${how}: a server dies, nobody who comes later notices, it returns`, async (t) => {
      const [a, b, c] = [await backend(t), await backend(t), await backend(t)];
      const { port } = await pen(t, { engine, options: ['-r', '-b', `${BLACKLIST_SEC}`], servers: [a, b, c] });

      const before = await shoot(port, 1000, concurrency);
      const underWay = shoot(port, 3000, concurrency);
      await sleep(50);
      await b.kill();
      const deathMs = performance.now();
      const during = await underWay;
      await b.revive();
      await sleep(BLACKLIST_SEC * 1000 + 200);
      const after = await shoot(port, 1000, concurrency);

      const late = failures(during, deathMs);
      t.diagnostic(
        `${engine}, ${how}: ${failures(during).length} of 3000 failed, ${late.length} begun after the death`,
      );
      assert.deepEqual(failures(before), []);
      assert.deepEqual(late, []);
      assert.deepEqual(failures(after), []);
      const share = tally(after).get(b.name) ?? 0;
      assert.ok(Math.abs(share - 1000 / 3) <= 10, `the returned server got ${share} of 1000 requests`);
    });
  }
}
