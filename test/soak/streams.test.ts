/** Half-closes lose no byte, slow readers cost no memory. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { tcpBackend } from '../support/backend.js';
import { dial, exchange } from '../support/client.js';
import { pen } from '../support/pen.js';
import { within } from '../support/wait.js';

const MB = 1 << 20;
const sha = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

for (const engine of ['uring', 'node']) {
  test(`${engine}: 400 kB to clients that half-close after their request: 1,000 of 1,000 whole`, async (t) => {
    const answer = randomBytes(400_000);
    // The answer begins when the request has ended: the client's half-close must reach the server.
    const server = await tcpBackend(t, { serve: (socket) => socket.on('end', () => socket.end(answer)).resume() });
    const { port } = await pen(t, { engine, servers: [server] });
    const wanted = sha(answer);
    let whole = 0;
    const client = async () => {
      for (let i = 0; i < 50; i++) if (sha(await exchange(port, 'GET everything')) === wanted) whole++;
    };
    await Promise.all(Array.from({ length: 20 }, client));
    t.diagnostic(`${engine}: ${whole} of 1000 whole`);
    assert.equal(whole, 1000);
  });

  test(`${engine}: 100 MB both ways at once through slow readers: equal bytes, bounded memory`, async (t) => {
    const chunk = randomBytes(MB);
    const total = 100;
    const sent = createHash('sha256');
    for (let i = 0; i < total; i++) sent.update(chunk);
    const wanted = sent.digest('hex');
    const results: Promise<string>[] = [];
    const talk = (socket: Socket) => {
      results.push(readSlowly(socket));
      void writeAll(socket, chunk, total);
    };
    const server = await tcpBackend(t, { serve: talk });
    const balancer = await pen(t, { engine, servers: [server] });
    const memoryBefore = residentBytes(balancer.pid);
    let peak = 0;
    const watch = setInterval(() => {
      peak = Math.max(peak, residentBytes(balancer.pid));
    }, 50);
    try {
      const client = await dial(balancer.port);
      talk(client);
      await within('the server side', (async () => results.length === 2 || sleep(1000))());
      const sums = await within('both directions', Promise.all(results), 300_000);
      client.destroy();
      const grown = (peak - memoryBefore) / MB;
      t.diagnostic(`${engine}: 2 x ${total} MB, peak memory ${grown.toFixed(1)} MB above the start`);
      assert.deepEqual(sums, [wanted, wanted]);
      // Node's own heap and compiled code grow by some tens of MB whatever is relayed; 200 MB went through.
      assert.ok(grown < 64, `memory grew by ${grown.toFixed(1)} MB`);
    } finally {
      clearInterval(watch);
    }
  });
}

/** Reads with a pause every 4 MB; the digest of all of it. */
async function readSlowly(socket: Socket): Promise<string> {
  const hash = createHash('sha256');
  let sincePause = 0;
  // Reading to the end must not destroy the socket: it may still have much to send.
  for await (const data of socket.iterator({ destroyOnReturn: false })) {
    hash.update(data as Buffer);
    sincePause += (data as Buffer).length;
    if (sincePause > 4 * MB) {
      sincePause = 0;
      await sleep(20);
    }
  }
  return hash.digest('hex');
}

async function writeAll(socket: Socket, chunk: Buffer, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  socket.end();
}

function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}
