/**
 * Datagrams that nobody meant: random lengths and bytes, from sources that cannot be answered, with tables full and
 * servers that come and go. Pen stays up, counts them, and goes on serving.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { libc } from '../../src/sys/libc.js';
import { mapAnonymous, unmap } from '../../src/sys/memory.js';
import { datagramClient, datagramServer } from '../support/datagram.js';
import { pen } from '../support/pen.js';
import { until } from '../support/wait.js';

const SEED = Number(process.env.PEN_FUZZ_SEED ?? 20_260_101);
const ROUNDS = Number(process.env.PEN_FUZZ_ROUNDS ?? 3_000);
const isRoot = process.getuid?.() === 0;

/** Sources that have no answer: nobody, everybody, multicast, broadcast, far away, ourselves. */
const SOURCES = [
  [0, 0, 0, 0],
  [255, 255, 255, 255],
  [224, 0, 0, 1],
  [127, 255, 255, 255],
  [192, 0, 2, 1],
  [127, 0, 0, 1],
] as const;

for (const engine of ['uring', 'epoll', 'node']) {
  test(`random datagrams are passed on or counted, and pen goes on (${engine})`, async (t) => {
    const dice = mulberry32(SEED);
    const servers = [await datagramServer(t), await datagramServer(t)];
    const options = ['-U', '-x', '5', '-b', '1', '-O', 'udp_expect 1'];
    const balancer = await pen(t, { engine, options, servers });
    const clients = await Promise.all(Array.from({ length: 12 }, () => datagramClient(t, balancer.port)));
    for (let round = 0; round < ROUNDS; round++) {
      const client = clients[Math.floor(dice() * clients.length)];
      const length = dice() < 0.02 ? Math.floor(dice() * 65_508) : Math.floor(dice() * 200);
      client.send(Buffer.alloc(length, Math.floor(dice() * 256)));
      if (round % 100 === 0)
        await until('an answer', () => clients.some(({ heard }) => heard.splice(0).length > 0)).catch(() => {});
      if (round % 500 === 250) await servers[0].kill();
      if (round % 500 === 499) await servers[0].revive();
    }
    assert.equal(await (await datagramClient(t, balancer.port)).ask('still there'), 'still there', `seed ${SEED}`);
    assert.match(await balancer.ask('servers'), /conn [0-5] .*\n.* conn [0-5] /);
  });

  test(`datagrams from spoofed sources do no harm (${engine})`, {
    skip: isRoot ? false : 'needs root: raw sockets',
  }, async (t) => {
    const dice = mulberry32(SEED);
    const server = await datagramServer(t);
    const balancer = await pen(t, { engine, options: ['-U', '-x', '20'], servers: [server] });
    const client = await datagramClient(t, balancer.port);
    const raw = new RawSocket(balancer.port);
    t.after(() => raw.close());
    for (let round = 0; round < ROUNDS; round++) {
      const source = SOURCES[Math.floor(dice() * SOURCES.length)];
      // Port 0 is a source that nobody can write to; an answer to the listener itself would go round for ever.
      const anyone = 1 + Math.floor(dice() * 65_535);
      // The two who do take part would be answered, or answer, what they have never sent.
      const stranger = anyone === client.port || anyone === server.port ? 1 : anyone;
      const port = dice() < 0.3 ? 0 : dice() < 0.1 ? balancer.port : stranger;
      // The length in the header may say more or less than there is.
      raw.send(source, port, Math.floor(dice() * 64), dice() < 0.1 ? Math.floor(dice() * 65_536) : 0);
      if (round % 200 === 0) assert.equal(await client.ask(`${round}`), `${round}`, `seed ${SEED}`);
    }
    assert.equal(await client.ask('still there'), 'still there', `seed ${SEED}`);
    await until('what cannot be answered is counted', async () => !/^unsent 0$/m.test(await balancer.ask('drops')));
    await until('what would go round is counted', async () => !/^loop 0$/m.test(await balancer.ask('drops')));
    // Whatever went round would still do so.
    const seen = server.count();
    assert.equal(await client.ask('quiet?'), 'quiet?');
    assert.ok(server.count() <= seen + 2, `${server.count() - seen} datagrams to the server for one`);
  });
}

/** UDP packets with headers of our own (raw(7): IPPROTO_RAW implies IP_HDRINCL). */
class RawSocket {
  readonly #fd: number;
  readonly #memory = mapAnonymous(4096);
  readonly #view = new DataView(this.#memory.buffer);
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
    this.#fd = libc().socket(2, 3, 255);
    assert.ok(this.#fd >= 0, 'a raw socket');
    this.#view.setUint16(3000, 2, true);
    this.#view.setUint32(3004, 0x7f000001);
    assert.equal(libc().connect(this.#fd, this.#memory.address + 3000, 16), 0);
  }

  /** `claims`: the length that the UDP header has instead of the true one, 0 for the true one. */
  send(source: readonly number[], sourcePort: number, length: number, claims: number): void {
    const view = this.#view;
    view.setUint8(0, 0x45);
    view.setUint16(2, 28 + length);
    view.setUint32(4, 0);
    view.setUint8(8, 64);
    view.setUint8(9, 17);
    for (const [i, byte] of source.entries()) view.setUint8(12 + i, byte);
    view.setUint32(16, 0x7f000001);
    view.setUint16(20, sourcePort);
    view.setUint16(22, this.#port);
    view.setUint16(24, claims || 8 + length);
    view.setUint16(26, 0);
    libc().send(this.#fd, this.#memory.address, 28 + length, 0x40);
  }

  close(): void {
    libc().close(this.#fd);
    unmap(this.#memory);
  }
}

function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
