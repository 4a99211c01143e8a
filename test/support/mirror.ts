/** A server that shows what it was told of its clients, and many clients that look whether it is right. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';
import { type Backend, backend } from './backend.js';
import type { Scene } from './ending.js';

/** A server that answers with what it was told of the client, and of the request. */
export function mirror(t: Scene): Promise<Backend> {
  return backend(t, {
    answer(incoming, response) {
      const hash = createHash('sha256');
      incoming.on('data', (chunk: Buffer) => hash.update(chunk));
      incoming.on('end', () => {
        const { method, url, rawHeaders } = incoming;
        const fields: string[] = [];
        for (let i = 0; i < rawHeaders.length; i += 2) fields.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
        response.end(`${method} ${url} ${hash.digest('hex').slice(0, 8)} | ${fields.join(' | ')}\n`);
      });
    },
  });
}

/** Asks a mirror behind the balancer from 200 addresses at once, over connections that stay, and that `rounds` times. */
export async function askInTurn({ port }: { readonly port: number }, rounds: number): Promise<void> {
  const clients = Array.from({ length: 200 }, (_, i) => ({
    address: `127.0.7.${i + 1}`,
    agent: new Agent({ keepAlive: true, maxSockets: 1 }),
  }));
  const ask = (address: string, agent: Agent): Promise<string> =>
    new Promise((resolve, reject) => {
      const asking = request({ port, host: '127.0.0.1', localAddress: address, agent }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => resolve(text));
      });
      asking.on('error', reject).end();
    });
  for (let round = 0; round < rounds; round++) {
    const answers = await Promise.all(clients.map(({ address, agent }) => ask(address, agent)));
    for (const [i, text] of answers.entries()) {
      assert.ok(text.includes(`| X-Forwarded-For: ${clients[i]?.address} |`), `${clients[i]?.address} got ${text}`);
    }
  }
  for (const { agent } of clients) agent.destroy();
}
