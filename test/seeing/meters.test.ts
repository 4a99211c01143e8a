/** What the running program says of its traffic: every connection once, with how it went, on each engine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerStatistics, Summary } from '../../src/control/statistics.js';
import { onEachEngine } from '../proxy/engines.js';
import { backend, tcpBackend } from '../support/backend.js';
import { dial, exchange, get } from '../support/client.js';
import { pen, type RunningPen } from '../support/pen.js';
import { until } from '../support/wait.js';

type Status = Summary & { readonly servers: readonly ServerStatistics[] };

async function status(balancer: RunningPen): Promise<Status> {
  return JSON.parse(await balancer.ask('status --json'));
}

onEachEngine('connects, failures, sessions and refusals are counted once each', async (t, engine) => {
  const living = await tcpBackend(t);
  const dead = await tcpBackend(t);
  await dead.kill();
  const servers = [living, dead];
  const balancer = await pen(t, { servers, engine, options: ['-r', '-b', '60', '-O', 'acl 1 deny 127.9.9.9'] });
  for (let n = 0; n < 4; n++) assert.equal(String(await exchange(balancer.port, 'hello')), 'hello');
  await balancer.ask('client_acl 1');
  await get(balancer.port, { from: '127.9.9.9' }).catch(() => {});
  await balancer.ask('drain 0');
  await exchange(balancer.port, '').catch(() => {});

  const {
    servers: rows,
    accepted,
    refusals,
  } = await until('all are over', async () => {
    const now = await status(balancer);
    return now.connections === 0 && now.refusals.no_server === 1 ? now : undefined;
  });
  assert.equal(accepted, 6);
  const turnedAway = Object.entries(refusals).filter(([, count]) => count > 0);
  assert.deepEqual(turnedAway, [
    ['denied', 1],
    ['no_server', 1],
  ]);
  const [good, bad] = rows;
  assert(good && bad);
  assert.deepEqual([good.connects, good.bytesSent, good.bytesReceived], [4, 20, 20]);
  assert.deepEqual(good.endings, { closed: 4, broken: 0, idle: 0, ordered: 0 });
  const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
  assert.deepEqual([sum(good.connectTimes.counts), sum(good.sessionTimes.counts)], [4, 4]);
  assert.deepEqual([bad.failures.refused, bad.connects, bad.lastFailure?.error], [1, 0, 'ECONNREFUSED']);
  assert.match(await balancer.ask('explain server 1'), /failed connects: 1 refused\n/);
});

test('sessions that are idle too long, closed by hand or broken are told apart', async (t) => {
  const server = await tcpBackend(t, { serve: (socket) => void socket.on('data', () => socket.resetAndDestroy()) });
  const balancer = await pen(t, { servers: [server], options: ['-O', 'idle_timeout 1'] });
  const endings = async () => (await status(balancer)).servers[0]?.endings;
  const idle = await dial(balancer.port);
  await until('the idle one has ended', async () => (await endings())?.idle === 1);
  const closed = await dial(balancer.port);
  const number = await until('it is there', async () => {
    const [connection] = JSON.parse(await balancer.ask('connections --json'));
    return connection?.state === 'relaying' ? String(connection.connection) : undefined;
  });
  await balancer.ask(`close ${number}`);
  await until('it is closed', async () => (await endings())?.ordered === 1);
  const broken = await dial(balancer.port);
  broken.write('x');
  await until('it is broken', async () => (await endings())?.broken === 1);
  for (const socket of [idle, closed, broken]) socket.destroy();
  assert.deepEqual(await endings(), { closed: 0, broken: 1, idle: 1, ordered: 1 });
});

test('a server that drains loses its tracked clients and keeps its connections', async (t) => {
  const [a, b] = [await backend(t), await backend(t)];
  const balancer = await pen(t, { servers: [a, b] });
  const first = (await get(balancer.port)).body;
  const slot = first === a.name ? 0 : 1;
  const kept = await dial(balancer.port);
  await until('it is relayed', async () => (await status(balancer)).servers[slot]?.connections === 1);
  await balancer.ask(`drain ${slot}`);
  assert.notEqual((await get(balancer.port)).body, first);
  kept.end('GET / HTTP/1.0\r\n\r\n');
  let answer = '';
  for await (const chunk of kept) answer += chunk;
  assert(answer.endsWith(first), answer);
  await balancer.ask(`no drain ${slot}`);
});
