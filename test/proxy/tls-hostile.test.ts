/** TLS clients that keep to the letter of the protocol and mean no good, record by record. */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { tcpBackend } from '../support/backend.js';
import { pem, secureOver, secureVisitor, serves } from '../support/certificates.js';
import { readAll } from '../support/client.js';
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

onEachEngine("a server's stream that was cut does not become a whole one for a TLS client", async (t, engine) => {
  const server = createServer((raw) => {
    const secure = new TLSSocket(raw, { isServer: true, cert: pem('ec.crt'), key: pem('ec.key') });
    secure
      .on('error', () => {})
      .on('data', (what) => {
        if (String(what) === 'whole') secure.end('all of it');
        // Its FIN and nothing of TLS before it.
        else secure.write('half of it', () => raw.end());
      });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const options = [...serves('ec'), '-O', 'server 0 tls on'];
  const balancer = await pen(t, { servers: [`127.0.0.1:${port}`], options, engine });
  for (const [what, answer, isWhole] of [
    ['whole', 'all of it', true],
    ['half', 'half of it', false],
  ] as const) {
    const raw = await visitor(t, balancer);
    let wire = Buffer.alloc(0);
    raw.on('data', (chunk) => {
      wire = Buffer.concat([wire, chunk]);
    });
    const client = await secureOver(t, raw, async (chunk) => void raw.write(chunk), { minVersion: 'TLSv1.3' });
    client.write(what);
    assert.equal(String(await readAll(client)), answer);
    // An alert, sealed: two bytes, its kind, the check value.
    const isNotice = wire.subarray(-24, -19).equals(Buffer.of(23, 3, 3, 0, 19));
    assert.equal(isNotice, isWhole, what);
    client.destroy();
  }
  assert.match(await balancer.ask('ssl'), /\nservers full 2 resumed 0 failed 0 cut 1$/);
});
