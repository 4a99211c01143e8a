/** Thousands of connections at once, with and without the descriptors for them; settings switched under load. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { backend, tcpBackend } from '../support/backend.js';
import { dial } from '../support/client.js';
import { failures, shoot } from '../support/load.js';
import { pen } from '../support/pen.js';
import { until } from '../support/wait.js';

const CROWD = 5000;

/** Opens that many connections, each of which says who it is; resolves when all are connected. */
async function crowd(port: number, count: number): Promise<{ sockets: Socket[]; answered: () => number }> {
  const sockets: Socket[] = [];
  let answered = 0;
  for (let i = 0; i < count; i += 250) {
    const some = await Promise.all(Array.from({ length: Math.min(250, count - i) }, () => dial(port)));
    for (const socket of some) {
      socket.on('error', () => {}).once('data', () => answered++);
      socket.write('hello');
    }
    sockets.push(...some);
  }
  return { sockets, answered: () => answered };
}

for (const engine of ['uring', 'epoll', 'node']) {
  test(`${engine}: ${CROWD} connections at once, idle, and one more is served`, async (t) => {
    const server = await tcpBackend(t);
    const balancer = await pen(t, { engine, options: ['-x', '6000', '-q', '4096'], servers: [server] });
    const { sockets, answered } = await crowd(balancer.port, CROWD);
    t.after(() => sockets.forEach((socket) => void socket.destroy()));
    await until('everybody is answered', () => answered() === CROWD, 60_000);
    await sleep(1000);
    const one = await crowd(balancer.port, 1);
    await until('one more is answered', () => one.answered() === 1);
    assert.match(await balancer.ask('servers'), new RegExp(` conn ${CROWD + 1} `));
    assert.equal(sockets.filter((socket) => socket.destroyed).length, 0);
    for (const socket of [...sockets, ...one.sockets]) socket.destroy();
    await until('all are gone', async () => / conn 0 /.test(await balancer.ask('servers')), 60_000);
  });

  test(`${engine}: ${CROWD} clients and descriptors for fewer: accepting pauses and resumes, nobody is dropped`, async (t) => {
    const server = await tcpBackend(t);
    const options = ['-x', '6000', '-q', '4096'];
    const balancer = await pen(t, { engine, options, servers: [server], files: 4000 });
    assert.match(balancer.log(), /serving at most \d+ connections of 6000/);
    const { sockets, answered } = await crowd(balancer.port, CROWD);
    t.after(() => sockets.forEach((socket) => void socket.destroy()));
    const served = new Set<Socket>();
    for (const socket of sockets) if (socket.bytesRead > 0) served.add(socket);
    await until('as many as fit are served', () => answered() > 1500, 60_000);
    assert.ok(answered() < 2000, `${answered()} answered at once`);
    // Whoever has been answered leaves and makes room.
    await until(
      'everybody has been answered',
      () => {
        for (const socket of sockets) if (socket.bytesRead > 0 && !socket.destroyed) socket.destroy();
        return answered() === CROWD;
      },
      60_000,
    );
    const again = await crowd(balancer.port, 10);
    await until('and it goes on', () => again.answered() === 10);
    for (const socket of again.sockets) socket.destroy();
  });

  test(`${engine}: settings switched 1,000 times under the load of 64 clients lose no request`, async (t) => {
    const servers = [await backend(t), await backend(t), await backend(t)];
    const balancer = await pen(t, { engine, threads: 2, servers });
    let isOver = false;
    const load = shoot(balancer.port, 20_000, 64).then((shots) => {
      isOver = true;
      return shots;
    });
    const commands = ['roundrobin', 'no roundrobin', 'hash', 'no hash', 'weight', 'no weight', 'prio', 'no prio'];
    commands.push(
      'server 2 weight 3',
      'conn_max 600',
      'timeout 4',
      'acl 1 permit 127.0.0.1',
      'no acl 1',
      'blacklist 5',
    );
    for (const slot of [0, 1, 2]) await balancer.ask(`server ${slot} weight 1`);
    let switches = 0;
    for (; switches < 1000; switches++) await balancer.ask(commands[switches % commands.length] as string);
    const wasUnderLoad = !isOver;
    const failed = failures(await load);
    t.diagnostic(`${engine}: ${switches} switches, ${failed.length} of 20000 requests failed`);
    assert.ok(wasUnderLoad, 'the load ended before the switching');
    assert.deepEqual(failed, []);
  });
}
