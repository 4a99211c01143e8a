/** What a client that came by TLS is to the mechanisms that read what it says, and to those that tell servers of it. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { type IpWords, parseIp } from '../../src/core/address.js';
import { decodeProxyHeader } from '../../src/wire/proxy-protocol/decode.js';
import { encodeV2 } from '../../src/wire/proxy-protocol/encode.js';
import { withoutAddresses } from '../../src/wire/proxy-protocol/header.js';
import { tlsTlvs } from '../../src/wire/proxy-protocol/tlv.js';
import { type Backend, tcpBackend } from '../support/backend.js';
import { fixture, pem, secureOver, secureServer, secureVisitor, serves } from '../support/certificates.js';
import type { Scene } from '../support/ending.js';
import { pen } from '../support/pen.js';
import { until, within } from '../support/wait.js';
import { hear, onEachEngine, say, visitor } from './engines.js';

/** Sends back everything, once it ends in a dot. */
function recorder(t: Scene, name = ''): Promise<Backend> {
  return tcpBackend(t, {
    serve(socket) {
      let all = Buffer.alloc(0);
      socket.on('end', () => socket.end());
      socket.on('data', (chunk: Buffer) => {
        all = Buffer.concat([all, chunk]);
        if (all.at(-1) === 0x2e) socket.write(name + all.toString('latin1'), 'latin1');
      });
    },
  });
}

const alice = { cert: pem('client.crt'), key: pem('client.key') };
const commands = (...lines: string[]): string[] => lines.flatMap((line) => ['-O', line]);

onEachEngine('http: requests by TLS say https and whose certificate there was, every one', async (t, engine) => {
  const options = [...serves('ec'), ...commands(`ssl_ca_file ${fixture('ca.crt')}`, 'ssl_verify optional'), '-H'];
  const balancer = await pen(t, { engine, options, servers: [await tcpBackend(t)] });
  for (const [who, line] of [
    [alice, 'X-Forwarded-Client-Cert: Subject="CN=alice,O=Example"\r\n'],
    [{}, ''],
  ] as const) {
    const client = await secureVisitor(t, balancer.port, who);
    for (const spoof of ['', 'X-Forwarded-Client-Cert: Subject="CN=root"\r\n']) {
      const want = `GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n${line}\r\n`;
      assert.equal(await say(client, `GET / HTTP/1.1\r\nHost: a\r\n${spoof}\r\n`), want);
    }
  }
  const wrong = await secureVisitor(t, balancer.port);
  assert.match(await say(wrong, 'GET / HTTP/1.1\nHost: a\n\n'), /^HTTP\/1\.1 400 /);
});

onEachEngine('http by TLS: a WebSocket passes, 300 kB of frames both ways', async (t, engine) => {
  const key = randomBytes(16).toString('base64');
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  const server = await tcpBackend(t, {
    serve(socket) {
      socket.once('data', (head) => {
        assert.match(String(head), /Upgrade: websocket\r\n.*X-Forwarded-Proto: https\r\n/s);
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
        );
        socket.pipe(socket);
      });
    },
  });
  const balancer = await pen(t, { engine, options: [...serves('ec'), '-H'], servers: [server] });
  const client = await secureVisitor(t, balancer.port);
  const upgrade = `GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`;
  assert.match(await say(client, upgrade), /^HTTP\/1\.1 101 .*Sec-WebSocket-Accept: /s);
  // One binary frame with a 64-bit length: what looks like requests in it is nobody's business.
  const frame = Buffer.concat([
    Buffer.of(0x82, 127, 0, 0, 0, 0, 0, 4, 0x93, 0xe0),
    Buffer.alloc(300_000, 'GET / HTTP/1.1\n'),
  ]);
  const back: Buffer[] = [];
  let bytes = 0;
  const whole = new Promise<void>((resolve) => {
    client.on('data', (chunk: Buffer) => {
      back.push(chunk);
      bytes += chunk.length;
      if (bytes === frame.length) resolve();
    });
  });
  client.resume().write(frame);
  await within('the echo', whole);
  assert.ok(Buffer.concat(back).equals(frame));
});

