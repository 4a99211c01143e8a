/** UDP sessions from the first datagram to the last. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DatagramClient, datagramClient, datagramServer } from '../support/datagram.js';
import { pen } from '../support/pen.js';
import { until } from '../support/wait.js';
import { onEachEngine } from './engines.js';

const named = (name: string) => ({ answer: () => [name] });

/** What `drops` says of one reason. */
async function dropped(balancer: { ask(command: string): Promise<string> }, reason: string): Promise<number> {
  return Number(new RegExp(`^${reason} (\\d+)$`, 'm').exec(await balancer.ask('drops'))?.[1]);
}

onEachEngine('UDP passes datagrams of every size unchanged, both ways, and counts them', async (t, engine) => {
  const server = await datagramServer(t);
  const balancer = await pen(t, { options: ['-U'], servers: [server], engine });
  const client = await datagramClient(t, balancer.port);
  let bytes = 0;
  for (const size of [0, 1, 512, 1472, 1473, 20_000, 65_507]) {
    const sent = Buffer.from(Uint8Array.from({ length: size }, (_, i) => i * 7 + size));
    client.send(sent);
    assert.deepEqual(await client.hear(), sent);
    bytes += size;
  }
  assert.equal(new Set(server.senders).size, 1, 'one socket a session');
  await until('the counters', async () =>
    (await balancer.ask('servers')).endsWith(`conn 1 max 0 hard 0 weight 0 prio 0 sx ${bytes} rx ${bytes}`),
  );
  assert.equal(await balancer.ask('recent'), `127.0.0.1 connects 1 sx ${bytes} rx ${bytes}`);
  assert.match(
    await balancer.ask('connection 0'),
    /state = 2\ndownfd = -1, upfd = \d+\nclient = 0, server = 0\npend = 0/,
  );
  assert.match(await balancer.ask('status'), /Datagrams dropped/);
});

onEachEngine('UDP sessions end by silence, and their sockets with them', async (t, engine) => {
  const server = await datagramServer(t);
  const balancer = await pen(t, { options: ['-U', '-O', 'udp_timeout 1'], servers: [server], engine });
  const client = await datagramClient(t, balancer.port);
  assert.equal(await client.ask('one'), 'one');
  await until('the session ends', async () => /conn 0 /.test(await balancer.ask('servers')));
  assert.equal(await client.ask('two'), 'two');
  await until('the counts', async () => (await balancer.ask('recent')) === '127.0.0.1 connects 2 sx 6 rx 6');
});

onEachEngine('udp_responses ends a session with its last answer', async (t, engine) => {
  const server = await datagramServer(t, { answer: (question) => [question, question] });
  const balancer = await pen(t, { options: ['-U', '-O', 'udp_responses 2'], servers: [server], engine });
  const client = await datagramClient(t, balancer.port);
  for (let i = 0; i < 3; i++) client.send(`${i}`);
  await until('all answers', () => client.heard.length === 6);
  await until('the session is over', async () => /conn 0 /.test(await balancer.ask('servers')));
});

onEachEngine('-U keeps a client address at its server, -Uhr an exchange', async (t, engine) => {
  const servers = [];
  for (const name of ['a', 'b', 'c', 'd']) servers.push(await datagramServer(t, named(name)));
  const tracking = await pen(t, { options: ['-U'], servers, engine });
  const first = await (await datagramClient(t, tracking.port)).ask('x');
  for (let i = 0; i < 5; i++) assert.equal(await (await datagramClient(t, tracking.port)).ask('x'), first);

  const hashing = await pen(t, { options: ['-Uhr'], servers, engine });
  const seen = new Set<string>();
  for (let i = 0; i < 24; i++) {
    const client = await datagramClient(t, hashing.port);
    const answers = new Set<string>();
    for (let j = 0; j < 5; j++) answers.add(await client.ask('x'));
    assert.equal(answers.size, 1, 'an exchange is never split');
    for (const answer of answers) seen.add(answer);
  }
  assert.ok(seen.size >= 3, `24 exchanges went to ${seen.size} of 4 servers`);
});

onEachEngine('-Ur takes the servers strictly in turn, datagram by datagram', async (t, engine) => {
  const servers = [];
  for (const name of ['a', 'b', 'c']) servers.push(await datagramServer(t, named(name)));
  const balancer = await pen(t, { options: ['-Ur'], servers, engine });
  const client = await datagramClient(t, balancer.port);
  const answers: string[] = [];
  for (let i = 0; i < 6; i++) answers.push(await client.ask('x'));
  assert.deepEqual(answers, ['b', 'c', 'a', 'b', 'c', 'a']);
  for (const server of servers) assert.equal(new Set(server.senders).size, 1, 'a socket for each server');
});

