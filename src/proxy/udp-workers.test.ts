import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type IpEndpoint, ipEndpoint, parseIp } from '../core/address.js';
import { defaultSettings, emptyConfiguration, emptySlot, type Settings } from '../core/configuration.js';
import { AVAILABLE_ENGINES } from '../engine/choose.js';
import type { EngineName } from '../engine/engine.js';
import { type DataPlaneOptions, startDataPlane } from './workers.js';

const THREADS = 4;
const PATIENCE_MS = 10_000;

function local(port: number): IpEndpoint {
  return ipEndpoint(parseIp('127.0.0.1') as NonNullable<ReturnType<typeof parseIp>>, port);
}

async function open(t: TestContext, address = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  socket.on('error', () => {}).bind(0, address);
  t.after(() => socket.close());
  await once(socket, 'listening');
  return socket;
}

async function stage(
  t: TestContext,
  engine: EngineName,
  settings: Partial<Settings>,
  options: Partial<DataPlaneOptions> & { max?: number } = {},
) {
  const server = await open(t);
  server.on('message', (bytes, from) => server.send(bytes, from.port, from.address));
  const log: string[] = [];
  const { max = 0, ...more } = options;
  const plane = await startDataPlane({
    configuration: {
      ...emptyConfiguration,
      settings: { ...defaultSettings, udp: true, threads: THREADS, ...settings },
      servers: [{ ...emptySlot, endpoint: local(server.address().port), max }],
    },
    listen: local(0),
    engine,
    seed: 1,
    log: (_level, line) => log.push(line),
    failed: (error) => log.push(`failed: ${error.message}`),
    ...more,
  });
  t.after(() => plane.stop());
  const { port } = plane.listening as IpEndpoint;
  /** True if the question comes back within `patienceMs`. */
  const ask = async (socket: Socket, patienceMs: number) => {
    const answer = once(socket, 'message').then(() => true);
    socket.send('hello', port, '127.0.0.1');
    return Promise.race([answer, sleep(patienceMs, false, { ref: false })]);
  };
  const drops = (reason: string) => plane.drops().find(([name]) => name === reason)?.[1];
  return { plane, log, ask, drops, port };
}

async function until(what: string, probe: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await probe())) {
    assert.ok(performance.now() < deadline, `waited in vain: ${what}`);
    await sleep(5);
  }
}

for (const engine of AVAILABLE_ENGINES.filter((name) => name !== 'kqueue' && name !== 'poll')) {
  test(`${engine}: UDP's max is exact over ${THREADS} workers`, async (t) => {
    const { plane, ask } = await stage(t, engine, {}, { max: 10 });
    const clients = await Promise.all(Array.from({ length: 60 }, () => open(t)));
    const answered = await Promise.all(clients.map((client) => ask(client, 500)));
    assert.equal(answered.filter(Boolean).length, 10);
    assert.equal(plane.servers.connections(0), 10);
  });

  test(`${engine}: UDP's -x is exact over ${THREADS} workers, and every client is served in the end`, async (t) => {
    const { plane, ask, drops } = await stage(t, engine, { connectionsMax: 8 });
    let most = 0;
    for (let i = 0; i < 60; i++) {
      const client = await open(t);
      // A worker without a session of its own has to ask the others for a place.
      await until(`client ${i} is answered`, () => ask(client, 100));
      most = Math.max(most, plane.connectionsInUse());
    }
    assert.equal(most, 8);
    assert.equal(plane.servers.connections(0), plane.connectionsInUse());
    assert.ok((drops('evicted') ?? 0) >= 52);
  });

  test(`${engine}: a UDP worker that dies gives everything back and is replaced`, async (t) => {
    const { plane, log, ask, port } = await stage(
      t,
      engine,
      {},
      {
        workerModule: new URL('./workers.suite.worker.js', import.meta.url),
      },
    );
    const clients = await Promise.all(Array.from({ length: 40 }, () => open(t)));
    assert.ok((await Promise.all(clients.map((client) => ask(client, 2000)))).every(Boolean));
    assert.equal(plane.connectionsInUse(), 40);
    // A worker that dies young is not replaced.
    await sleep(1100);
    (await open(t, '127.0.0.66')).send('die', port, '127.0.0.1');
    await until('a worker dies', () => log.some((line) => /died and is replaced/.test(line)));
    for (const client of clients) await until('each client is served again', () => ask(client, 200));
    assert.equal(plane.connectionsInUse(), 40);
    assert.equal(plane.servers.connections(0), 40);
    assert.ok(!log.some((line) => line.startsWith('failed')), `${log}`);
  });
}
