import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { tcpBackend } from '../support/backend.js';
import { fixture, pem, serves } from '../support/certificates.js';
import { pen } from '../support/pen.js';
import { scratch } from '../support/scratch.js';

/** One request on a connection of its own: the answer, and whose certificate there was. */
function ask(port: number, servername: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername,
      ca: pem('ca.crt'),
      checkServerIdentity: () => undefined,
    });
    let text = '';
    socket.setTimeout(20_000, () => socket.destroy(new Error('no answer')));
    socket.on('secureConnect', () => socket.write('hello'));
    socket.on('data', (chunk) => {
      text += chunk;
      if (text !== 'hello') return;
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.end();
    });
    socket.on('error', reject).on('close', () => reject(new Error(`closed after '${text}'`)));
  });
}

function residentKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}

async function many(count: number, clients: number, one: (index: number) => Promise<void>): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < count) await one(next++);
  };
  await Promise.all(Array.from({ length: clients }, client));
}

test('20,000 connections under certificates that change all the time: none fails', { timeout: 600_000 }, async (t) => {
  const folder = scratch(t);
  const place = (name: string) => {
    for (const kind of ['crt', 'key']) copyFileSync(fixture(`${name}.${kind}`), join(folder, `now.${kind}`));
  };
  place('ec');
  const options = ['-E', join(folder, 'now.crt'), '-K', join(folder, 'now.key'), '-x', '1000'];
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options, threads: 2 });
  const seen = new Map<string, number>();
  const failures: string[] = [];
  let isOver = false;
  const swap = (async () => {
    for (let round = 0; !isOver; round++) {
      place(round % 2 === 0 ? 'wild' : 'ec');
      assert.equal(await balancer.ask('ssl_reload'), '');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  await many(20_000, 32, async () => {
    const name = await ask(balancer.port, 'localhost').catch((error: Error) => {
      failures.push(error.message);
      return 'failed';
    });
    seen.set(name, (seen.get(name) ?? 0) + 1);
  });
  isOver = true;
  await swap;
  assert.deepEqual(failures, []);
  assert.ok((seen.get('localhost') ?? 0) > 1000 && (seen.get('*.wild.example') ?? 0) > 1000, String([...seen]));
});

test('10,000 server names that nobody knows leave no memory behind', { timeout: 300_000 }, async (t) => {
  const folder = scratch(t);
  for (const kind of ['crt', 'key'])
    copyFileSync(fixture(`names/one.example.${kind}`), join(folder, `one.example.${kind}`));
  const options = [...serves('ec'), '-O', `ssl_sni_path ${folder}`];
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options });
  const strange = (index: number): Promise<string> => ask(balancer.port, `n${index}.example.net`);
  await many(3_000, 16, async (index) => void (await strange(index)));
  const before = residentKb(balancer.pid);
  await many(10_000, 16, async (index) => void (await strange(10_000 + index)));
  const grown = residentKb(balancer.pid) - before;
  assert.ok(grown < 12_000, `grown by ${grown} KB`);
});
