/** UDP for long: a crowd of passers-by, servers that come and go under load, spreading, long sessions. */
import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { datagramClient, datagramServer } from '../support/datagram.js';
import { pen } from '../support/pen.js';
import { until } from '../support/wait.js';

const PASSERS_BY = 100_000;
const PLACES = 5_000;

for (const engine of ['uring', 'epoll', 'node']) {
  test(`${engine}: ${PASSERS_BY} clients of one datagram each leave nothing behind`, async (t) => {
    const server = await datagramServer(t);
    const options = ['-U', '-x', `${PLACES}`, '-O', 'udp_timeout 2'];
    const balancer = await pen(t, { engine, options, servers: [server] });
    // Warm, so that what is compared is not the compiler's memory.
    await passBy(balancer.port, 2 * PLACES);
    await until('the first sessions are over', async () => / conn 0 /.test(await balancer.ask('servers')), 30_000);
    const before = { descriptors: descriptors(balancer.pid), bytes: resident(balancer.pid) };
    let most = 0;
    const watch = setInterval(() => {
      most = Math.max(most, descriptors(balancer.pid));
    }, 100);
    t.after(() => clearInterval(watch));
    const answered = await passBy(balancer.port, PASSERS_BY);
    await until('the last sessions are over', async () => / conn 0 /.test(await balancer.ask('servers')), 30_000);
    clearInterval(watch);
    const after = { descriptors: descriptors(balancer.pid), bytes: resident(balancer.pid) };
    t.diagnostic(
      `${engine}: ${answered} answered, at most ${most} descriptors, then ${after.descriptors} (${before.descriptors} before); ` +
        `${Math.round(after.bytes / 2 ** 20)} MiB (${Math.round(before.bytes / 2 ** 20)} before)`,
    );
    assert.equal(answered, PASSERS_BY);
    assert.ok(most <= PLACES + 200, `${most} descriptors`);
    assert.ok(Math.abs(after.descriptors - before.descriptors) <= 2, 'descriptors are back to the start');
    assert.ok(after.bytes < before.bytes + 32 * 2 ** 20, 'memory is back to the start');
    assert.equal(await balancer.ask('connection 0').then((text) => /state = 0/.test(text)), true);
  });

  test(`${engine}: -Ur spreads 30,000 datagrams evenly over 3 servers and 2 threads`, async (t) => {
    const servers = [await datagramServer(t), await datagramServer(t), await datagramServer(t)];
    const balancer = await pen(t, { engine, threads: 2, options: ['-Ur'], servers });
    const clients = await Promise.all(Array.from({ length: 30 }, () => datagramClient(t, balancer.port)));
    for (let round = 1; round <= 50; round++) {
      for (const client of clients) for (let i = 0; i < 20; i++) client.send('x');
      await until('a round of answers', () => clients.every(({ heard }) => heard.length === round * 20));
    }
    for (const server of servers) {
      assert.ok(Math.abs(server.count() - 10_000) <= 100, `${servers.map((one) => one.count())}`);
    }
  });

  test(`${engine}: -Uhr never splits an exchange, while sessions come and go`, async (t) => {
    const servers = [await datagramServer(t), await datagramServer(t), await datagramServer(t)];
    const options = ['-Uhr', '-x', '50', '-O', 'udp_timeout 1'];
    const balancer = await pen(t, { engine, threads: 2, options, servers });
    const clients = await Promise.all(Array.from({ length: 200 }, () => datagramClient(t, balancer.port)));
    for (let round = 1; round <= 20; round++) {
      for (const client of clients) {
        client.send(`${client.port}`);
        await until('an answer', () => client.heard.length === round);
      }
    }
    const places = new Map<string, Set<number>>();
    for (const client of clients) {
      assert.deepEqual([...new Set(client.heard.map(({ bytes }) => bytes.toString()))], [`${client.port}`]);
    }
    for (const [i, server] of servers.entries()) {
      for (const question of server.questions) {
        const seen = places.get(question) ?? new Set();
        places.set(question, seen.add(i));
      }
    }
    assert.equal(places.size, 200);
    assert.deepEqual(
      [...places.values()].filter(({ size }) => size > 1),
      [],
    );
  });

  test(`${engine}: 20 long sessions, as QUIC's, carry 40,000 datagrams both ways, none lost or mixed up`, async (t) => {
    const server = await datagramServer(t);
    const balancer = await pen(t, { engine, threads: 2, options: ['-U'], servers: [server] });
    const clients = await Promise.all(Array.from({ length: 20 }, () => datagramClient(t, balancer.port)));
    for (let round = 0; round < 200; round++) {
      for (const client of clients) {
        for (let i = 0; i < 10; i++) {
          const bytes = Buffer.alloc(20 + ((round * 131 + i * 97) % 1330), `${client.port} `);
          bytes.writeUInt32BE(round * 10 + i);
          client.send(bytes);
        }
      }
      await until('a round of answers', () => clients.every(({ heard }) => heard.length === (round + 1) * 10));
    }
    for (const { heard, port } of clients) {
      for (const [i, { bytes }] of heard.entries()) {
        assert.equal(bytes.readUInt32BE(), i);
        assert.equal(bytes.subarray(4, 16).toString(), Buffer.alloc(16, `${port} `).subarray(4).toString());
      }
    }
    assert.equal(new Set(server.senders).size, 20, 'a socket each, from first to last');
  });
}

/** That many sockets, each of which asks once; returns how many were answered. */
async function passBy(port: number, count: number): Promise<number> {
  const AT_A_TIME = 400;
  let answered = 0;
  for (let done = 0; done < count; done += AT_A_TIME) {
    const sockets: Socket[] = [];
    await Promise.all(
      Array.from({ length: Math.min(AT_A_TIME, count - done) }, (_, i) => {
        const socket = createSocket('udp4');
        sockets.push(socket);
        const n = done + i;
        return new Promise<void>((resolve, reject) => {
          const late = setTimeout(() => reject(new Error(`client ${n} is not answered`)), 10_000);
          socket.once('message', () => {
            answered++;
            clearTimeout(late);
            resolve();
          });
          socket.bind(0, `127.${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255 || 1}`, () =>
            socket.send(`${n}`, port, '127.0.0.1'),
          );
        });
      }),
    );
    for (const socket of sockets) socket.close();
  }
  return answered;
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function resident(pid: number): number {
  return 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