onEachEngine('a dead UDP server is left at once and its unanswered datagram sent again', async (t, engine) => {
  const one = await datagramServer(t, named('one'));
  const two = await datagramServer(t, named('two'));
  const balancer = await pen(t, { options: ['-U', '-b', '1'], servers: [one, two], engine });
  const clients: DatagramClient[] = [];
  // Two addresses, so that each server has sessions.
  for (let i = 0; i < 6; i++) clients.push(await datagramClient(t, balancer.port, `127.0.0.${2 + i}`));
  for (const client of clients) await client.ask('hello');
  await one.kill();
  for (const client of clients) assert.equal(await client.ask('anybody'), 'two');
  await until('all sessions have moved', async () => / conn 0 .*\n.* conn 6 /.test(await balancer.ask('servers')));
  await one.revive();
  // After the blacklist time it has its turn again, with clients that have been nowhere yet.
  let guests = 0;
  await until('traffic returns', async () => {
    const guest = await datagramClient(t, balancer.port, `127.0.1.${++guests}`);
    return (await guest.ask('hello')) === 'one';
  });
});

onEachEngine('a burst to a dead UDP server blames no other, and loses only what was under way', async (t, engine) => {
  const servers = [];
  for (const name of ['one', 'two', 'three']) servers.push(await datagramServer(t, named(name)));
  const balancer = await pen(t, { options: ['-U'], servers, engine });
  const client = await datagramClient(t, balancer.port);
  const name = await client.ask('who?');
  await servers[['one', 'two', 'three'].indexOf(name)].kill();
  balancer.signal('SIGSTOP');
  for (let i = 0; i < 400; i++) client.send(`${i}`.padStart(100));
  // Node sends what it could not send at once when it comes back to its event loop.
  await sleep(100);
  balancer.signal('SIGCONT');
  // 64 are read, and sent, at a time.
  await until('the rest is answered', () => client.heard.length >= 400 - 64);
  assert.equal(new Set(client.heard.map(({ bytes }) => bytes.toString())).size, 1, 'by one server');
  assert.equal(await dropped(balancer, 'unreachable'), 0);
});

onEachEngine('the last UDP server is not given up, and answers as soon as it is back', async (t, engine) => {
  const server = await datagramServer(t, named('here'));
  const balancer = await pen(t, { options: ['-U'], servers: [server], engine });
  const client = await datagramClient(t, balancer.port);
  assert.equal(await client.ask('hello'), 'here');
  await server.kill();
  client.send('lost');
  await until('it is noticed', async () => (await dropped(balancer, 'unreachable')) > 0);
  await server.revive();
  assert.equal(await client.ask('back?'), 'here');
});

onEachEngine('udp_expect gives up a server that answers nobody, and only such a one', async (t, engine) => {
  const mute = await datagramServer(t, { answer: (question) => (question.toString() === 'wake' ? ['mute'] : []) });
  const good = await datagramServer(t, named('good'));
  const balancer = await pen(t, { options: ['-U', '-O', 'udp_expect 1'], servers: [good, mute], engine });
  const client = await datagramClient(t, balancer.port, '127.0.0.2');
  // Round robin begins with server 1, the mute one.
  assert.equal(await client.ask('hello'), 'good', 'sent again to the other server');
  assert.match(await balancer.ask('status'), /blacklisted for/);
});

onEachEngine('UDP goes to the emergency and the abuse server, or is counted as dropped', async (t, engine) => {
  const server = await datagramServer(t, named('server'));
  const abuse = await datagramServer(t, named('abuse'));
  const emergency = await datagramServer(t, named('emergency'));
  const options = [
    '-U',
    '-B',
    abuse.address,
    '-e',
    emergency.address,
    '-O',
    'acl 1 deny 127.0.0.66',
    '-O',
    'client_acl 1',
  ];
  const balancer = await pen(t, { options, servers: [server], engine });
  const good = await datagramClient(t, balancer.port);
  const bad = await datagramClient(t, balancer.port, '127.0.0.66');
  assert.equal(await bad.ask('hello'), 'abuse');
  assert.equal(await good.ask('hello'), 'server');
  await server.kill();
  assert.equal(await good.ask('hello'), 'emergency');
  await balancer.ask('no abuse_server');
  bad.send('hello');
  await until('the denied are counted', async () => (await dropped(balancer, 'denied')) === 1);
  await balancer.ask('no emergency');
  await balancer.ask('no server 0');
  good.send('hello');
  await until('a lack of servers is counted', async () => (await dropped(balancer, 'no_server')) === 1);
});

