/** Our reading of requests beside that of Node's parser, until a million requests have been read by both. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dice, disagreement, randomStream, readByUs } from '../../src/wire/http/requests.suite.js';

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
