import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { type IpWords, parseIp } from '../../src/core/address.js';
import { encodeV2 } from '../../src/wire/proxy-protocol/encode.js';
import { type ProxyHeader, withoutAddresses } from '../../src/wire/proxy-protocol/header.js';
import { tlsTlvs } from '../../src/wire/proxy-protocol/tlv.js';
import { type Backend, tcpBackend } from '../support/backend.js';
import type { Scene } from '../support/ending.js';
import { pen } from '../support/pen.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';
import { hear, onEachEngine, say, visitor } from './engines.js';

/** Bytes after which everything, its own included, is sent back as base 16 when the client has said `.`. */
function recorder(t: Scene, name?: string): Promise<Backend> {
  return tcpBackend(t, {
    ...(name !== undefined && { name }),
    serve(socket) {
      let all = Buffer.alloc(0);
      socket.on('data', (chunk: Buffer) => {
        all = Buffer.concat([all, chunk]);
        if (all.at(-1) === 0x2e) socket.write(`${name ?? ''}${all.toString('latin1')}`, 'latin1');
      });
    },
  });
}

const header = (source: string, changes: Partial<ProxyHeader> = {}): ProxyHeader => ({
  ...withoutAddresses('proxy'),
  family: 'ip',
  source: parseIp(source) as IpWords,
  sourcePort: 4321,
  destination: parseIp('192.0.2.80') as IpWords,
  destinationPort: 80,
  ...changes,
});

onEachEngine('server N proxy v1, v2: servers are told the client before its first byte', async (t, engine) => {
  for (const [version, want] of [
    ['v1', (port: number, to: number) => `PROXY TCP4 127.0.0.5 127.0.0.1 ${port} ${to}\r\nhi.`],
    [
      'v2',
      (port: number, to: number) =>
        `${Buffer.from(encodeV2(header('127.0.0.5', { sourcePort: port, destination: parseIp('127.0.0.1') as IpWords, destinationPort: to }))).toString('latin1')}hi.`,
    ],
  ] as const) {
    const options = ['-O', `server 0 proxy ${version}`];
    const balancer = await pen(t, { engine, options, listen: '0.0.0.0:0', servers: [await recorder(t)] });
    const client = await visitor(t, balancer, '127.0.0.5');
    client.setEncoding('latin1').write('hi.');
    assert.equal(await hear(client), want(client.localPort as number, balancer.port));
  }
});

onEachEngine('server N proxy: idlers get their header when a client takes them', async (t, engine) => {
  const options = ['-O', 'server 0 proxy v1', '-O', 'idlers 2'];
  const balancer = await pen(t, { engine, options, servers: [await recorder(t)] });
  await until('idlers are there', async () => (await balancer.ask('idlers')) === 'Idlers: 2/2');
  const client = await visitor(t, balancer);
  assert.match(await say(client, 'hi.'), /^PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\nhi\.$/);
});

onEachEngine('server N proxy: a client of a Unix socket is said to be unknown', async (t, engine) => {
  const listen = join(scratch(t), 'socket');
  const balancer = await pen(t, { engine, listen, options: ['-O', 'server 0 proxy v1'], servers: [await recorder(t)] });
  assert.equal(await say(await visitor(t, { port: 0, address: listen }), 'hi.'), 'PROXY UNKNOWN\r\nhi.');
  assert.ok(balancer.pid > 0);
});