onEachEngine('server N proxy v2: servers learn of the TLS that we have terminated', async (t, engine) => {
  const options = [...serves('ec'), '-R', '-G', fixture('ca.crt'), ...commands('server 0 proxy v2', 'ssl_alpn h2')];
  const balancer = await pen(t, { engine, options, servers: [await recorder(t)] });
  const client = await secureVisitor(t, balancer.port, { ...alice, ALPNProtocols: ['h2'] });
  const bytes = Buffer.from(await say(client.setEncoding('latin1') as TLSSocket, 'hi.'), 'latin1');
  const decoded = decodeProxyHeader(bytes, bytes.length);
  assert.ok(typeof decoded !== 'string');
  assert.equal(bytes.toString('latin1', decoded.length), 'hi.');
  const facts = {
    version: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    serverName: 'localhost',
    alpn: 'h2',
    commonName: 'alice',
    isVerified: true,
  };
  assert.deepEqual(Buffer.from(decoded.header.tlvs), Buffer.from(tlsTlvs(facts)));
  assert.equal(decoded.header.sourcePort, client.localPort);
});

onEachEngine('server N proxy with tls: the header comes before the handshake', async (t, engine) => {
  const secure = await secureServer(t, 'secure', { cert: pem('ec.crt'), key: pem('ec.key') });
  const headers: string[] = [];
  const server = await tcpBackend(t, {
    serve(socket) {
      socket.once('data', (chunk: Buffer) => {
        const end = chunk.indexOf('\r\n') + 2;
        headers.push(String(chunk.subarray(0, end)));
        const inner = connect(secure.port, '127.0.0.1');
        inner.on('error', () => {}).write(chunk.subarray(end));
        socket.pipe(inner).pipe(socket);
      });
    },
  });
  const options = commands(`ssl_server_ca ${fixture('ca.crt')}`, 'server 0 proxy v1 tls verify sni localhost');
  const balancer = await pen(t, { engine, options, servers: [server] });
  for (let round = 0; round < 3; round++) {
    const client = await visitor(t, balancer);
    assert.equal(await hear(client), 'secure\n');
    assert.equal(await say(client, 'hello'), 'hello');
    assert.equal(headers[round], `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.localPort} ${balancer.port}\r\n`);
  }
  assert.match(await balancer.ask('idlers 2'), /idlers know no client/);
});

onEachEngine('proxy_acl and TLS: the header is read, then the handshake, in one piece or many', async (t, engine) => {
  const options = [
    ...serves('ec'),
    ...commands(
      'acl 1 permit 127.0.0.1',
      'proxy_acl 1',
      'acl 2 deny 198.51.100.66',
      'client_acl 2',
      'server 0 proxy v1',
    ),
  ];
  const balancer = await pen(t, { engine, options, servers: [await recorder(t)] });
  const header = (source: string): Uint8Array =>
    encodeV2({
      ...withoutAddresses('proxy'),
      family: 'ip',
      source: parseIp(source) as IpWords,
      sourcePort: 4321,
      destination: parseIp('192.0.2.80') as IpWords,
      destinationPort: 443,
    });
  for (const isSplit of [false, true]) {
    const raw = await visitor(t, balancer);
    raw.setNoDelay(true);
    let before: Uint8Array | undefined = header('192.0.2.7');
    // The ClientHello leaves with the header, or cut behind its first byte.
    const client = await secureOver(t, raw, async (chunk) => {
      const whole = before === undefined ? chunk : Buffer.concat([before, chunk]);
      const cut = before !== undefined && isSplit ? before.length + 1 : whole.length;
      before = undefined;
      raw.write(whole.subarray(0, cut));
      if (cut === whole.length) return;
      await sleep(20);
      raw.write(whole.subarray(cut));
    });
    assert.equal(await say(client, 'hi.'), 'PROXY TCP4 192.0.2.7 192.0.2.80 4321 443\r\nhi.');
  }
  const denied = await visitor(t, balancer);
  denied.write(header('198.51.100.66'));
  assert.match(await hear(denied), /^(end|ECONNRESET)$/);
});

onEachEngine('peek and TLS: the name of the handshake chooses, or the Host of the request', async (t, engine) => {
  const servers = [await recorder(t, 'one:'), await recorder(t, 'two:'), await recorder(t, 'rest:')];
  const routes = ['peek', 'server 0 name one.example', 'server 1 name two.example'];
  const balancer = await pen(t, { engine, options: ['-r', ...serves('ec'), ...commands(...routes)], servers });
  for (const [servername, host, want] of [
    ['one.example', 'two.example', 'one'],
    ['TWO.example', 'one.example', 'two'],
    ['three.example', 'one.example', 'rest'],
    ['', 'one.example', 'one'],
    ['', 'four.example', 'rest'],
  ] as const) {
    const client = await secureVisitor(t, balancer.port, { servername, rejectUnauthorized: false });
    const request = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n.`;
    assert.equal(await say(client, request), `${want}:${request}`, `${servername} ${host}`);
    client.destroy();
  }
  await until('no connection is left', async () => / conn 0 /.test(await balancer.ask('servers')));
});
