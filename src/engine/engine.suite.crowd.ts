/** Plays about many connections: storms, echoes of random sizes, memory of the idle. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint } from '../core/address.js';
import { assertSameBytes, type Case, Dice, drain, fate, ip, LOOPBACK, type Stage, take } from './engine.suite.stage.js';

const SEED = Number(process.env.PEN_SEED ?? 20_250_101);

export const crowdCases: readonly Case[] = [
  {
    name: 'keeps 2,000 sockets apart that are opened and closed in every way',
    async play(stage) {
      const host = await stage.host();
      const { endpoint } = await host.listen(LOOPBACK, { role: 'echo' });
      const dice = new Dice(SEED);
      let left = 2000;
      const visitor = async (): Promise<void> => {
        while (left-- > 0) await visit(stage, endpoint, dice);
      };
      await Promise.all(Array.from({ length: 40 }, visitor));
      await allGone(() => host.call('numbers'));
    },
  },
  {
    name: 'takes 400 clients that come at once',
    async play(stage) {
      const host = await stage.host();
      const { endpoint } = await host.listen(LOOPBACK, { role: 'echo', backlog: 1024 });
      const clients = Array.from({ length: 400 }, () => stage.dialLater(endpoint));
      await Promise.all(
        clients.map(async (client, index) => {
          await once(client, 'connect');
          client.end(`number ${index}`);
          assert.equal((await drain(client)).toString(), `number ${index}`);
        }),
      );
    },
  },
  {
    name: 'relays streams of random sizes both ways, byte for byte, across families',
    async play(stage) {
      const host = await stage.host();
      const dice = new Dice(SEED + 1);
      const routes = [
        [LOOPBACK, ip('::1')],
        [ip('::1'), stage.path('server')],
        [stage.path('listener'), LOOPBACK],
      ] as const;
      for (const [front, back] of routes) {
        const server = await stage.serve(back, (socket) => socket.pipe(socket));
        const { endpoint } = await host.listen(front, { role: server.endpoint });
        const plays = Array.from({ length: 12 }, async (_, index) => {
          const sent = dice.bytes(dice.below(2 ** (10 + (index % 11))));
          const client = await stage.dial(endpoint);
          client.end(sent);
          assertSameBytes(await drain(client), sent, `seed ${SEED}, ${sent.length} bytes`);
        });
        await Promise.all(plays);
      }
    },
  },
  {
    name: 'spends no buffer on 1,000 idle connections',
    async play(stage) {
      const host = await stage.host();
      const { endpoint } = await host.listen(LOOPBACK, { role: 'echo', backlog: 1024 });
      for (let i = 0; i < 40; i++) {
        const clients = await Promise.all(Array.from({ length: 25 }, () => stage.dial(endpoint)));
        for (const client of clients) client.write('once');
        for (const client of clients) assert.equal((await take(client, 4)).toString(), 'once');
      }
      const { buffersInUse, poolBytes, sockets } = await host.call('numbers');
      assert.equal(sockets, 1000);
      assert.equal(buffersInUse, 0);
      assert.ok(poolBytes <= 8 << 20, `the pool has ${poolBytes} bytes`);
    },
  },
];

/** One visit to an echo server: whole, cut short by a reset or a close, or half-closed early. */
async function visit(stage: Stage, endpoint: Endpoint, dice: Dice): Promise<void> {
  const client = stage.dialLater(endpoint);
  await once(client, 'connect');
  const sent = dice.bytes(1 + dice.below(dice.next() < 0.05 ? 200_000 : 2000));
  const way = dice.next();
  if (way < 0.2) {
    client.write(sent);
    client.resetAndDestroy();
  } else if (way < 0.3) {
    client.destroy();
  } else if (way < 0.6) {
    client.end(sent);
    assertSameBytes(await drain(client), sent, `seed ${SEED}`);
  } else {
    client.write(sent);
    assertSameBytes(await take(client, sent.length), sent, `seed ${SEED}`);
    if (way < 0.8) client.destroy();
    else client.end();
    if (way >= 0.8) assert.equal(await fate(client), 'end');
  }
}

async function allGone(numbers: () => Promise<{ sockets: number }>): Promise<void> {
  const deadline = Date.now() + 3000;
  while ((await numbers()).sockets > 0) {
    assert.ok(Date.now() < deadline, 'every socket is closed in the end');
    await sleep(10);
  }
}
