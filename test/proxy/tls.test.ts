import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { tcpBackend } from '../support/backend.js';
import { fixture, pem, secureOver, secureServer, secureVisitor, serves } from '../support/certificates.js';
import { readAll } from '../support/client.js';
import { pen } from '../support/pen.js';
import { scratch } from '../support/scratch.js';
import { until, within } from '../support/wait.js';
import { checksum, hear, noise, onEachEngine, say, visitor } from './engines.js';

const PAGE = noise(700_000, 1234);

/** What `ssl` says of clients: full, resumed, failed. */
async function counts(balancer: { ask(command: string): Promise<string> }): Promise<number[]> {
  const [, ...numbers] = /clients full (\d+) resumed (\d+) failed (\d+)/.exec(await balancer.ask('ssl')) ?? [];
  return numbers.map(Number);
}

onEachEngine('TLS 1.2 and 1.3 clients get and send 700 kB whole, half-close kept', async (t, engine) => {
  const server = await tcpBackend(t, { serve: (socket) => void socket.on('end', () => socket.end(PAGE)).resume() });
  const echo = await tcpBackend(t);
  const balancer = await pen(t, { servers: [server], options: serves('ec'), engine });
  const mirror = await pen(t, { servers: [echo], options: serves('rsa'), engine });
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = { minVersion: version, maxVersion: version };
    const client = await secureVisitor(t, balancer.port, options);
    assert.equal(client.getProtocol(), version);
    client.end('GET the page');
    assert.equal(checksum(await readAll(client)), checksum(PAGE), version);
    const other = await secureVisitor(t, mirror.port, options);
    const back = readAll(other);
    other.end(PAGE);
    assert.equal(checksum(await back), checksum(PAGE), `${version}, echo`);
  }
  await until('no connection is left', async () => / conn 0 /.test(await mirror.ask('servers')));
});

onEachEngine('a server that ends its answer ends the TLS stream with a notice', async (t, engine) => {
  const server = await tcpBackend(t, { serve: (socket) => void socket.end('bye') });
  const balancer = await pen(t, { servers: [server], options: serves('ec'), engine });
  for (let round = 0; round < 20; round++) {
    const client = await secureVisitor(t, balancer.port, { allowHalfOpen: false } as object);
    // Node tells a truncated stream by an error.
    assert.equal(String(await readAll(client)), 'bye');
  }
});

onEachEngine('a client that nobody takes is told so by a notice, behind its tickets', async (t, engine) => {
  const server = await tcpBackend(t);
  const options = [...serves('ec'), '-O', 'acl 5 deny 127.0.0.1', '-O', 'server 0 acl 5'];
  const balancer = await pen(t, { servers: [server], options, engine });
  const raw = await visitor(t, balancer);
  let wire = Buffer.alloc(0);
  raw.on('data', (chunk) => {
    wire = Buffer.concat([wire, chunk]);
  });
  const client = await secureOver(t, raw, async (chunk) => void raw.write(chunk), { minVersion: 'TLSv1.3' });
  assert.equal(String(await readAll(client)), '');
  // An alert, sealed: two bytes, its kind, the check value.
  assert.deepEqual(wire.subarray(-24, -19), Buffer.of(23, 3, 3, 0, 19));
});

onEachEngine('what is no TLS, too old or malformed is refused with the reason', async (t, engine) => {
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options: serves('ec'), engine });
  const plain = await visitor(t, balancer);
  assert.match(await say(plain, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'), /^(end|ECONNRESET)$/);
  const junk = await visitor(t, balancer);
  assert.match(await say(junk, 'SSH-2.0-OpenSSH\r\n'), /^(end|ECONNRESET)$/);
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  await assert.rejects(secureVisitor(t, balancer.port, old), /protocol version|ECONNRESET/);
  await until('three are counted', async () => (await counts(balancer))[2] === 3);
  for (const reason of ['plain HTTP on a TLS port', 'not TLS', 'older than TLS 1.2']) {
    await until(reason, async () => balancer.log().includes(`no TLS with client 127.0.0.1: ${reason}\n`));
  }
  assert.match(await balancer.ask('servers'), / conn 0 .* sx 0 rx 0$/);
});

