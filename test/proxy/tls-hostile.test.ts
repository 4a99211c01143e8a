/** TLS clients that keep to the letter of the protocol and mean no good, record by record. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { tcpBackend } from '../support/backend.js';
import { secureVisitor, serves } from '../support/certificates.js';
import { pen } from '../support/pen.js';
import { byHand } from '../support/record-layer.js';
import { until } from '../support/wait.js';
import { noise, onEachEngine, say, visitor } from './engines.js';

const PAGE = noise(30_000_000, 77);

onEachEngine('key updates of a client that does not read and then resets harm nobody else', async (t, engine) => {
  const server = await tcpBackend(t, {
    serve: (socket) => {
      socket.on('error', () => {}).on('end', () => socket.end());
      socket.on('data', (chunk) => void socket.write(String(chunk) === 'page' ? PAGE : chunk));
    },
  });
  const balancer = await pen(t, { servers: [server], options: serves('ec'), engine });
  const others = await Promise.all(Array.from({ length: 8 }, () => secureVisitor(t, balancer.port)));
  for (let round = 0; round < 20; round++) {
    const raw = await visitor(t, balancer);
    raw.setNoDelay(true);
    const { records } = await byHand(t, raw);
    raw.pause();
    raw.write(records.data(Buffer.from('page')));
    await sleep(30);
    for (let flood = 0; flood < 3; flood++) {
      raw.write(Buffer.concat(Array.from({ length: 10 }, () => records.keyUpdate())));
      await sleep(10);
    }
    raw.resetAndDestroy();
    const late = await secureVisitor(t, balancer.port);
    assert.equal(await say(late, `late ${round}`), `late ${round}`);
    late.destroy();
  }
  for (const [at, other] of others.entries()) assert.equal(await say(other, `other ${at}`), `other ${at}`);
  for (const other of others) other.destroy();
  await until('no connection is left', async () => / conn 0 /.test(await balancer.ask('servers')));
});
