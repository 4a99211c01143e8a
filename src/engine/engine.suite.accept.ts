/** Plays about listening and accepting: addresses, grants, errors, the end of a listener. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatIp } from '../core/address.js';
import { ERRNO } from '../sys/errno.js';
import { type Case, fate, ip, LOOPBACK } from './engine.suite.stage.js';

/** Long enough for something that must not happen to happen. */
const QUIET_MS = 60;

export const acceptCases: readonly Case[] = [
  {
    name: 'reports an IPv4 client with its address',
    async play(stage) {
      const host = await stage.host();
      const { endpoint } = await host.listen(LOOPBACK);
      const client = await stage.dial(endpoint);
      const { peer } = await host.event('accepted');
      assert.equal(formatIp(peer.words), '127.0.0.1');
      assert.deepEqual({ ...peer, words: 0 }, { words: 0, port: client.localPort, isUnix: false });
    },
  },
  {
    name: 'reports an IPv6 client with its address',
    async play(stage) {
      const host = await stage.host();
      const { endpoint } = await host.listen(ip('::1'));
      const client = await stage.dial(endpoint);
      const { peer } = await host.event('accepted');
      assert.deepEqual(peer, { words: [0, 0, 0, 1], port: client.localPort, isUnix: false });
    },
  },
  {
    name: 'reports an IPv4 client of a dual-stack listener as an IPv4 client',
    async play(stage) {
      const host = await stage.host();
      const { endpoint } = await host.listen(ip('::'));
      assert.ok(endpoint.kind === 'ip');
      await stage.dial({ ...LOOPBACK, port: endpoint.port } as typeof LOOPBACK);
      const { peer } = await host.event('accepted');
      assert.equal(formatIp(peer.words), '127.0.0.1');
      assert.deepEqual(peer.words.slice(0, 3), [0, 0, 0xffff]);
    },
  },
  {
    name: 'reports a client of a Unix listener without an address',
    async play(stage) {
      const host = await stage.host();
      const { endpoint } = await host.listen(stage.path('listener'));
      await stage.dial(endpoint);
      const { peer } = await host.event('accepted');
      assert.deepEqual(peer, { words: [0, 0, 0, 0], port: peer.port, isUnix: true });
    },
  },
  {
    name: 'tells the port that was chosen for port 0',
    async play(stage) {
      const host = await stage.host();
      for (const address of ['127.0.0.1', '::1']) {
        const { endpoint } = await host.listen(ip(address));
        assert.ok(endpoint.kind === 'ip' && endpoint.port > 0);
        assert.equal(formatIp(endpoint.address), address);
        await stage.dial(endpoint);
        await host.event('accepted');
      }
    },
  },
  {
    name: 'refuses to listen where it cannot',
    async play(stage) {
      const host = await stage.host();
      const busy = await host.listen(LOOPBACK);
      const busyPath = await host.listen(stage.path('busy'));
      const table = [
        [busy.endpoint, -ERRNO.EADDRINUSE],
        [busyPath.endpoint, -ERRNO.EADDRINUSE],
        [ip('192.0.2.1'), -ERRNO.EADDRNOTAVAIL],
        [stage.path('no/such/folder'), -ERRNO.ENOENT],
      ] as const;
      for (const [endpoint, want] of table) {
        const listener = await host.call('listen', endpoint, 10, undefined);
        const event = await host.event('listening');
        assert.deepEqual({ ...event, endpoint }, { kind: 'listening', listener, result: want, endpoint });
      }
      await stage.dial(busy.endpoint);
      assert.equal((await host.event('accepted')).listener, busy.listener);
    },
  },
  {
    name: 'spends no grant on clients that have gone before they are reported',
    async play(stage) {
      const host = await stage.host();
      const { listener, endpoint } = await host.listen(LOOPBACK, { grants: 0 });
      for (let i = 0; i < 5; i++) (await stage.dial(endpoint)).resetAndDestroy();
      await sleep(QUIET_MS);
      await host.call('grantAccept', listener, 1, 100);
      const stayer = await stage.dial(endpoint);
      const { peer } = await host.event('accepted');
      assert.equal(peer.port, stayer.localPort);
    },
  },
  {
    name: 'accepts nobody without a grant, exactly the granted, and drops nobody meanwhile',
    async play(stage) {
      const host = await stage.host();
      const { listener, endpoint } = await host.listen(LOOPBACK, { grants: 0 });
      const clients = await Promise.all(Array.from({ length: 12 }, () => stage.dial(endpoint)));
      for (const client of clients) client.write(`I am ${client.localPort}`);
      await sleep(QUIET_MS);
      assert.equal(host.waiting('accepted').length, 0);
      let expected = 0;
      for (const grants of [1, 4, 7]) {
        await host.call('grantAccept', listener, grants, 100);
        expected += grants;
        await until(() => host.waiting('accepted').length >= expected);
        await sleep(QUIET_MS);
        assert.equal(host.waiting('accepted').length, expected);
      }
      for (const { socket, peer } of host.waiting('accepted')) {
        assert.equal(Buffer.from((await host.read(socket)) as Uint8Array).toString(), `I am ${peer.port}`);
      }
    },
  },
  {
    name: 'adds grants up and uses those given before anybody came',
    async play(stage) {
      const host = await stage.host();
      const { listener, endpoint } = await host.listen(LOOPBACK, { grants: 2 });
      await host.call('grantAccept', listener, 3, 100);
      for (let i = 0; i < 7; i++) await stage.dial(endpoint);
      await until(() => host.waiting('accepted').length >= 5);
      await sleep(QUIET_MS);
      assert.equal(host.waiting('accepted').length, 5);
    },
  },
  {
    name: 'reports at most a batch of clients a turn',
    async play(stage) {
      const host = await stage.host();
      const { listener, endpoint } = await host.listen(LOOPBACK, { grants: 0 });
      await Promise.all(Array.from({ length: 40 }, () => stage.dial(endpoint)));
      await host.call('grantAccept', listener, 100, 4);
      await until(() => host.waiting('accepted').length >= 40);
      const { mostAcceptedInATurn } = await host.call('numbers');
      assert.ok(mostAcceptedInATurn <= 4, `${mostAcceptedInATurn} clients in one turn`);
    },
  },
  {
    name: 'refuses new clients once a listener is closed and keeps those it has',
    async play(stage) {
      const host = await stage.host();
      const { listener, endpoint } = await host.listen(LOOPBACK);
      const client = await stage.dial(endpoint);
      const { socket } = await host.event('accepted');
      await host.call('closeListener', listener);
      await sleep(QUIET_MS);
      const late = stage.dialLater(endpoint);
      assert.equal(await fate(late), 'ECONNREFUSED');
      client.write('still here');
      assert.equal(Buffer.from((await host.read(socket)) as Uint8Array).toString(), 'still here');
    },
  },
  {
    name: 'lets go those who wait for a grant when the listener is closed',
    async play(stage) {
      const host = await stage.host();
      const { listener, endpoint } = await host.listen(LOOPBACK, { grants: 0 });
      const clients = await Promise.all([stage.dial(endpoint), stage.dial(endpoint)]);
      await host.call('closeListener', listener);
      for (const client of clients) assert.notEqual(await fate(client), undefined);
    },
  },
  {
    name: 'listens again where a closed listener was',
    async play(stage) {
      const host = await stage.host();
      const first = await host.listen(LOOPBACK);
      await host.call('closeListener', first.listener);
      await sleep(QUIET_MS);
      const again = await host.listen(first.endpoint);
      await stage.dial(first.endpoint);
      assert.equal((await host.event('accepted')).listener, again.listener);
    },
  },
];

/** Waits until a condition on what has arrived holds. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 4000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'what the play waits for has not come');
    await sleep(5);
  }
}
