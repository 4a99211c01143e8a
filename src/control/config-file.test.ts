import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Script } from './config-file.js';
import { startedService } from './control.suite.js';
import { Draft } from './draft.js';
import { CommandError } from './errors.js';

test('a script of which nothing is right is given up after 100 problems: each may be a name that is waited for', async (t) => {
  const { service } = await startedService(t);
  const script = new Script();
  let tried = 0;
  const run = async () => {
    tried++;
    throw new CommandError('no such host');
  };
  for (let line = 1; line <= 2000; line++)
    script.lines.push({ where: `pen.cfg:${line}`, name: 'server', origin: 'file', call: { kind: 'setting', run } });
  await script.apply(new Draft(service.setup), service);
  assert.deepEqual([script.problems.length, tried], [100, 100]);
  await script.apply(new Draft(service.setup), service);
  assert.equal(tried, 100, 'nor is anything tried if reading it has found so many');
});