onEachEngine('a UDP session leaves a server that is removed or replaced', async (t, engine) => {
  const old = await datagramServer(t, named('old'));
  const fresh = await datagramServer(t, named('fresh'));
  const balancer = await pen(t, { options: ['-U'], servers: [old], engine });
  const client = await datagramClient(t, balancer.port);
  assert.equal(await client.ask('hello'), 'old');
  await balancer.ask(`server 0 address 127.0.0.1 port ${fresh.port}`);
  assert.equal(await client.ask('hello'), 'fresh');
});

onEachEngine('-x bounds UDP sessions: the one that was silent longest makes room', async (t, engine) => {
  const server = await datagramServer(t);
  const balancer = await pen(t, { options: ['-U', '-x', '3'], servers: [server], engine });
  const clients: DatagramClient[] = [];
  for (let i = 0; i < 5; i++) {
    clients.push(await datagramClient(t, balancer.port));
    assert.equal(await clients[i].ask(`${i}`), `${i}`);
    // The first one stays busy.
    assert.equal(await clients[0].ask('busy'), 'busy');
  }
  assert.match(await balancer.ask('servers'), / conn 3 /);
  assert.equal(await dropped(balancer, 'evicted'), 2);
  const ports = new Set(server.senders);
  assert.equal(await clients[0].ask('still'), 'still');
  assert.deepEqual(new Set(server.senders), ports, 'the busy one has kept its socket');
});

onEachEngine('max and hard bound the UDP sessions of a server', async (t, engine) => {
  const one = await datagramServer(t, named('one'));
  const two = await datagramServer(t, named('two'));
  const servers = [`${one.address}:2`, `${two.address}:1`];
  const balancer = await pen(t, { options: ['-Uhr'], servers, engine });
  const answers: string[] = [];
  for (let i = 0; i < 3; i++) answers.push(await (await datagramClient(t, balancer.port)).ask('x'));
  assert.deepEqual(answers.sort(), ['one', 'one', 'two']);
  const late = await datagramClient(t, balancer.port);
  late.send('x');
  await until('it is turned away', async () => (await dropped(balancer, 'no_server')) === 1);
});

onEachEngine('close N ends a UDP session, listen moves all to another port', async (t, engine) => {
  const server = await datagramServer(t);
  const balancer = await pen(t, { options: ['-U'], servers: [server], engine });
  const client = await datagramClient(t, balancer.port);
  assert.equal(await client.ask('one'), 'one');
  assert.equal(await balancer.ask('close 0'), 'Forcibly closing connection 0');
  await until('it is closed', async () => /conn 0 /.test(await balancer.ask('servers')));
  assert.equal(await client.ask('two'), 'two');
  await balancer.ask('listen 127.0.0.2:0');
  const other = await datagramClient(t, Number((await balancer.ask('listen')).split(':').at(-1)));
  other.send('three', '127.0.0.2');
  assert.equal((await other.hear()).toString(), 'three');
  await until('the old session is over', async () => /conn 1 /.test(await balancer.ask('servers')));
  assert.match(await balancer.ask(`listen 127.0.0.1:${server.port}`), /^error: listen: cannot listen on .*EADDRINUSE/);
});

onEachEngine('UDP serves IPv6 clients from IPv4 servers and the other way round', async (t, engine) => {
  const four = await datagramServer(t, named('four'));
  const six = await datagramServer(t, { on: '::1', ...named('six') });
  const dual = await pen(t, { options: ['-U'], listen: '[::]:0', servers: [four], engine });
  assert.equal(await (await datagramClient(t, dual.port, '::1')).ask('x'), 'four');
  assert.equal(await (await datagramClient(t, dual.port)).ask('x'), 'four');
  assert.match(await dual.ask('recent'), /^127\.0\.0\.1 connects 1 .*\n::1 connects 1 /m);
  const plain = await pen(t, { options: ['-U'], servers: [six], engine });
  assert.equal(await (await datagramClient(t, plain.port)).ask('x'), 'six');
});

onEachEngine('UDP answers leave from the address that the client wrote to', async (t, engine) => {
  // Node does not tell where a datagram was sent to (engine/node/node-datagrams.ts).
  if (engine === 'node') return;
  const server = await datagramServer(t, named('here'));
  for (const listen of ['0.0.0.0:0', '[::]:0']) {
    const balancer = await pen(t, { options: ['-U'], listen, servers: [server], engine });
    const client = await datagramClient(t, balancer.port);
    for (const to of ['127.0.0.1', '127.0.0.2', '127.9.9.9']) {
      client.send('x', to);
      await until('an answer', () => client.heard.length > 0);
      assert.equal(client.heard.shift()?.from.address, to);
    }
  }
});
