/** Requests in great numbers: read as Node's parser reads them, and each with its own client. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dice, disagreement, randomStream, readByUs } from '../../src/wire/http/requests.suite.js';
import { askInTurn, mirror } from '../support/mirror.js';
import { pen } from '../support/pen.js';

const WANTED = 1_000_000;
/** Beyond those of the unit test. */
const FIRST_SEED = 1_000_000;

test('a million requests, chopped and mutated, are read as Node reads them', async () => {
  let requests = 0;
  let seed = FIRST_SEED;
  for (; requests < WANTED; seed++) {
    assert.equal(await disagreement(seed), undefined);
    const random = dice(seed);
    requests += readByUs(randomStream(random), random).requests.length;
  }
  assert.ok(seed - FIRST_SEED > WANTED / 5, 'streams have four requests and a last one at most');
});

for (const engine of ['uring', 'epoll', 'poll', 'node']) {
  test(`${engine}: 10,000 interleaved requests of 200 clients say the right client though the client table is full`, async (t) => {
    const options = ['-H', '-c', '50', '-x', '1000'];
    await askInTurn(await pen(t, { engine, threads: 2, options, servers: [await mirror(t)] }), 50);
  });
}
