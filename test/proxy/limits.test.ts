import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { backend, tcpBackend } from '../support/backend.js';
import { get } from '../support/client.js';
import { pen } from '../support/pen.js';
import { find } from '../support/program.js';
import { until, within } from '../support/wait.js';
import { blackHole, hear, onEachEngine, say, staysSilent, visitor } from './engines.js';

onEachEngine('-x: more than that many wait in the listen queue and are served in turn', async (t, engine) => {
  const server = await tcpBackend(t);
  const balancer = await pen(t, { options: ['-x', '5'], servers: [server], engine });
  const clients: Socket[] = [];
  for (let i = 0; i < 12; i++) {
    const client = await visitor(t, balancer);
    client.write(`client ${i}`);
    clients.push(client);
  }
  for (const client of clients.slice(0, 5)) assert.match(await hear(client), /^client \d$/);
  for (const client of clients.slice(5)) assert.ok(await staysSilent(client, 50));
  assert.match(await balancer.ask('servers'), / conn 5 /);
  for (let i = 0; i < 7; i++) {
    clients[i]?.destroy();
    assert.equal(await hear(clients[i + 5] as Socket), `client ${i + 5}`);
  }
});

onEachEngine('-x raised at run time lets those in who wait', async (t, engine) => {
  const server = await tcpBackend(t);
  const balancer = await pen(t, { options: ['-x', '1'], servers: [server], engine });
  const [first, second] = [await visitor(t, balancer), await visitor(t, balancer)];
  assert.equal(await say(first, 'one'), 'one');
  second.write('two');
  assert.ok(await staysSilent(second));
  assert.equal(await balancer.ask('conn_max 2'), '2');
  assert.equal(await hear(second), 'two');
});

onEachEngine(
  'all who wait are let in when they need not any more, however many, though nothing else happens',
  async (t, engine) => {
    const options = ['-t', '60', '-O', 'pending_max 1'];
    const balancer = await pen(t, { options, servers: [await blackHole(t)], engine });
    const silent: Socket[] = [];
    for (let i = 0; i < 80; i++) silent.push(await visitor(t, balancer));
    const last = await visitor(t, balancer);
    last.write('GET / HTTP/1.0\r\n\r\n');
    assert.ok(await staysSilent(last));
    await balancer.ask('dummy');
    assert.match(await hear(last), /^HTTP\/1\.\d 200 /);
  },
);

onEachEngine('out of descriptors, accepting pauses and resumes, and nobody is dropped', async (t, engine) => {
  if (find('prlimit') === undefined) {
    t.skip('no prlimit here');
    return;
  }
  const server = await tcpBackend(t);
  const balancer = await pen(t, { files: 240, options: ['-x', '2000'], servers: [server], engine });
  let served = 0;
  let mayLeave = false;
  const failures: string[] = [];
  const visit = async (n: number): Promise<void> => {
    const client = await visitor(t, balancer);
    const answer = await say(client, `client ${n}`);
    if (answer !== `client ${n}`) failures.push(`client ${n}: ${answer}`);
    served++;
    await until('the early ones may leave', () => mayLeave, 60_000);
    client.destroy();
  };
  const visits = Array.from({ length: 200 }, (_, n) => visit(n));
  let before = -1;
  await until('accepting pauses', async () => {
    const isStill = served === before && served > 20;
    before = served;
    await sleep(300);
    return isStill;
  });
  assert.ok(served < 200, `${served} served with 240 descriptors`);
  assert.deepEqual(failures, []);
  assert.match(await balancer.ask('mode'), /roundrobin/);
  mayLeave = true;
  await within('the end of all visits', Promise.all(visits), 30_000);
  assert.deepEqual(failures, []);
  const late = await visitor(t, balancer);
  assert.equal(await say(late, 'afterwards'), 'afterwards');
});

onEachEngine('clients that nobody takes give their places back', async (t, engine) => {
  const www = await backend(t, { name: 'www' });
  const balancer = await pen(t, { options: ['-x', '5', '-b', '1', '-r'], servers: [www], engine });
  await www.kill();
  for (let i = 0; i < 20; i++) await assert.rejects(get(balancer.port));
  await www.revive();
  await until('the server is back', async () => (await get(balancer.port).catch(() => undefined))?.body === 'www');
  await balancer.ask('acl 1 deny 127.0.0.1');
  await balancer.ask('client_acl 1');
  for (let i = 0; i < 20; i++) await assert.rejects(get(balancer.port));
  await balancer.ask('client_acl 0');
  assert.equal((await get(balancer.port)).body, 'www');
});