onEachEngine('a ClientHello that comes in single bytes is served, one that never ends is not', async (t, engine) => {
  const options = [...serves('ec'), '-O', 'ssl_handshake_time 1'];
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options, engine });
  const raw = await visitor(t, balancer);
  raw.setNoDelay(true);
  let pieces = 0;
  const client = await secureOver(t, raw, async (chunk) => {
    for (const byte of chunk) {
      raw.write(Uint8Array.of(byte));
      // Else they are one packet after all.
      if (++pieces < 600) await setImmediate();
    }
  });
  assert.ok(pieces > 300);
  assert.equal(await say(client, 'hello'), 'hello');
  client.destroy();
  const slow = await visitor(t, balancer);
  slow.write(Uint8Array.of(22, 3, 1, 0, 200, 1));
  assert.match(await hear(slow), /^(end|ECONNRESET)$/);
  await until('it is told', async () => balancer.log().includes('handshake not done in time'));
});

onEachEngine('a ClientHello followed by a megabyte of anything is bounded', async (t, engine) => {
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options: serves('ec'), engine });
  for (const whole of [16_380, 200]) {
    const flood = await visitor(t, balancer);
    flood.write(Uint8Array.of(22));
    await sleep(50);
    // The rest of a record's header, and of a message's that is as long as the record.
    const head = Uint8Array.of(3, 1, whole >> 8, whole & 255, 1, 0, (whole - 4) >> 8, (whole - 4) & 255);
    flood.write(Buffer.concat([head, noise(1_048_576, whole)]));
    const heard = await hear(flood);
    // 21: an alert.
    assert.ok(heard === 'ECONNRESET' || heard === 'end' || heard.charCodeAt(0) === 21, heard);
    flood.destroy();
  }
  assert.equal(await say(await secureVisitor(t, balancer.port), 'hello'), 'hello');
});

/** A ClientHello of TLS 1.2 in one record, its message so long by padding (RFC 7685). */
function paddedHello(bytes: number): Buffer {
  const hello = Buffer.alloc(5 + bytes);
  hello.set([22, 3, 1, bytes >> 8, bytes & 255, 1, 0, (bytes - 4) >> 8, (bytes - 4) & 255, 3, 3]);
  // After the random no session, one suite, no compression, and one extension.
  hello.set([0, 0, 2, 0xc0, 0x2b, 1, 0], 43);
  hello.writeUInt16BE(bytes - 47, 50);
  hello.writeUInt16BE(21, 52);
  hello.writeUInt16BE(bytes - 51, 54);
  return hello;
}

onEachEngine('a whole ClientHello with a megabyte behind it ends its own connection only', async (t, engine) => {
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options: serves('ec'), engine });
  const other = await secureVisitor(t, balancer.port);
  const flood = await visitor(t, balancer);
  // The longest is longer than what a first receive takes.
  flood.write(Buffer.concat([paddedHello(16_384), PAGE]));
  await hear(flood);
  assert.equal(await say(other, 'still there'), 'still there');
});

