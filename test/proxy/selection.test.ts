import assert from 'node:assert/strict';
import { type Backend, backend, tcpBackend } from '../support/backend.js';
import { get, getMany } from '../support/client.js';
import type { Scene } from '../support/ending.js';
import { pen } from '../support/pen.js';
import { until } from '../support/wait.js';
import { hear, onEachEngine, visitor } from './engines.js';

onEachEngine('-r spreads requests evenly, one after the other and many at once', async (t, engine) => {
  const servers = await Promise.all([1, 2, 3, 4].map((n) => backend(t, { name: `www${n}` })));
  const balancer = await pen(t, { options: ['-r'], servers, engine });
  await getMany(40, balancer.port);
  assert.deepEqual(counts(servers), [10, 10, 10, 10]);
  await Promise.all(Array.from({ length: 20 }, () => getMany(10, balancer.port)));
  assert.deepEqual(counts(servers), [60, 60, 60, 60]);
});

onEachEngine('a client meets the server it met before, another client the next one', async (t, engine) => {
  const servers = await Promise.all([1, 2, 3].map((n) => backend(t, { name: `www${n}` })));
  const balancer = await pen(t, { servers, engine });
  const first = (await get(balancer.port, { from: '127.0.0.1' })).body;
  const other = (await get(balancer.port, { from: '127.0.0.2' })).body;
  assert.notEqual(first, other);
  assert.deepEqual(await getMany(5, balancer.port, { from: '127.0.0.1' }), Array(5).fill(first));
  assert.deepEqual(await getMany(5, balancer.port, { from: '127.0.0.2' }), Array(5).fill(other));
});

onEachEngine(
  'no request fails when a server dies, and it is used again after the blacklist time',
  async (t, engine) => {
    const [dying, living] = [await backend(t, { name: 'dying' }), await backend(t, { name: 'living' })];
    const balancer = await pen(t, { options: ['-r', '-b', '1'], servers: [dying, living], engine });
    assert.deepEqual(new Set(await getMany(4, balancer.port)), new Set(['dying', 'living']));
    await dying.kill();
    assert.deepEqual(await getMany(10, balancer.port), Array(10).fill('living'));
    await Promise.all(Array.from({ length: 10 }, () => getMany(3, balancer.port)));
    await dying.revive();
    await until('the revived server answers', async () => (await getMany(2, balancer.port)).includes('dying'), 5000);
  },
);

onEachEngine('a tracked client goes elsewhere while its server is dead, and is tracked there', async (t, engine) => {
  const servers = [await backend(t, { name: 'www1' }), await backend(t, { name: 'www2' })];
  const balancer = await pen(t, { servers, engine });
  const first = (await get(balancer.port)).body;
  const other = first === 'www1' ? 'www2' : 'www1';
  await servers.find((server) => server.name === first)?.kill();
  assert.deepEqual(await getMany(4, balancer.port), Array(4).fill(other));
});

onEachEngine('-e answers when no server does, and no longer when one is back', async (t, engine) => {
  const www = await backend(t, { name: 'www' });
  const sorry = await backend(t, { name: 'sorry' });
  const balancer = await pen(t, { options: ['-b', '1', '-e', sorry.address], servers: [www], engine });
  assert.deepEqual(await getMany(2, balancer.port), ['www', 'www']);
  await www.kill();
  assert.deepEqual(await getMany(3, balancer.port), ['sorry', 'sorry', 'sorry']);
  await www.revive();
  await until('the server is used again', async () => (await get(balancer.port)).body === 'www', 5000);
});

onEachEngine('a client that finds no server at all is closed, not kept', async (t, engine) => {
  const www = await backend(t);
  const balancer = await pen(t, { servers: [www], engine });
  await www.kill();
  for (let round = 0; round < 3; round++) assert.match(await hear(await visitor(t, balancer)), /^(end|ECONNRESET)$/);
});

onEachEngine('-B serves those whom client_acl denies; without it they are closed', async (t, engine) => {
  const www = await backend(t, { name: 'www' });
  const trap = await backend(t, { name: 'trap' });
  const acl = ['-O', 'acl 2 deny 127.0.0.5', '-O', 'client_acl 2'];
  const balancer = await pen(t, { options: [...acl, '-B', trap.address], servers: [www], engine });
  assert.equal((await get(balancer.port, { from: '127.0.0.5' })).body, 'trap');
  assert.equal((await get(balancer.port, { from: '127.0.0.6' })).body, 'www');
  const strict = await pen(t, { options: acl, servers: [www], engine });
  assert.match(await hear(await visitor(t, strict, '127.0.0.5')), /^(end|ECONNRESET)$/);
  assert.equal((await get(strict.port)).body, 'www');
});

onEachEngine('-s closes a client whose server is dead instead of trying another', async (t, engine) => {
  for (const isStubborn of [true, false]) {
    const [dead, live] = [await backend(t, { name: 'dead' }), await backend(t, { name: 'live' })];
    await dead.kill();
    const balancer = await pen(t, { options: isStubborn ? ['-rs'] : ['-r'], servers: [dead, live], engine });
    const answers = [];
    for (let i = 0; i < 2; i++)
      answers.push(
        await get(balancer.port).then(
          (a) => a.body,
          () => 'closed',
        ),
      );
    assert.deepEqual(answers.sort(), isStubborn ? ['closed', 'live'] : ['live', 'live']);
  }
});

onEachEngine('max limits a server, hard lets clients that it knows go further', async (t, engine) => {
  const [small, big] = [await greeter(t, 'small'), await greeter(t, 'big')];
  const options = ['-O', 'prio'];
  const servers = [`${small.address}:1:2:0:1`, `${big.address}:0:0:0:2`];
  const balancer = await pen(t, { options, servers, engine });
  const meets = async (from: string): Promise<string> => hear(await visitor(t, balancer, from));
  assert.equal(await meets('127.0.0.1'), 'small');
  assert.equal(await meets('127.0.0.2'), 'big', 'a new client: small has its one');
  assert.equal(await meets('127.0.0.1'), 'small', 'a client that small knows');
  assert.equal(await meets('127.0.0.1'), 'big', 'beyond the hard limit');
  assert.match(await balancer.ask('servers'), /^0 .* conn 2 max 1 hard 2 .*\n1 .* conn 2 /);
});

onEachEngine('weight gives the servers their shares of simultaneous connections', async (t, engine) => {
  const [heavy, light] = [await greeter(t, 'heavy'), await greeter(t, 'light')];
  const servers = [`${heavy.address}:0:0:3`, `${light.address}:0:0:1`];
  const balancer = await pen(t, { options: ['-Wr'], servers, engine });
  const met = [];
  for (let i = 0; i < 8; i++) met.push(await hear(await visitor(t, balancer)));
  assert.equal(met.filter((name) => name === 'heavy').length, 6);
});

/** A server that says its name at once and keeps the connection. */
function greeter(t: Scene, name: string): Promise<Backend> {
  return tcpBackend(t, { name, serve: (socket) => socket.write(name) });
}

function counts(servers: readonly Backend[]): number[] {
  return servers.map((server) => server.count());
}
