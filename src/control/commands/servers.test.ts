/** How many rows the server table has. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { scratch, startedService } from '../control.suite.js';

test('rows at the end of which nothing is known go away, the others keep their numbers', async (t) => {
  const { service, plane } = await startedService(t);
  const rows = async () => (await service.execute('servers', 'unix')).split('\n').map((line) => line.split(' conn')[0]);
  const two = ['0 addr 127.0.0.1 port 8001', '1 addr 127.0.0.1 port 8002', ''];
  assert.deepEqual(await rows(), two);
  assert.equal(await service.execute('server 9 address 127.0.0.1 port 8009', 'unix'), '');
  assert.equal(await service.execute('server 5 weight 3', 'unix'), '');
  assert.equal((await rows()).length, 11);
  // The port is kept for the next address, and so is the row.
  assert.equal(await service.execute('server 9 address 0.0.0.0', 'unix'), '');
  assert.equal((await rows())[9], '9 addr 0.0.0.0 port 8009');
  assert.equal(await service.execute('no server 9', 'unix'), '');
  assert.equal((await rows()).length, 7, 'row 5 has a weight');
  assert.equal(await service.execute('server 5 weight 0', 'unix'), '');
  assert.deepEqual(await rows(), two);
  assert.equal(await service.execute('server 9 address 127.0.0.1 port 8009', 'unix'), '');
  assert.equal(await service.execute('server 9 address 0.0.0.0 port 0', 'unix'), '');
  assert.deepEqual(await rows(), two);
  assert.equal(plane.configuration.servers.length, 2);
  assert.equal(await service.execute('no server 0', 'unix'), '');
  assert.deepEqual(await rows(), ['0 addr 0.0.0.0 port 0', ...two.slice(1)]);
  assert.equal(await service.execute('no server 1', 'unix'), '');
  assert.deepEqual(await rows(), ['']);
});

test('a row of the command line that was emptied does not come back with the file that write made', async (t) => {
  const file = join(scratch(t), 'pen.cfg');
  const first = await startedService(t);
  await first.service.execute('no server 1', 'unix');
  await first.service.execute(`write ${file}`, 'unix');
  assert.match(readFileSync(file, 'utf8'), /^server 1 acl 0 address 0\.0\.0\.0 port 0 /m);
  const second = await startedService(t, { file });
  assert.equal(second.service.setup.configuration.servers.length, 1);
});
