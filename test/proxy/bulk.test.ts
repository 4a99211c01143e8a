import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { tcpBackend } from '../support/backend.js';
import { pen } from '../support/pen.js';
import { checksum, noise, onEachEngine, visitor } from './engines.js';

const UP = noise(20 << 20, 1);
const DOWN = noise(20 << 20, 2);
/** What may come on top of an idle pen: the pools, and what Node's heap takes for a while. */
const MEMORY_LIMIT_KB = 80 << 10;

onEachEngine('20 MB each way at once between slow readers arrive whole in bounded memory', async (t, engine) => {
  let uploaded: Promise<string> | undefined;
  const server = await tcpBackend(t, {
    serve: (socket) => {
      uploaded = readSlowly(socket);
      socket.end(DOWN);
    },
  });
  const balancer = await pen(t, { servers: [server], engine });
  const before = residentKb(balancer.pid);
  let peak = before;
  const sampling = setInterval(() => {
    peak = Math.max(peak, residentKb(balancer.pid));
  }, 20);
  t.after(() => clearInterval(sampling));
  const client = await visitor(t, balancer);
  const downloaded = readSlowly(client);
  client.end(UP);
  assert.equal(await downloaded, checksum(DOWN));
  assert.equal(await uploaded, checksum(UP));
  assert.ok(peak - before < MEMORY_LIMIT_KB, `memory grew by ${peak - before} kB`);
});

onEachEngine('a client that reads nothing holds back its server, and nobody else', async (t, engine) => {
  const senders: Socket[] = [];
  const server = await tcpBackend(t, {
    serve: (socket) => {
      socket.once('data', (chunk) => {
        if (String(chunk) === 'flood') senders.push(socket);
        socket.write(String(chunk) === 'flood' ? DOWN : 'quick answer');
      });
    },
  });
  const balancer = await pen(t, { servers: [server], engine });
  const stuck = await visitor(t, balancer);
  stuck.pause();
  stuck.write('flood');
  await sleep(300);
  assert.ok((senders[0] as Socket).writableLength > 0, 'the server cannot get rid of 20 MB');
  for (let round = 0; round < 5; round++) {
    const other = await visitor(t, balancer);
    other.write('hello');
    const [answer] = await other.take(1).toArray();
    assert.equal(String(answer), 'quick answer');
  }
});

/** The checksum of everything, read with a rest after each megabyte. */
async function readSlowly(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  let untilRest = 1 << 20;
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk);
    untilRest -= chunk.length;
    if (untilRest > 0) continue;
    untilRest = 1 << 20;
    await sleep(10);
  }
  return checksum(Buffer.concat(chunks));
}

/** Resident memory of a process; 0 where there is no /proc. */
function residentKb(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
