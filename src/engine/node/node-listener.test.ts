import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ipEndpoint, parseIp } from '../../core/address.js';
import type { NativeHandle } from './native-handle.js';
import { NodeListener } from './node-listener.js';

test('NodeListener holds clients until they are granted where a handle cannot stop, as on Windows', async (t) => {
  const internals = net as unknown as { _createServerHandle: unknown };
  const create = internals._createServerHandle;
  internals._createServerHandle = undefined;
  t.after(() => {
    internals._createServerHandle = create;
  });
  const accepted: NativeHandle[] = [];
  let tellListening: (result: number) => void;
  const listening = new Promise<number>((resolve) => {
    tellListening = resolve;
  });
  const owner = {
    onListening: (_listener: NodeListener, result: number) => tellListening(result),
    onConnection: (_listener: NodeListener, status: number, client: NativeHandle | undefined) => {
      assert.equal(status, 0);
      if (client !== undefined) accepted.push(client);
    },
  };
  const listener = new NodeListener(owner, 0, ipEndpoint(parseIp('127.0.0.1') ?? [0, 0, 0, 0], 0));
  listener.listen(10);
  assert.equal(await listening, 0);
  const bound = listener.boundTo();
  assert.ok(bound.kind === 'ip' && bound.port > 0);

  const clients = await Promise.all(
    Array.from({ length: 5 }, async () => {
      const client = net.connect(bound.port, '127.0.0.1');
      await once(client, 'connect');
      return client;
    }),
  );
  await sleep(30);
  assert.equal(accepted.length, 0);
  listener.grant(2, 10);
  await sleep(30);
  assert.equal(accepted.length, 2);
  listener.nextTurn();
  listener.grant(10, 1);
  await sleep(30);
  assert.equal(accepted.length, 3, 'a batch of one');
  listener.nextTurn();
  await sleep(30);
  assert.equal(accepted.length, 4);

  const held = clients.map(
    (client) =>
      new Promise((resolve) =>
        client
          .on('error', () => {})
          .on('close', resolve)
          .resume(),
      ),
  );
  listener.close();
  await Promise.race(held);
  for (const handle of accepted) handle.close();
  await Promise.all(held);
});