onEachEngine('RSA and ECDSA, chains, ALPN, staples: each client gets what it asks for', async (t, engine) => {
  const options = [...serves('ec'), ...serves('rsa'), '-O', 'ssl_alpn h2 http/1.1'];
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options, engine });
  const only12 = { maxVersion: 'TLSv1.2' } as const;
  for (const [ciphers, kind] of [
    ['ECDHE-RSA-AES128-GCM-SHA256', 'rsa'],
    ['ECDHE-ECDSA-AES128-GCM-SHA256', 'ec'],
  ]) {
    const client = await secureVisitor(t, balancer.port, { ...only12, ciphers: ciphers as string });
    assert.ok(client.authorized);
    const { issuerCertificate } = client.getPeerCertificate(true);
    assert.equal(issuerCertificate.subject.CN, 'Pen Test Issuer');
    assert.equal(client.getPeerX509Certificate()?.publicKey.asymmetricKeyType, kind);
  }
  const offers: [string[], string | false][] = [
    [['http/1.1'], 'http/1.1'],
    [['http/1.1', 'h2'], 'h2'],
    [['spdy/3'], false],
  ];
  for (const [ALPNProtocols, want] of offers) {
    const client = await secureVisitor(t, balancer.port, { ALPNProtocols });
    assert.equal(client.alpnProtocol, want);
  }
  const stapling = [...serves('ec'), '-O', `ssl_ocsp_response ${fixture('ec.ocsp')}`];
  const { port } = await pen(t, { servers: [await tcpBackend(t)], options: stapling, engine });
  const staples: number[] = [];
  for (const requestOCSP of [true, false]) {
    const options = { port, host: '127.0.0.1', ca: pem('ca.crt'), servername: 'localhost', requestOCSP };
    const client = connectTls(options as ConnectionOptions);
    client.on('OCSPResponse', (response: Buffer | null) => staples.push(response?.length ?? 0));
    await new Promise<void>((resolve, reject) => client.once('secureConnect', resolve).once('error', reject));
    client.destroy();
  }
  assert.equal(staples.filter((length) => length > 100).length, 1, String(staples));
});

onEachEngine('a client that says nothing after its handshake gets its ticket at once', async (t, engine) => {
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options: serves('ec'), engine });
  const client = await secureVisitor(t, balancer.port, { minVersion: 'TLSv1.3' });
  await within('a ticket', once(client.resume(), 'session'));
});

onEachEngine('sessions are resumed by ticket, on every worker', async (t, engine) => {
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options: serves('ec'), engine, threads: 2 });
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    let session: Buffer | undefined;
    for (let round = 0; round < 6; round++) {
      const client = await secureVisitor(t, balancer.port, { maxVersion: version, ...(session && { session }) });
      assert.equal(await say(client, 'hello'), 'hello');
      session = client.getSession();
      assert.equal(client.isSessionReused(), round > 0, `${version}, round ${round}`);
      client.destroy();
    }
  }
  assert.deepEqual(await counts(balancer), [2, 10, 0]);
});

onEachEngine('the certificate follows the server name; unknown ones get the default or nothing', async (t, engine) => {
  const folder = scratch(t);
  for (const name of ['one.example', 'two.example']) {
    for (const kind of ['crt', 'key', 'ca'])
      copyFileSync(fixture(`names/${name}.${kind}`), join(folder, `${name}.${kind}`));
  }
  for (const kind of ['crt', 'key']) copyFileSync(fixture(`wild.${kind}`), join(folder, `*.wild.example.${kind}`));
  const options = [...serves('ec'), '-O', `ssl_sni_path ${folder}`];
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options, engine });
  const nameFor = async (servername: string): Promise<string> => {
    const client = await secureVisitor(t, balancer.port, { servername, rejectUnauthorized: false });
    return String(client.getPeerCertificate().subject.CN);
  };
  assert.equal(await nameFor('one.example'), 'one.example');
  assert.equal(await nameFor('TWO.example'), 'two.example');
  assert.equal(await nameFor('a.wild.example'), '*.wild.example');
  assert.equal(await nameFor('a.b.wild.example'), 'localhost');
  assert.equal(await nameFor('unknown.example'), 'localhost');
  const strict = await secureVisitor(t, balancer.port, { servername: 'one.example' });
  assert.ok(strict.authorized, 'the chain comes from NAME.ca');
  await balancer.ask('ssl_sni_unknown refuse');
  assert.equal(await nameFor('one.example'), 'one.example');
  await assert.rejects(nameFor('unknown.example'), /unrecognized name|ECONNRESET/);
  await until('it is told', async () => balancer.log().includes("no certificate for 'unknown.example'"));
});

