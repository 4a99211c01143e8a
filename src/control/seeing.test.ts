/** Looking at a running pen: the JSON that scripts read, what is explained, what is remembered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../core/address.js';
import { CAUSES } from '../core/meters.js';
import { MemoryDataPlane, startedService } from './control.suite.js';
import { HISTORY_SEC, HISTORY_SERVERS, History } from './history.js';

const json = async (service: { execute(line: string, origin: 'tcp'): Promise<string> }, command: string) =>
  JSON.parse(await service.execute(`${command} --json`, 'tcp'));

test('servers --json says of each server its state, counts and last failure', async (t) => {
  const { service, plane, clock } = await startedService(t);
  const { servers: state } = plane;
  state.meters.connectFailed(0, CAUSES.indexOf('refused'), 111, clock.monotonicMs - 4000);
  await service.execute('server 0 blacklist 9', 'unix');
  await service.execute('server 1 max 1', 'unix');
  state.tryEnter(1, 0, 0);
  await service.execute('server 3 address 127.0.0.1 port 8004', 'unix');
  await service.execute('drain 3', 'unix');
  await service.execute('emergency 127.0.0.1:9', 'unix');
  const rows = await json(service, 'servers');
  assert.deepEqual(
    rows.map(({ server, state: is, blacklistedSec }: Record<string, unknown>) => [server, is, blacklistedSec]),
    [
      [0, 'blacklisted', 9],
      [1, 'full', 0],
      [2, 'empty', 0],
      [3, 'draining', 0],
      ['emergency', 'up', 0],
    ],
  );
  assert.deepEqual(rows[0].lastFailure, { error: 'ECONNREFUSED', agoSec: 4 });
  assert.deepEqual(rows[0].failures, { refused: 1, timeout: 0, unreachable: 0, reset: 0, local: 0, other: 0 });
  assert.equal(rows[1].lastFailure, undefined);
});

test('servers without --json is the reply that C Pen gives', async (t) => {
  const { service } = await startedService(t, { servers: ['127.0.0.1:8001'] });
  const line = '0 addr 127.0.0.1 port 8001 conn 0 max 0 hard 0 weight 0 prio 0 sx 0 rx 0\n';
  assert.equal(await service.execute('servers', 'tcp'), line);
});

test('clients and connections are found by a part of the address', async (t) => {
  const { service, plane, clock } = await startedService(t);
  for (const address of ['10.1.2.3', '10.1.2.4', '2001:db8::7']) {
    clock.monotonicMs += 1;
    plane.clients.visit(parseIp(address) ?? [], clock.monotonicMs, 0);
  }
  const addresses = async (command: string) =>
    (await json(service, command)).map(({ address }: { address: string }) => address);
  assert.deepEqual(await addresses('clients'), ['2001:db8::7', '10.1.2.4', '10.1.2.3']);
  assert.deepEqual(await addresses('clients 10.1'), ['10.1.2.4', '10.1.2.3']);
  assert.deepEqual(await addresses('clients db8'), ['2001:db8::7']);
  // Without any there is the line of titles all the same.
  const titles = 'client  address  seen (s)  server  connects  sent  received\n';
  assert.equal(await service.execute('clients 9.9', 'tcp'), titles);
  assert.equal(await service.execute('connections', 'tcp'), 'connection  state  from  age (s)  client  server\n');
  plane.connections.push(MemoryDataPlane.connection(0), { ...MemoryDataPlane.connection(1), peer: undefined });
  const [connection] = await json(service, 'connections 127.0.0.2');
  assert.deepEqual(
    [connection.connection, connection.peer, connection.state, connection.ageSec, connection.server],
    [0, '127.0.0.2:4711', 'relaying', 1, 1],
  );
  assert.equal((await json(service, 'connections')).length, 2);
});

test('who looks does not wait for a command that waits', async (t) => {
  const { service } = await startedService(t);
  const order: string[] = [];
  const done = (name: string) => () => order.push(name);
  // A name has to be looked up, even if only in a file.
  await Promise.all([
    service.execute('server 0 address localhost', 'unix').then(done('set')),
    service.execute('blacklist 9', 'unix').then(done('next')),
    service.execute('servers', 'unix').then(done('look')),
    service.execute('clients 9.9', 'unix').then(done('search')),
  ]);
  assert.deepEqual(order.slice(-2), ['set', 'next']);
});

test('only some may look through all clients at once', async (t) => {
  const { service, plane } = await startedService(t);
  for (let n = 0; n < 10; n++) plane.clients.visit([0, 0, 0xffff, n], 1000, 0);
  const replies = await Promise.all(Array.from({ length: 12 }, () => service.execute('recent 1000000', 'unix')));
  assert.deepEqual(
    replies.map((reply) => (reply.startsWith('error: ') ? reply : reply.split('\n').length - 1)),
    [...Array(9).fill(10), ...Array(3).fill('error: recent: others are looking through the clients (try again)\n')],
  );
});

test('newest gives the clients seen last, however many there are', async (t) => {
  const { plane } = await startedService(t);
  for (let n = 0; n < 1500; n++) plane.clients.visit([0, 0, 0xffff, n], 1000, 0);
  plane.clients.visit([0, 0, 0xffff, 3], 1000, 0);
  const numbers = plane.clients.newest(1000).map(({ address }) => address[3]);
  assert.deepEqual(numbers, [3, ...Array.from({ length: 999 }, (_, at) => 1499 - at)]);
});

type Explained = readonly [name: string, commands: readonly string[], client: string, answer: string];

const explained: readonly Explained[] = [
  ['round robin', ['roundrobin'], '10.0.0.1', 'server 0, 1 (round robin: they take turns)'],
  ['the lowest prio', ['prio', 'server 0 prio 2', 'server 1 prio 1'], '10.0.0.1', 'server 1 (prio 1 is the lowest)'],
  [
    'weights',
    ['weight', 'server 0 weight 0', 'server 1 weight 5'],
    '10.0.0.1',
    'server 1 (the fewest connections for its weight)',
  ],
  ['a server that drains', ['drain 0'], '10.0.0.1', 'server 1 (round robin: they take turns)'],
  [
    'an ACL of a server',
    ['acl 2 deny 10.0.0.1', 'server 1 acl 2'],
    '10.0.0.1',
    'server 0 (round robin: they take turns)',
  ],
  [
    'client_acl',
    ['acl 3 deny 10.0.0.1', 'client_acl 3', 'abuse_server 127.0.0.1:9'],
    '10.0.0.1',
    'server abuse (client_acl 3 denies the client)',
  ],
  [
    'nobody left but the emergency server',
    ['server 0 blacklist 5', 'server 1 blacklist 5', 'emergency 127.0.0.1:9'],
    '10.0.0.1',
    'server emergency (no server of the table takes it: the emergency server)',
  ],
  ['nobody left', ['drain 0', 'drain 1'], '10.0.0.1', 'nobody (no server takes it)'],
];

for (const [name, commands, client, answer] of explained) {
  test(`explain tells of ${name}`, async (t) => {
    const { service } = await startedService(t);
    for (const command of commands) assert.doesNotMatch(await service.execute(command, 'unix'), /^error/, command);
    const text = await service.execute(`explain ${client}`, 'tcp');
    assert.equal(text.split('\n').at(-2), `answer: ${answer}`);
  });
}

test('explain sends a tracked client where it went before, and takes no turn', async (t) => {
  const { service, plane, clock } = await startedService(t);
  const slot = plane.clients.visit(parseIp('10.0.0.9') ?? [], clock.monotonicMs, 0);
  plane.clients.assign(slot, 0);
  const { candidates, tracked } = await json(service, 'explain 10.0.0.9');
  assert.deepEqual([candidates, tracked], [[0], 0]);
  await service.execute('drain 0', 'unix');
  assert.deepEqual((await json(service, 'explain 10.0.0.9')).candidates, [1]);
  assert.equal(plane.servers.nextInTurn(2), 1, 'the first turn is still to be had');
  assert.equal(plane.servers.connections(1), 0);
});

test('explain refuses what is no client and no server', async (t) => {
  const { service } = await startedService(t);
  assert.equal(await service.execute('explain nobody', 'tcp'), "error: explain: 'nobody' is no IP address\n");
  assert.equal(await service.execute('explain server 7', 'tcp'), 'error: explain: there is no server 7\n');
});

test('drain survives other settings, ends with the address, and is written nowhere', async (t) => {
  const { service, plane } = await startedService(t);
  await service.execute('drain 1', 'unix');
  await service.execute('server 1 max 5', 'unix');
  assert.equal(plane.servers.isDraining(1), true);
  await service.execute('server 1 port 8009', 'unix');
  assert.equal(plane.servers.isDraining(1), false);
  assert.equal(await service.execute('drain 2', 'unix'), 'error: drain: there is no server 2\n');
});

test('a row that was emptied takes a new server as one that nobody has drained or blacklisted', async (t) => {
  const { service, plane } = await startedService(t);
  for (const line of ['drain 1', 'server 1 blacklist 600', 'no server 1', 'server 1 address 127.0.0.1 port 8009'])
    assert.equal(await service.execute(line, 'unix'), '');
  assert.deepEqual([plane.servers.isDraining(1), plane.servers.blacklistedUntil(1)], [false, 0]);
  assert.match(await service.execute('explain 10.0.0.1', 'unix'), /server 1 127\.0\.0\.1:8009 takes it\n/);
});

test('another server in a row begins with counts of its own', async (t) => {
  const { service, plane, clock } = await startedService(t);
  const { servers } = plane;
  for (const slot of [0, 1]) {
    servers.addSent(slot, 2 ** 32);
    servers.addConnect(slot);
    servers.meters.connected(slot, 3);
    servers.meters.sessionEnded(slot, 0, 5);
    servers.meters.connectFailed(slot, CAUSES.indexOf('refused'), 111, clock.monotonicMs);
  }
  await service.execute('server 1 address 127.0.0.2', 'unix');
  await service.execute('server 0 weight 3', 'unix');
  const [same, other] = await json(service, 'servers');
  assert.deepEqual([same.bytesSent, same.connects, same.failures.refused], [2 ** 32, 1, 1]);
  assert.deepEqual([other.bytesSent, other.connects, other.failures.refused, other.lastFailure], [0, 0, 0, undefined]);
  assert.deepEqual([other.connectTimes.sumMs, other.sessionTimes.sumMs, other.endings.closed], [0, 0, 0]);
});

test('events tell when a server fails, may be tried and is back, and what was changed', async (t) => {
  const { service, plane, clock } = await startedService(t);
  plane.servers.meters.connectFailed(1, CAUSES.indexOf('refused'), 111, clock.monotonicMs);
  plane.servers.setBlacklistedUntil(1, clock.monotonicMs + 30_000);
  service.observer.look();
  clock.monotonicMs += 31_000;
  service.observer.look();
  plane.servers.setBlacklistedUntil(1, 0);
  service.observer.look();
  await service.execute('server 0 weight 3', 'tcp');
  await service.execute('mode', 'tcp');
  const events = await json(service, 'events');
  assert.deepEqual(
    events.map(({ mood, text }: Record<string, string>) => `${mood}: ${text}`),
    [
      'good: pen 1.2.3 has started',
      'bad: server 1 (127.0.0.1:8002) is blacklisted for 30 s: ECONNREFUSED',
      'plain: server 1 (127.0.0.1:8002) may be tried again',
      'good: server 1 (127.0.0.1:8002) is back',
      'plain: server 0 weight 3 (tcp)',
    ],
  );
  assert.match(await service.execute('explain server 1', 'tcp'), /is blacklisted for 30 s: ECONNREFUSED\n/);
});

test('events keep the newest 500', async (t) => {
  const { service } = await startedService(t);
  for (let n = 0; n < 600; n++) service.observer.events.record({ kind: 'pen', mood: 'plain', text: `${n}` });
  const texts = service.observer.events.since(0).map(({ text }) => text);
  assert.deepEqual([texts.length, texts[0], texts.at(-1)], [500, '100', '599']);
});

test('an event is one line that a terminal may have, and not a long one', async (t) => {
  const { service } = await startedService(t);
  await service.execute('web_stats /tmp/\u202egnp.html', 'unix');
  await service.execute(`web_stats /tmp/${'x'.repeat(60_000)}`, 'unix');
  service.observer.events.record({ kind: 'pen', mood: 'bad', text: 'lost \u001b]0;a\u0007\u009b2J\n    at second' });
  const texts = service.observer.events.since(1).map(({ text }) => text);
  assert.deepEqual([texts[0], texts[2]], ['web_stats /tmp/.gnp.html (unix)', 'lost .]0;a..2J']);
  assert.match(texts[1] ?? '', /^web_stats \/tmp\/x{200,300} \.\.\.$/);
});

function filled(seconds: number): History {
  const history = new History();
  for (let second = 0; second <= seconds; second++) {
    const sum = second * 10;
    history.add({
      timeMs: second * 1000,
      connections: 4,
      accepted: sum,
      failed: 0,
      sent: sum,
      received: sum,
      connects: [sum],
    });
  }
  return history;
}

test('History gives rates, in steps, of no more than the last hour', () => {
  const { times, accepted, connections, servers } = filled(4000).series(HISTORY_SEC, 60);
  assert.deepEqual([times.length, times.at(-1), times[0]], [60, 4000, 460]);
  assert(accepted.every((rate) => rate === 10) && connections.every((number) => number === 4));
  assert.deepEqual(servers, [Array(60).fill(10)]);
});

test('History takes a late sample for what it is, and none for none', () => {
  const history = filled(1);
  history.add({ timeMs: 5000, connections: 0, accepted: 50, failed: 0, sent: 0, received: 0, connects: [] });
  assert.deepEqual(history.series(10, 1).accepted, [10, 10]);
  assert.deepEqual(history.series(10, 1).servers, [[10, 0]]);
  assert.deepEqual(new History().series(10, 1).times, []);
});

test('History draws a line for the first servers only', () => {
  const history = new History();
  for (const timeMs of [0, 1000]) {
    const zero = { connections: 0, accepted: 0, failed: 0, sent: 0, received: 0 };
    history.add({ timeMs, ...zero, connects: Array(HISTORY_SERVERS + 5).fill(timeMs) });
  }
  assert.equal(history.series(1, 1).servers.length, HISTORY_SERVERS);
});
