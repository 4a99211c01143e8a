/** PROXY headers of datagrams: from proxies, to servers, and through both. */
import assert from 'node:assert/strict';
import { formatIp, type IpWords, parseIp } from '../../src/core/address.js';
import { decodeProxyHeader } from '../../src/wire/proxy-protocol/decode.js';
import { encodeV1, encodeV2 } from '../../src/wire/proxy-protocol/encode.js';
import { type ProxyHeader, withoutAddresses } from '../../src/wire/proxy-protocol/header.js';
import { findTlv, TLV } from '../../src/wire/proxy-protocol/tlv.js';
import { type DatagramClient, datagramClient, datagramServer } from '../support/datagram.js';
import { pen } from '../support/pen.js';
import { until } from '../support/wait.js';
import { onEachEngine } from './engines.js';

/** A server that answers with what the header of a question says, and with the question. */
const teller = (name = '') => ({
  answer(question: Buffer): Buffer[] {
    const decoded = decodeProxyHeader(question, question.length);
    if (typeof decoded === 'string') return [Buffer.from(`${name}no header:${question}`)];
    const { source, sourcePort, destination, destinationPort, isDatagram, tlvs } = decoded.header;
    const from = `${formatIp(source)} ${sourcePort} > ${formatIp(destination)} ${destinationPort}`;
    const id = findTlv(tlvs, TLV.uniqueId);
    const said = `${name}${from}${isDatagram ? '' : ' no datagram'}${id ? ` id ${Buffer.from(id)}` : ''}:`;
    return [Buffer.concat([Buffer.from(said), question.subarray(decoded.length)])];
  },
});

const header = (source: string, port: number, changes: Partial<ProxyHeader> = {}): ProxyHeader => ({
  ...withoutAddresses('proxy'),
  family: 'ip',
  source: parseIp(source) as IpWords,
  sourcePort: port,
  destination: parseIp('192.0.2.53') as IpWords,
  destinationPort: 53,
  isDatagram: true,
  ...changes,
});

const said = (head: ProxyHeader, text: string): Buffer => Buffer.concat([encodeV2(head), Buffer.from(text)]);
const PROXY = ['-U', '-O', 'acl 4 permit 127.0.0.9', '-O', 'proxy_acl 4'];

onEachEngine('UDP: server N proxy v2 tells the server the client of each datagram', async (t, engine) => {
  const server = await datagramServer(t, teller());
  const options = ['-U', '-O', 'server 0 proxy v2'];
  const balancer = await pen(t, { engine, options, servers: [server] });
  for (const from of ['127.0.0.1', '127.0.0.31']) {
    const client = await datagramClient(t, balancer.port, from);
    for (const text of ['', 'a', 'odd', 'x'.repeat(1400)]) {
      assert.equal(await client.ask(text), `${from} ${client.port} > 127.0.0.1 ${balancer.port}:${text}`);
    }
    // All that fits into a datagram beside the header and what the server says.
    const large = 'y'.repeat(65_000);
    assert.ok((await client.ask(large)).endsWith(`:${large}`));
  }
  await balancer.ask('server 0 proxy off');
  const client = await datagramClient(t, balancer.port);
  assert.equal(await client.ask('plain'), 'no header:plain');
});

onEachEngine(
  'UDP: what is too large beside its header is no question that a server leaves unanswered',
  async (t, engine) => {
    const servers = [await datagramServer(t, teller()), await datagramServer(t, teller())];
    const options = ['-U', '-O', 'udp_expect 1', '-O', 'server 0 proxy v2', '-O', 'server 1 proxy v2'];
    const balancer = await pen(t, { engine, options, servers });
    const unsent = async () => /^unsent (\d+)$/m.exec(await balancer.ask('drops'))?.[1];
    const client = await datagramClient(t, balancer.port);
    assert.match(await client.ask('first'), /:first$/);
    client.send(Buffer.alloc(65_500));
    const beganMs = performance.now();
    await until('it is dropped', async () => (await unsent()) === '1');
    await until('a server would have failed', () => performance.now() - beganMs > 1500);
    assert.doesNotMatch(await balancer.ask('status'), /blacklisted for/);
    assert.equal(await unsent(), '1', 'it has not been sent again');
  },
);

onEachEngine('UDP: a wildcard listener says where the datagram was going', async (t, engine) => {
  const server = await datagramServer(t, teller());
  const balancer = await pen(t, {
    engine,
    listen: '0.0.0.0:0',
    options: ['-U', '-O', 'server 0 proxy v2'],
    servers: [server],
  });
  const client = await datagramClient(t, balancer.port);
  client.send('x', '127.0.0.5');
  // Node does not tell.
  const there = engine === 'node' ? '0.0.0.0' : '127.0.0.5';
  assert.equal(`${await client.hear()}`, `127.0.0.1 ${client.port} > ${there} ${balancer.port}:x`);
});