onEachEngine('-R serves clients with a certificate of our authority and nobody else', async (t, engine) => {
  const options = [...serves('ec'), '-R', '-G', fixture('ca.crt'), '-d', '-O', 'ssl_alpn h2'];
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options, engine });
  const alice = { cert: pem('client.crt'), key: pem('client.key'), ALPNProtocols: ['h2'] };
  assert.equal(await say(await secureVisitor(t, balancer.port, alice), 'hello'), 'hello');
  const told =
    /TLS with client 127\.0\.0\.1: TLSv1\.3 TLS_\w+, name localhost, protocol h2, certificate CN=alice,O=Example\n/;
  await until('she is told of', async () => told.test(balancer.log()));
  const strangers = [{}, { cert: pem('stranger.crt'), key: pem('stranger.key') }];
  for (const stranger of strangers) {
    // In TLS 1.3 a client learns of it only after its own side is done.
    const heard = await secureVisitor(t, balancer.port, stranger).then(
      (client) => say(client, 'hello'),
      (error: Error) => error.message,
    );
    assert.notEqual(heard, 'hello');
  }
  await until('both are counted', async () => (await counts(balancer))[2] === 2);
});

onEachEngine(
  'TLS to servers: on, verified, resumed; one that cannot prove who it is is passed over',
  async (t, engine) => {
    const good = await secureServer(t, 'good', { cert: pem('ec.crt'), key: pem('ec.key') });
    const bad = await secureServer(t, 'bad', { cert: pem('stranger.crt'), key: pem('stranger.key') });
    const plain = await tcpBackend(t, { serve: (socket) => void socket.end('I speak no TLS') });
    const options = [
      '-r',
      '-O',
      `ssl_server_ca ${fixture('ca.crt')}`,
      '-O',
      'server 0 tls verify sni localhost',
      '-O',
      'server 1 tls verify sni localhost',
      '-O',
      'server 2 tls on',
    ];
    const balancer = await pen(t, { servers: [good, bad, plain], options, engine });
    for (let round = 0; round < 6; round++) {
      const client = await visitor(t, balancer);
      assert.equal(await hear(client), 'good\n');
      client.destroy();
    }
    for (const line of [
      'no TLS with server 1: self-signed certificate',
      'no TLS with server 2: wrong version number',
    ]) {
      await until(line, async () => balancer.log().includes(line));
    }
    assert.ok(good.names.every((name) => name === 'localhost'));
    assert.ok(good.resumed() > 0, 'no session was resumed');
    // The same by its address, and a certificate that is not for it.
    await balancer.ask('server 1 blacklist 0 tls on');
    await balancer.ask('server 0 sni other.example');
    const client = await visitor(t, balancer);
    assert.equal(await hear(client), 'bad\n');
  },
);

onEachEngine('certificates are changed under a connection that goes on', async (t, engine) => {
  const folder = scratch(t);
  const place = (name: string) => {
    for (const kind of ['crt', 'key']) copyFileSync(fixture(`${name}.${kind}`), join(folder, `now.${kind}`));
  };
  place('ec');
  const options = ['-E', join(folder, 'now.crt'), '-K', join(folder, 'now.key')];
  const balancer = await pen(t, { servers: [await tcpBackend(t)], options, engine });
  const early = await secureVisitor(t, balancer.port);
  place('wild');
  assert.equal(await balancer.ask('ssl_reload'), '');
  const late = await secureVisitor(t, balancer.port, { servername: 'a.wild.example' });
  assert.equal(await say(early, 'early'), 'early');
  assert.equal(await say(late, 'late'), 'late');
  writeFileSync(join(folder, 'now.key'), pem('rsa.key'));
  assert.match(
    await balancer.ask('ssl_reload'),
    /^error: ssl_reload: cannot use certificate '.*now\.crt': the key in '.*now\.key' belongs to another certificate$/,
  );
  writeFileSync(join(folder, 'now.crt'), 'nothing');
  balancer.signal('SIGHUP');
  await until('HUP tells', async () => balancer.log().includes("old certificates kept: cannot use '"));
  await secureVisitor(t, balancer.port, { servername: 'a.wild.example' });
});
