import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { tcpBackend } from '../support/backend.js';
import { exchange, readAll } from '../support/client.js';
import { pen } from '../support/pen.js';
import { until } from '../support/wait.js';
import { checksum, hear, noise, onEachEngine, visitor } from './engines.js';

const PAGE = noise(400_000, 4711);
const NO = noise(20_000, 413);

onEachEngine('a client that half-closes after its request gets 400 kB whole, 100 of 100', async (t, engine) => {
  const server = await tcpBackend(t, {
    serve: (socket) => socket.on('end', () => socket.end(PAGE)).resume(),
  });
  const balancer = await pen(t, { servers: [server], engine });
  const want = `${PAGE.length} ${checksum(PAGE)}`;
  const answers: string[] = [];
  const client = async (): Promise<void> => {
    while (answers.length < 100) {
      const place = answers.push('') - 1;
      const answer = await exchange(balancer.port, 'GET the page');
      answers[place] = `${answer.length} ${checksum(answer)}`;
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
  assert.deepEqual(
    answers.filter((answer) => answer !== want),
    [],
  );
});

onEachEngine('a server that half-closes first still gets the whole upload', async (t, engine) => {
  const uploads: Promise<Buffer>[] = [];
  const server = await tcpBackend(t, {
    serve: (socket) => {
      uploads.push(readAll(socket));
      socket.end('go ahead');
    },
  });
  const balancer = await pen(t, { servers: [server], engine });
  for (let round = 0; round < 10; round++) {
    const client = await visitor(t, balancer);
    assert.equal((await readAll(client)).toString(), 'go ahead');
    client.end(PAGE);
    const upload = await (uploads[round] as Promise<Buffer>);
    assert.equal(checksum(upload), checksum(PAGE), `upload ${round}: ${upload.length} bytes`);
  }
});

onEachEngine('both ends close in the end and no connection is left', async (t, engine) => {
  const server = await tcpBackend(t);
  const balancer = await pen(t, { servers: [server], engine });
  for (let round = 0; round < 5; round++) assert.equal((await exchange(balancer.port, 'echo')).toString(), 'echo');
  assert.match(await balancer.ask('servers'), / conn 0 .* sx 20 rx 20$/);
});

// As C Pen does: "up" is the server's side, "down" the client's; who has not ended yet is cut off.
const fastClose = [
  { mode: 'off', afterClient: 'late', afterServer: 'open' },
  { mode: 'up', afterClient: 'late', afterServer: 'closed' },
  { mode: 'down', afterClient: 'end', afterServer: 'open' },
  { mode: 'both', afterClient: 'end', afterServer: 'closed' },
] as const;

onEachEngine('tcp_fastclose closes both sides when the side it names has ended', async (t, engine) => {
  const met: Socket[] = [];
  const server = await tcpBackend(t, {
    serve: (socket) => {
      met.push(socket);
      socket.on('data', (chunk) => {
        if (String(chunk) === 'bye') socket.end('bye');
      });
      // Answers a client that has ended, but only after a while.
      socket.on('end', () => setTimeout(() => socket.end('late'), 150));
    },
  });
  const balancer = await pen(t, { servers: [server], engine });
  const connections = async (): Promise<number> => Number(/ conn (\d+) /.exec(await balancer.ask('servers'))?.[1]);
  const allGone = (): Promise<boolean> => until('no connection is left', async () => (await connections()) === 0);
  for (const { mode, afterClient, afterServer } of fastClose) {
    await balancer.ask(`tcp_fastclose ${mode}`);
    const ending = await visitor(t, balancer);
    ending.end('hello');
    assert.equal(await hear(ending), afterClient, `${mode}: the client ends`);
    await allGone();
    const left = await visitor(t, balancer);
    left.write('bye');
    assert.equal((await readAll(left)).toString(), 'bye');
    if (afterServer === 'open') {
      await sleep(50);
      assert.equal(await connections(), 1, `${mode}: the server ends`);
    } else await allGone();
    left.destroy();
    for (const socket of met) socket.destroy();
    await allGone();
  }
});

onEachEngine('an answer that comes before the request has ended is delivered whole', async (t, engine) => {
  // The server says no, ends, and resets whatever is still being sent to it.
  const server = await tcpBackend(t, {
    serve: (socket) =>
      socket.once('data', () => void socket.pause().end(NO, () => setTimeout(() => socket.destroy(), 200))),
  });
  const balancer = await pen(t, { servers: [server], engine });
  for (let i = 0; i < 10; i++) {
    const client = await visitor(t, balancer);
    let answer = 0;
    client.on('data', (data) => {
      answer += data.length;
    });
    const ended = new Promise((resolve) => client.on('end', resolve).on('close', resolve));
    client.write(noise(8_000_000, i));
    await ended;
    assert.equal(answer, NO.length);
  }
});

onEachEngine('a reset after the client has half-closed is passed on as a reset', async (t, engine) => {
  const server = await tcpBackend(t, {
    serve: (socket) => {
      socket.write('the beginning');
      socket.on('end', () => setTimeout(() => socket.resetAndDestroy(), 50)).resume();
    },
  });
  const balancer = await pen(t, { servers: [server], engine });
  const client = await visitor(t, balancer);
  client.end('request');
  assert.equal(await hear(client), 'the beginning');
  assert.equal(await hear(client), 'ECONNRESET');
});
