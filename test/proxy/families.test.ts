import assert from 'node:assert/strict';
import { join } from 'node:path';
import { tcpBackend } from '../support/backend.js';
import { exchange } from '../support/client.js';
import { pen } from '../support/pen.js';
import { scratch } from '../support/scratch.js';
import { checksum, noise, onEachEngine, visitor } from './engines.js';

const BODY = noise(100_000, 99);

const routes = [
  { listen: '127.0.0.1:0', server: '::1' },
  { listen: '[::1]:0', server: '127.0.0.1' },
  { listen: '[::1]:0', server: '::1' },
  { listen: 'unix', server: '127.0.0.1' },
  { listen: 'unix', server: '::1' },
] as const;

for (const route of routes) {
  onEachEngine(`${route.listen} relays to a server on ${route.server}`, async (t, engine) => {
    const server = await tcpBackend(t, { on: route.server });
    const listen = route.listen === 'unix' ? join(scratch(t), 'pen') : route.listen;
    const balancer = await pen(t, { listen, servers: [server], engine });
    const to =
      balancer.port === 0 ? listen : { host: route.listen.startsWith('[') ? '::1' : '127.0.0.1', port: balancer.port };
    assert.equal(checksum(await exchange(to, BODY)), checksum(BODY));
  });
}

onEachEngine(
  'an IPv4 client of a dual-stack listener is an IPv4 client to ACLs and in the tables',
  async (t, engine) => {
    const server = await tcpBackend(t);
    const options = ['-O', 'acl 1 deny 127.0.0.2', '-O', 'client_acl 1'];
    const balancer = await pen(t, { options, listen: '[::]:0', servers: [server], engine });
    assert.equal((await exchange({ host: '::1', port: balancer.port }, 'six')).toString(), 'six');
    assert.equal((await exchange(balancer.port, 'four')).toString(), 'four');
    const denied = await visitor(t, balancer, '127.0.0.2');
    denied.end('denied');
    assert.equal(await ending(denied), '');
    const recent = await balancer.ask('recent');
    assert.match(recent, /^127\.0\.0\.1 connects 1 /m);
    assert.match(recent, /^::1 connects 1 /m);
  },
);

onEachEngine('a Unix listener leaves no socket file behind', async (t, engine) => {
  const path = join(scratch(t), 'pen');
  for (let round = 0; round < 2; round++) {
    const balancer = await pen(t, { listen: path, servers: [await tcpBackend(t)], engine });
    assert.equal((await exchange(path, 'hello')).toString(), 'hello');
    await balancer.stop();
  }
});

/** Everything that comes before the connection is closed in whatever way. */
async function ending(socket: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  try {
    for await (const chunk of socket) text += chunk.toString();
  } catch {
    // Cut off.
  }
  return text;
}
