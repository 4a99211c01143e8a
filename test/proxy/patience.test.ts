import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { backend, tcpBackend } from '../support/backend.js';
import { get } from '../support/client.js';
import { pen } from '../support/pen.js';
import { until } from '../support/wait.js';
import { blackHole, hear, onEachEngine, say, visitor } from './engines.js';

onEachEngine('a server that does not answer the connect is given up after -t seconds', async (t, engine) => {
  const hole = await blackHole(t);
  const www = await backend(t, { name: 'www' });
  const balancer = await pen(t, { options: ['-rt', '1'], servers: [hole, www], engine });
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    assert.equal((await get(balancer.port)).body, 'www');
    times.push(performance.now() - start);
  }
  // The one that met the hole waited; after that it is blacklisted.
  const slow = times.filter((ms) => ms > 900);
  assert.equal(slow.length, 1, times.join(' '));
  assert.ok((slow[0] as number) < 3000, times.join(' '));
});

onEachEngine(
  'pending_max: a server that does not answer holds up that many clients and nobody else',
  async (t, engine) => {
    const hole = await blackHole(t);
    const www = await backend(t, { name: 'www' });
    // Nobody is given up meanwhile: what is counted is who waits, not how long.
    const options = ['-r', '-t', '60', '-O', 'pending_max 2'];
    const balancer = await pen(t, { options, servers: [hole, www], engine });
    const heldUp = async () => (await balancer.ask('connections')).match(/ connecting .* 0$/gm)?.length;
    let answered = 0;
    for (let i = 0; i < 4; i++) {
      const client = await visitor(t, balancer);
      client.once('data', () => answered++);
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    }
    await until('two meet the hole, two do not', async () => (await heldUp()) === 2 && answered === 2);
    for (let i = 0; i < 20; i++) assert.equal((await get(balancer.port)).body, 'www');
    assert.deepEqual([await heldUp(), answered], [2, 2]);
  },
);

onEachEngine('pending_max makes clients wait when no server may take more, and drops none', async (t, engine) => {
  const www = await backend(t, { name: 'www' });
  const options = ['-r', '-O', 'pending_max 2'];
  const balancer = await pen(t, { options, servers: [www], engine });
  const answers = await Promise.all(
    Array.from({ length: 60 }, () =>
      get(balancer.port).then(
        ({ body }) => body,
        (error: Error) => error.message,
      ),
    ),
  );
  assert.deepEqual(answers, Array(60).fill('www'));
});

onEachEngine('idle_timeout closes a connection that is silent both ways, not one that is used', async (t, engine) => {
  const server = await tcpBackend(t);
  const balancer = await pen(t, { options: ['-O', 'idle_timeout 1'], servers: [server], engine });
  const [idle, busy] = [await visitor(t, balancer), await visitor(t, balancer)];
  assert.equal(await say(idle, 'hello'), 'hello');
  const start = performance.now();
  const end = hear(idle);
  let isOver = false;
  void end.then(() => {
    isOver = true;
  });
  for (let i = 0; !isOver || i < 6; i++) {
    assert.equal(await say(busy, `still here ${i}`), `still here ${i}`);
    await sleep(300);
  }
  assert.equal(await end, 'end');
  const ms = performance.now() - start;
  assert.ok(ms > 900 && ms < 4000, `closed after ${ms} ms`);
});

onEachEngine('idle_timeout set at run time applies to connections that are there', async (t, engine) => {
  const server = await tcpBackend(t);
  const balancer = await pen(t, { servers: [server], engine });
  const client = await visitor(t, balancer);
  assert.equal(await say(client, 'hello'), 'hello');
  assert.equal(await balancer.ask('idle_timeout 1'), 'Idle timeout: 1 seconds');
  assert.equal(await hear(client), 'end');
});

onEachEngine('idle_timeout leaves a slow reader alone whose bytes still get on', async (t, engine) => {
  const page = Buffer.alloc(16_000_000, 'x');
  const server = await tcpBackend(t, { serve: (socket) => socket.end(page) });
  const balancer = await pen(t, { options: ['-O', 'idle_timeout 1'], servers: [server], engine });
  const client = await visitor(t, balancer);
  let got = 0;
  for await (const chunk of client) {
    got += (chunk as Buffer).length;
    await sleep(12);
  }
  assert.equal(got, page.length);
});

onEachEngine('idle_timeout applies to dummy connections too', async (t, engine) => {
  const www = await backend(t);
  const options = ['-x', '1', '-O', 'dummy', '-O', 'idle_timeout 1'];
  const balancer = await pen(t, { options, servers: [www], engine });
  const silent = await visitor(t, balancer);
  assert.equal(await hear(silent), 'end');
});