onEachEngine('UDP: a burst reaches the server whole, each datagram with its header', async (t, engine) => {
  const server = await datagramServer(t, teller());
  const balancer = await pen(t, { engine, options: ['-U', '-O', 'server 0 proxy v2'], servers: [server] });
  const client = await datagramClient(t, balancer.port);
  // More than a batch, less than the smallest receive buffer.
  const BURST = 80;
  const size = 900;
  // Stopped, so that the kernel joins what waits where it can.
  await client.ask('first');
  balancer.signal('SIGSTOP');
  for (let i = 0; i < BURST; i++) client.send(`${i} `.padEnd(size, 'z'));
  await new Promise((resolve) => setTimeout(resolve, 100));
  balancer.signal('SIGCONT');
  await until('all answers', () => client.heard.length === BURST);
  const got = client.heard.map(({ bytes }) => `${bytes}`);
  assert.deepEqual(
    new Set(got),
    new Set(
      Array.from(
        { length: BURST },
        (_, i) => `127.0.0.1 ${client.port} > 127.0.0.1 ${balancer.port}:${`${i} `.padEnd(size, 'z')}`,
      ),
    ),
  );
});

onEachEngine(
  'UDP: what a dead server has not answered is sent to the next, with one header or none',
  async (t, engine) => {
    const servers = [];
    for (const name of ['one ', 'two ', 'bare ']) servers.push(await datagramServer(t, teller(name)));
    const options = ['-U', '-b', '9', '-O', 'server 0 proxy v2', '-O', 'server 1 proxy v2'];
    const balancer = await pen(t, { engine, options, servers });
    const client = await datagramClient(t, balancer.port);
    const introduced = `127.0.0.1 ${client.port} > 127.0.0.1 ${balancer.port}:`;
    const seen: string[] = [];
    for (let i = 0; i < 3; i++) {
      const [name = '', ...rest] = (await client.ask('who?')).split(' ');
      assert.equal(rest.join(' '), name === 'bare' ? 'no header:who?' : `${introduced}who?`);
      seen.push(name);
      await servers[['one', 'two', 'bare'].indexOf(name)]?.kill();
    }
    assert.deepEqual(seen.sort(), ['bare', 'one', 'two']);
  },
);

onEachEngine(
  'UDP: proxy_acl: a proxy says whose datagram it is; ACLs, tracking and the next server believe it',
  async (t, engine) => {
    const server = await datagramServer(t, teller());
    const options = [
      ...PROXY,
      '-O',
      'acl 5 deny 203.0.113.0 255.255.255.0',
      '-O',
      'acl 5 permit 0.0.0.0 0.0.0.0',
      '-O',
      'client_acl 5',
    ];
    const balancer = await pen(t, { engine, options: [...options, '-O', 'server 0 proxy v2'], servers: [server] });
    const proxy = await datagramClient(t, balancer.port, '127.0.0.9');
    const id = { tlvs: Uint8Array.of(TLV.uniqueId, 0, 2, 0x71, 0x37) };
    assert.equal(
      await proxy.ask(said(header('198.51.100.7', 5353, id), 'hello')),
      '198.51.100.7 5353 > 192.0.2.53 53 id q7:hello',
    );
    assert.equal(await proxy.ask(said(header('198.51.100.7', 5353), '')), '198.51.100.7 5353 > 192.0.2.53 53 id q7:');
    assert.equal(
      await proxy.ask(said(withoutAddresses('local'), 'mine')),
      `127.0.0.9 ${proxy.port} > 127.0.0.1 ${balancer.port}:mine`,
    );
    assert.match(await balancer.ask('recent'), /^198\.51\.100\.7 connects 1 /m);
    proxy.send(said(header('203.0.113.6', 1), 'denied'));
    proxy.send('no header');
    proxy.send(Buffer.concat([encodeV1(header('198.51.100.7', 1)), Buffer.from('version 1')]));
    proxy.send(said(header('198.51.100.7', 1), '').subarray(0, 20));
    proxy.send('');
    await until('all are counted', async () =>
      /^denied 1\n(.*\n)*bad_proxy_header 4$/m.test(await balancer.ask('drops')),
    );
    // Whoever is no proxy cannot say who it is.
    const stranger = await datagramClient(t, balancer.port);
    const claim = said(header('198.51.100.7', 5353), 'x');
    const answer = await stranger.ask(claim);
    assert.ok(answer.startsWith(`127.0.0.1 ${stranger.port} > 127.0.0.1 ${balancer.port}:`), answer);
    assert.ok(answer.length > claim.length);
  },
);

onEachEngine('UDP: two sockets of proxies that ask for one client get their own answers', async (t, engine) => {
  const server = await datagramServer(t, teller());
  const balancer = await pen(t, { engine, options: PROXY, servers: [server] });
  const proxies: DatagramClient[] = [];
  for (let i = 0; i < 8; i++) proxies.push(await datagramClient(t, balancer.port, '127.0.0.9'));
  for (let round = 0; round < 20; round++) {
    for (const [i, proxy] of proxies.entries()) proxy.send(said(header('198.51.100.7', 999), `${i} ${round}`));
  }
  await until('all answers', () => proxies.every(({ heard }) => heard.length === 20));
  for (const [i, { heard }] of proxies.entries()) {
    assert.deepEqual(
      heard.map(({ bytes }) => `${bytes}`),
      Array.from({ length: 20 }, (_, round) => `no header:${i} ${round}`),
    );
  }
});
