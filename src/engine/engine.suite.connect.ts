/** Plays about connecting, timers, waking and stopping. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type IpEndpoint, type IpWords, parseIp } from '../core/address.js';
import { monotonicMs } from '../sys/clock.js';
import { ERRNO } from '../sys/errno.js';
import { transparencyObstacle } from '../sys/transparency.js';
import { assertSameBytes, type Case, Dice, drain, fate, ip, LOOPBACK, take } from './engine.suite.stage.js';

export const connectCases: readonly Case[] = [
  {
    name: 'connects over IPv4, IPv6 and Unix sockets',
    async play(stage) {
      const host = await stage.host();
      for (const endpoint of [LOOPBACK, ip('::1'), stage.path('server')]) {
        const server = await stage.serve(endpoint);
        const socket = await host.connect(server.endpoint);
        await host.call('setOptions', socket, true, true);
        assert.equal(await host.write(socket, Buffer.from('hello')), 0);
        assert.equal((await take(await server.nextClient(), 5)).toString(), 'hello');
      }
    },
  },
  {
    name: 'connects from the source address it is given',
    async play(stage) {
      const host = await stage.host();
      const server = await stage.serve(LOOPBACK);
      const socket = await host.call('connect', server.endpoint, ip('127.0.0.7'));
      assert.equal((await host.event('connected', socket)).result, 0);
      assert.equal((await server.nextClient()).remoteAddress, '127.0.0.7');
    },
  },
  {
    name: 'connects from a foreign address, with its port or any, or says that it cannot',
    obstacle: transparencyObstacle,
    async play(stage) {
      const host = await stage.host();
      for (const [address, family] of [
        ['127.0.0.9', 'IPv4'],
        ['::1', 'IPv6'],
      ] as const) {
        const server = await stage.serve(ip(family === 'IPv4' ? '127.0.0.1' : '::1'));
        const words = Int32Array.from(parseIp(address) as IpWords);
        const connect = async (port: number) => {
          const socket = await host.call('connect', server.endpoint, { kind: 'foreign', words, port });
          if (socket < 0) return socket;
          return (await host.event('connected', socket)).result;
        };
        if (stage.engine === 'node') {
          assert.equal(await connect(0), -ERRNO.EOPNOTSUPP);
          continue;
        }
        assert.equal(await connect(0), 0);
        assert.equal((await server.nextClient()).remoteAddress, address);
        // A port that was listened on and is not any more is free.
        const gone = await stage.serve(ip(address));
        gone.server.close();
        const { port } = gone.endpoint as IpEndpoint;
        assert.equal(await connect(port), 0);
        const { remoteAddress, remotePort } = await server.nextClient();
        assert.deepEqual([remoteAddress, remotePort], [address, port]);
        // The same port to the same server once more.
        assert.ok([-ERRNO.EADDRINUSE, -ERRNO.EADDRNOTAVAIL].includes(await connect(port)));
      }
    },
  },
  {
    name: 'tells why it cannot connect',
    async play(stage) {
      const host = await stage.host();
      const closed = await stage.serve(LOOPBACK);
      closed.server.close();
      await once(closed.server, 'close');
      const server = await stage.serve(LOOPBACK);
      const table = [
        [closed.endpoint, undefined, -ERRNO.ECONNREFUSED],
        [ip('255.255.255.255', 9), undefined, -ERRNO.ENETUNREACH],
        [server.endpoint, ip('192.0.2.1'), -ERRNO.EADDRNOTAVAIL],
        [stage.path('nobody'), undefined, -ERRNO.ENOENT],
      ] as const;
      for (const [endpoint, source, want] of table) {
        const socket = await host.call('connect', endpoint, source);
        const { result } = await host.event('connected', socket);
        assert.deepEqual({ endpoint, result }, { endpoint, result: want });
        await host.call('close', socket, false);
      }
    },
  },
  {
    name: 'reports nothing about a socket that is closed while it connects',
    async play(stage) {
      const host = await stage.host();
      // A full listen queue: what comes on top is not answered, so connecting does not end.
      const { endpoint } = await host.listen(LOOPBACK, { backlog: 1, grants: 0 });
      const sockets = [];
      for (let i = 0; i < 8; i++) sockets.push(await host.call('connect', endpoint, undefined));
      await sleep(100);
      const connected = host.waiting('connected').length;
      assert.ok(connected < 8, 'some connects are still under way');
      for (const socket of sockets) await host.call('close', socket, false);
      for (let i = 0; i < 8; i++) await host.call('connect', ip('127.0.0.1', 1), undefined);
      await sleep(100);
      assert.equal(host.waiting('connected').length, connected + 8);
    },
  },
  {
    name: 'calls the timer at or soon after the time asked for, the last one asked for',
    async play(stage) {
      const host = await stage.host();
      const start = await host.call('now');
      // Later, then earlier: the earlier one counts; then later again: that one counts.
      await host.call('wakeAt', start + 5000);
      await host.call('wakeAt', start + 40);
      const first = await host.event('timer');
      assert.ok(first.nowMs >= start + 40 && first.nowMs < start + 1500, `timer after ${first.nowMs - start} ms`);
      // Both at once, and the first one far enough ahead that it cannot come before the second is heard.
      await Promise.all([300, 400].map((later) => host.call('wakeAt', first.nowMs + later)));
      const second = await host.event('timer');
      assert.ok(second.nowMs >= first.nowMs + 400, `timer after ${second.nowMs - first.nowMs} ms`);
      await Promise.all([second.nowMs + 300, Infinity].map((time) => host.call('wakeAt', time)));
      await sleep(400);
      assert.equal(host.waiting('timer').length, 0);
      await host.call('wakeAt', 0);
      await host.event('timer');
    },
  },
  {
    name: 'wakes whenever another thread asks',
    async play(stage) {
      const host = await stage.host();
      for (let i = 0; i < 50; i++) await host.call('now');
      await Promise.all(Array.from({ length: 500 }, () => host.call('now')));
      await sleep(50);
      await host.call('now');
    },
  },
  {
    name: 'counts the same monotonic time on every thread',
    async play(stage) {
      // An engine tells when its turn began, and a turn may take in several messages: of two engines, the one asked
      // later may tell the earlier time, but neither tells one outside of its own life.
      const born = monotonicMs();
      for (const host of [await stage.host(), await stage.host()]) {
        const [first, second] = [await host.call('now'), await host.call('now')] as const;
        const after = monotonicMs();
        assert.ok(born <= first && first <= second && second <= after, [born, first, second, after].join(' '));
      }
    },
  },
  {
    name: 'runs beside another engine in the same process',
    async play(stage) {
      const [front, back] = [await stage.host(), await stage.host()];
      const echo = await back.listen(LOOPBACK, { role: 'echo' });
      const relay = await front.listen(LOOPBACK, { role: echo.endpoint });
      const dice = new Dice(7);
      const plays = Array.from({ length: 10 }, async () => {
        const client = await stage.dial(relay.endpoint);
        const sent = dice.bytes(1 + dice.below(300_000));
        client.end(sent);
        assertSameBytes(await drain(client), sent);
      });
      await Promise.all(plays);
    },
  },
  {
    name: 'closes everything when stopped',
    async play(stage) {
      const host = await stage.host();
      const server = await stage.serve(LOOPBACK);
      const { endpoint } = await host.listen(LOOPBACK);
      const client = await stage.dial(endpoint);
      const { socket } = await host.event('accepted');
      await host.call('receive', socket);
      await host.connect(server.endpoint);
      const accepted = await server.nextClient();
      await host.stop();
      assert.equal(await fate(client), 'end');
      assert.equal(await fate(accepted), 'end');
      assert.equal(await fate(stage.dialLater(endpoint)), 'ECONNREFUSED');
    },
  },
  {
    name: 'stops in the middle of traffic',
    async play(stage) {
      const host = await stage.host();
      const server = await stage.serve(LOOPBACK, (socket) => socket.pipe(socket));
      const { endpoint } = await host.listen(LOOPBACK, { role: server.endpoint });
      const clients = await Promise.all(Array.from({ length: 10 }, () => stage.dial(endpoint)));
      const block = Buffer.alloc(200_000, 1);
      for (const client of clients) {
        const more = (): boolean => client.writable && client.write(block);
        client.on('drain', more).on('data', () => {});
        more();
      }
      await sleep(100);
      await host.stop();
      assert.deepEqual(host.violations, []);
    },
  },
];