onEachEngine(
  'proxy_acl: the client of the header counts, for ACLs, tracking and recent, in any pieces',
  async (t, engine) => {
    const options = [
      '-O',
      'acl 1 permit 127.0.0.1',
      '-O',
      'proxy_acl 1',
      '-O',
      'acl 2 deny 198.51.100.66',
      '-O',
      'client_acl 2',
      '-O',
      'server 0 proxy v1',
    ];
    const balancer = await pen(t, { engine, options, servers: [await recorder(t)] });
    const ask = async (pieces: readonly (string | Uint8Array)[]): Promise<string> => {
      const client = await visitor(t, balancer);
      client.setNoDelay(true);
      for (const piece of pieces) {
        client.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      return hear(client);
    };
    const v1 = 'PROXY TCP4 198.51.100.7 192.0.2.80 4321 80\r\n';
    assert.equal(await ask([`${v1}hi.`]), `${v1}hi.`);
    assert.equal(await ask([...`${v1}hi.`]), `${v1}hi.`);
    assert.equal(await ask([encodeV2(header('198.51.100.7')), 'hi.']), `${v1}hi.`);
    const v6 = header('2001:db8::7', { destination: parseIp('::1') as IpWords });
    assert.equal(
      await ask([...Buffer.from(encodeV2(v6))].map((octet) => Buffer.from([octet])).concat(Buffer.from('hi.'))),
      'PROXY TCP6 2001:db8::7 ::1 4321 80\r\nhi.',
    );
    // What it says after it has been closed is answered by a reset.
    assert.match(await ask([encodeV2(header('198.51.100.66')), 'hi.']), /^(end|ECONNRESET)$/);
    // The proxy speaks for itself.
    assert.match(await ask([encodeV2(withoutAddresses('local')), 'hi.']), /^PROXY TCP4 127\.0\.0\.1 /);
    const recent = await balancer.ask('recent');
    assert.match(recent, /^198\.51\.100\.7 connects 3 /m);
    assert.match(recent, /^2001:db8::7 connects 1 /m);
    // Who is no proxy may not say so: the bytes are its own.
    const stranger = await visitor(t, balancer, '127.0.0.2');
    assert.match(await say(stranger, `${v1}hi.`), /^PROXY TCP4 127\.0\.0\.2 .*\r\nPROXY TCP4 198.*hi\.$/s);
  },
);

onEachEngine(
  'proxy_acl: what is no header, or comes too late, closes the connection and is counted',
  async (t, engine) => {
    const options = ['-O', 'proxy_acl 0', '-O', 'head_timeout 1'];
    const server = await recorder(t);
    const balancer = await pen(t, { engine, options, servers: [server] });
    const bad: Socket[] = [];
    for (const text of ['GET / HTTP/1.1\r\n\r\n', '\r\n\r\n\0\r\nNOPE', 'PROXY TCP4 1.2.3.4\r\n']) {
      const client = await visitor(t, balancer);
      client.write(text);
      bad.push(client);
    }
    for (const client of bad) assert.match(await hear(client), /^(end|ECONNRESET)$/);
    const late = await visitor(t, balancer);
    late.write('PROXY TC');
    assert.equal(await hear(late), 'end');
    const gone = await visitor(t, balancer);
    gone.end('PROXY');
    assert.equal(await hear(gone), 'end');
    assert.match(await balancer.ask('refusals'), /bad_proxy_header 3\nno_proxy_header 2\n/);
    assert.equal(server.count(), 0);
  },
);

onEachEngine('PROXY v2 through pen keeps what it says of TLS, and requests say https', async (t, engine) => {
  const tlvs = tlsTlvs({
    version: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    serverName: 'a.example',
    commonName: 'Eve',
  });
  const from = Buffer.from(encodeV2(header('198.51.100.7', { tlvs })));
  const servers = [await recorder(t)];
  const first = await pen(t, { engine, options: ['-O', 'proxy_acl 0', '-O', 'server 0 proxy v2'], servers });
  const client = await visitor(t, first);
  client.setEncoding('latin1').write(Buffer.concat([from, Buffer.from('hi.')]));
  assert.equal(await hear(client), `${from.toString('latin1')}hi.`);
  const web = await pen(t, { engine, options: ['-H', '-O', 'proxy_acl 0'], servers });
  const browser = await visitor(t, web);
  browser.write(Buffer.concat([from, Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n.')]));
  assert.equal(
    await hear(browser),
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\r\n.',
  );
});
