import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { backend, tcpBackend } from '../support/backend.js';
import { dial, exchange, get } from '../support/client.js';
import { pen } from '../support/pen.js';
import { freePort } from '../support/program.js';
import { until } from '../support/wait.js';
import { blackHole, hear, onEachEngine, say, visitor } from './engines.js';

onEachEngine('listen moves to another address; connections stay, a busy port changes nothing', async (t, engine) => {
  const server = await tcpBackend(t);
  const balancer = await pen(t, { servers: [server], engine });
  const client = await visitor(t, balancer);
  assert.equal(await say(client, 'before'), 'before');

  const busy = createServer().listen(0, '127.0.0.1');
  t.after(() => busy.close());
  await until('the other server listens', () => busy.listening);
  const { port: busyPort } = busy.address() as { port: number };
  assert.match(await balancer.ask(`listen 127.0.0.1:${busyPort}`), /^error: .*(in use|EADDRINUSE)/);
  assert.equal(await balancer.ask('listen'), balancer.address);
  assert.equal((await exchange(balancer.port, 'still')).toString(), 'still');

  const port = await freePort();
  assert.equal(await balancer.ask(`listen 127.0.0.1:${port}`), `127.0.0.1:${port}`);
  assert.equal((await exchange(port, 'new')).toString(), 'new');
  await until('the old address is closed', () =>
    dial(balancer.port).then(
      (socket) => void socket.destroy(),
      (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
    ),
  );
  assert.equal(await say(client, 'after'), 'after');
});

onEachEngine('connection N shows a connection and close N ends it', async (t, engine) => {
  const server = await tcpBackend(t);
  const balancer = await pen(t, { servers: [server], engine });
  const client = await visitor(t, balancer);
  assert.equal(await say(client, 'hello'), 'hello');
  const shown = await balancer.ask('connection 0');
  assert.match(shown, /^Connection 0:\nstate = 2\ndownfd = \d+, upfd = \d+\nclient = 0, server = 0\npend = 0$/);
  const down = /downfd = (\d+)/.exec(shown)?.[1];
  assert.equal(await balancer.ask(`socket ${down}`), `Socket ${down} belongs to connection 0`);
  assert.equal(await balancer.ask('close 0'), 'Forcibly closing connection 0');
  assert.match(await hear(client), /^(end|ECONNRESET)$/);
  await until('the connection is gone', async () => / conn 0 /.test(await balancer.ask('servers')));
  assert.equal(await balancer.ask('close 100000'), 'Connection 100000 out of range');
  assert.equal((await exchange(balancer.port, 'next')).toString(), 'next');
});

onEachEngine('recent and servers count what was relayed, once', async (t, engine) => {
  const server = await tcpBackend(t);
  const balancer = await pen(t, { servers: [server], engine });
  await exchange({ host: '127.0.0.1', port: balancer.port, localAddress: '127.0.0.8' }, 'x'.repeat(1000));
  await exchange(balancer.port, 'y'.repeat(70_000));
  await exchange(balancer.port, 'z');
  const recent = await balancer.ask('recent');
  assert.deepEqual(recent.split('\n').sort(), [
    '127.0.0.1 connects 2 sx 70001 rx 70001',
    '127.0.0.8 connects 1 sx 1000 rx 1000',
  ]);
  assert.match(await balancer.ask('servers'), / sx 71001 rx 71001$/);
});

onEachEngine('idlers keeps connections ready and clients get them, whole', async (t, engine) => {
  const server = await tcpBackend(t, {
    serve: (socket) => {
      socket.write('220 ready ');
      socket.pipe(socket);
    },
  });
  const balancer = await pen(t, { servers: [server], engine });
  assert.equal(await balancer.ask('idlers 3').then((reply) => reply.replace(/\d\//, 'N/')), 'Idlers: N/3');
  await until('three idle connections', () => server.count() === 3);
  await until('three are ready', async () => (await balancer.ask('idlers')) === 'Idlers: 3/3');
  for (let round = 0; round < 5; round++) {
    assert.equal((await exchange(balancer.port, `round ${round}`)).toString(), `220 ready round ${round}`);
  }
  await until('the pool is full again', async () => (await balancer.ask('idlers')) === 'Idlers: 3/3');
  await balancer.ask('idlers 0');
  await until('they are gone', async () => / conn 0 /.test(await balancer.ask('servers')));
});

onEachEngine('dummy answers by itself and asks no server', async (t, engine) => {
  const www = await backend(t, { name: 'www' });
  const balancer = await pen(t, { options: ['-O', 'dummy'], servers: [www], engine });
  const { status, body } = await get(balancer.port);
  assert.equal(status, 200);
  assert.ok(body.length > 0);
  assert.equal(www.count(), 0);
  await balancer.ask('no dummy');
  assert.equal((await get(balancer.port)).body, 'www');
});

onEachEngine('source sets the address that servers see, and only a possible one', async (t, engine) => {
  const server = await tcpBackend(t, { serve: (socket) => socket.end(String(socket.remoteAddress)) });
  const balancer = await pen(t, { options: ['-O', 'source 127.0.0.9'], servers: [server], engine });
  assert.equal((await exchange(balancer.port, '')).toString(), '127.0.0.9');
});

onEachEngine('keepalive and tcp_nodelay change nothing in the bytes', async (t, engine) => {
  const server = await tcpBackend(t);
  const options = ['-O', 'keepalive', '-O', 'tcp_nodelay'];
  const balancer = await pen(t, { options, servers: [server], engine });
  const client = await visitor(t, balancer);
  for (let i = 0; i < 5; i++) assert.equal(await say(client, `word ${i}`), `word ${i}`);
});

onEachEngine('idlers follow their slot to another server', async (t, engine) => {
  const [old, fresh] = [
    await tcpBackend(t, { serve: (socket) => socket.end('old') }),
    await tcpBackend(t, { serve: (socket) => socket.end('new') }),
  ];
  const balancer = await pen(t, { options: ['-O', 'idlers 2'], servers: [old], engine });
  await until('they are ready', () => old.count() >= 2);
  await balancer.ask(`server 0 port ${fresh.port}`);
  for (let i = 0; i < 4; i++) assert.equal((await exchange(balancer.port, '')).toString(), 'new');
});

onEachEngine('idlers that fill their server are there for the clients', async (t, engine) => {
  const server = await tcpBackend(t);
  const balancer = await pen(t, { options: ['-O', 'idlers 3'], servers: [`${server.address}:3`], engine });
  await until('three are ready', async () => (await balancer.ask('idlers')) === 'Idlers: 3/3');
  for (let i = 0; i < 10; i++) assert.equal((await exchange(balancer.port, `${i}`)).toString(), `${i}`);
});

onEachEngine('idlers give up a server that does not answer, in time', async (t, engine) => {
  const hole = await blackHole(t);
  const www = await backend(t, { name: 'www' });
  const options = ['-t', '1', '-O', 'idlers 2', '-O', 'pending_max 2'];
  const balancer = await pen(t, { options, servers: [hole, www], engine });
  await until('both are at the other', async () => (await balancer.ask('idlers')) === 'Idlers: 2/2');
  await until('nobody is held up', async () => /^0 .* conn 0 /.test(await balancer.ask('servers')));
});

onEachEngine('source of one family leaves servers of the other alone', async (t, engine) => {
  const server = await tcpBackend(t, { on: '::1' });
  const balancer = await pen(t, { options: ['-O', 'source 127.0.0.1'], servers: [server], engine });
  assert.equal((await exchange(balancer.port, 'hello')).toString(), 'hello');
});
