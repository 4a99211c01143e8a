import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startedService } from './control.suite.js';

test('traffic of a server counts on while its connections last, also when its row has left the table', async (t) => {
  const { service, plane, clock } = await startedService(t);
  const { observer } = service;
  const second = (change: () => void) => {
    change();
    clock.monotonicMs += 1000;
    clock.wallMs += 1000;
    observer.look();
  };
  await service.execute('server 9 address 127.0.0.1 port 8009', 'unix');
  second(() => {});
  second(() => plane.servers.addSent(9, 1000));
  await service.execute('no server 9', 'unix');
  assert.equal(service.setup.configuration.servers.length, 2);
  second(() => plane.servers.addSent(9, 500));
  // Row 9 is in the table again, with all that it has counted so far.
  await service.execute('server 11 address 127.0.0.1 port 8011', 'unix');
  second(() => plane.servers.addSent(0, 7));
  assert.deepEqual(observer.history.series(3, 1).sent, [1000, 500, 7]);
});
