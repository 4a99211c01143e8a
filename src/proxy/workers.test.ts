import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type IpEndpoint, ipEndpoint, parseIp } from '../core/address.js';
import { defaultSettings, emptyConfiguration, emptySlot, type Settings } from '../core/configuration.js';
import { AVAILABLE_ENGINES } from '../engine/choose.js';
import type { EngineName } from '../engine/engine.js';
import { transparencyObstacle } from '../sys/transparency.js';
import type { DataPlane } from './data-plane.js';
import { TRANSPARENCY } from './transparency.js';
import { type DataPlaneOptions, startDataPlane } from './workers.js';

const PATIENCE_MS = 10_000;
const THREADS = 4;

function local(port: number): IpEndpoint {
  return ipEndpoint(parseIp('127.0.0.1') as NonNullable<ReturnType<typeof parseIp>>, port);
}

async function until(what: string, probe: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!probe()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A server that sends back what it gets, and says who connected. */
async function echo(t: TestContext): Promise<{ port: number; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

interface Stage {
  readonly plane: DataPlane;
  readonly log: string[];
  /** A client that has been answered, or undefined if it was turned away. */
  client(from?: string): Promise<Socket | undefined>;
}

async function stage(
  t: TestContext,
  engine: EngineName,
  ports: number[],
  settings: Partial<Settings>,
  more: Partial<DataPlaneOptions> & { max?: number } = {},
): Promise<Stage> {
  const { max = 0, ...options } = more;
  const log: string[] = [];
  const plane = await startDataPlane({
    configuration: {
      ...emptyConfiguration,
      settings: { ...defaultSettings, threads: THREADS, ...settings },
      servers: ports.map((port) => ({ ...emptySlot, endpoint: local(port), max })),
    },
    listen: local(0),
    engine,
    seed: 1,
    log: (_level, line) => log.push(line),
    failed: (error) => log.push(`failed: ${error.message}`),
    ...options,
  });
  const sockets: Socket[] = [];
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    await plane.stop();
  });
  const { port } = plane.listening as IpEndpoint;
  const client = (from = '127.0.0.1') =>
    new Promise<Socket | undefined>((resolve) => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: from });
      sockets.push(socket);
      socket.on('error', () => resolve(undefined));
      socket.on('close', () => resolve(undefined));
      socket.once('data', () => resolve(socket));
      socket.write('hello');
    });
  return { plane, log, client };
}

for (const engine of AVAILABLE_ENGINES.filter((name) => name !== 'kqueue')) {
  test(`${engine}: max is exact over ${THREADS} workers`, async (t) => {
    const server = await echo(t);
    const { plane, client } = await stage(t, engine, [server.port], { roundRobin: true }, { max: 10 });
    const answered = (await Promise.all(Array.from({ length: 60 }, () => client()))).filter((socket) => socket);
    assert.equal(answered.length, 10);
    assert.equal(plane.servers.connections(0), 10);
    assert.equal(server.sockets.size, 10);
  });

  test(`${engine}: -x is exact over ${THREADS} workers, and nobody beyond it is dropped`, async (t) => {
    const server = await echo(t);
    const { plane, client } = await stage(t, engine, [server.port], { connectionsMax: 20 });
    let most = 0;
    let served = 0;
    const guests = Array.from({ length: 200 }, async () => {
      const socket = await client();
      most = Math.max(most, plane.connectionsInUse());
      if (socket !== undefined) served++;
      socket?.destroy();
    });
    await Promise.all(guests);
    assert.equal(served, 200);
    assert.ok(most <= 20, `${most} connections at a time`);
    await until('all places are given back', () => plane.connectionsInUse() === 0);
    assert.equal(plane.servers.connections(0), 0);
  });

  test(`${engine}: a tracked client meets its server whichever worker accepts`, async (t) => {
    const servers = await Promise.all([echo(t), echo(t), echo(t)]);
    const { plane, client } = await stage(
      t,
      engine,
      servers.map((server) => server.port),
      {},
    );
    for (let guest = 1; guest <= 12; guest++) {
      const from = `127.0.2.${guest}`;
      await client(from);
      const before = servers.map((_, slot) => plane.servers.connects(slot));
      await Promise.all(Array.from({ length: 12 }, () => client(from)));
      const met = servers.map((_, slot) => plane.servers.connects(slot) - before[slot]);
      assert.deepEqual([...met].sort(), [0, 0, 12], `${from} met ${met}`);
    }
  });

  test(`${engine}: a worker that dies takes its connections only and is replaced`, async (t) => {
    const server = await echo(t);
    const workerModule = new URL('./workers.suite.worker.js', import.meta.url);
    const { plane, log, client } = await stage(t, engine, [server.port], {}, { workerModule });
    const before = (await Promise.all(Array.from({ length: 40 }, () => client()))) as Socket[];
    let lost = 0;
    for (const socket of before) socket.on('close', () => lost++);
    assert.equal(plane.connectionsInUse(), 40);
    await new Promise((resolve) => setTimeout(resolve, 1100));

    assert.equal(await client('127.0.0.66'), undefined);
    await until('the log tells', () => log.some((line) => line.includes('died and is replaced')));
    await until('the books are settled', () => plane.connectionsInUse() === 40 - lost);

    assert.ok(lost > 0 && lost < 40, `${lost} of 40 connections lost`);
    assert.equal(plane.servers.connections(0), 40 - lost);
    assert.equal(plane.servers.pending(0), 0);
    const after = await Promise.all(Array.from({ length: 60 }, () => client()));
    assert.equal(after.filter((socket) => socket === undefined).length, 0);
    for (const socket of [...before, ...after]) socket?.destroy();
    await until('all places are given back', () => plane.connectionsInUse() === 0);
    assert.equal(plane.servers.connections(0), 0);
    assert.deepEqual(
      log.filter((line) => line.startsWith('failed')),
      [],
    );
  });
}

// Each is passed over without a connect: what one failure calls for the next must not pile up.
const obstacle = transparencyObstacle();
test('a client that none of 20,000 servers may be shown is turned away', { skip: obstacle || false }, async (t) => {
  const [engine] = AVAILABLE_ENGINES.filter((name) => name !== 'node');
  const servers = Array.from({ length: 20_000 }, (_, i) => {
    const words = parseIp(`192.0.${2 + (i >> 8)}.${i & 255}`) as NonNullable<ReturnType<typeof parseIp>>;
    return { ...emptySlot, endpoint: ipEndpoint(words, 80) };
  });
  const settings = { ...defaultSettings, threads: 1, transparent: 'address', transparentStrict: true } as const;
  const configuration = { ...emptyConfiguration, settings, servers };
  const { plane, log, client } = await stage(t, engine, [], {}, { configuration });
  assert.equal(await client(), undefined);
  await until('its place is free', () => plane.connectionsInUse() === 0);
  assert.equal(plane.transparency.read(TRANSPARENCY.refused), servers.length);
  assert.deepEqual(log, []);
});
