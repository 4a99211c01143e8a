import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { type HelloReading, readClientHello } from './client-hello.js';
import { dice } from './http/requests.suite.js';

/** What Node's TLS client says first. */
async function helloOf(servername: string | undefined, protocols: string[]): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', servername: servername ?? '', ALPNProtocols: protocols });
  client.on('error', () => {});
  const [socket] = await once(server, 'connection');
  const [hello] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  client.destroy();
  server.close();
  return hello;
}

/** The same message in records of `size` bytes. */
function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part);
  }
  return Buffer.concat(records);
}

const read = (bytes: Uint8Array): HelloReading => readClientHello(bytes, bytes.length);

test('readClientHello reads name and protocols, in any pieces and records', async () => {
  const hello = await helloOf('WWW.Example.com', ['h2', 'http/1.1']);
  const want = { serverName: 'www.example.com', alpn: ['h2', 'http/1.1'] };
  for (const bytes of [
    hello,
    inRecords(hello, 100),
    inRecords(hello, 17),
    Buffer.concat([hello, Buffer.from('early data')]),
  ]) {
    assert.deepEqual(read(bytes), want);
  }
  for (const bytes of [hello, inRecords(hello, 17)]) {
    for (let end = 0; end < bytes.length; end++) assert.equal(readClientHello(bytes, end), 'more', `cut at ${end}`);
  }
  assert.deepEqual(read(await helloOf(undefined, [])), { serverName: undefined, alpn: [] });
});

test('readClientHello forgives a name its last dot, one', async () => {
  for (const [name, serverName] of [
    ['a.example.', 'a.example'],
    ['A.EXAMPLE.', 'a.example'],
    ['a.example..', 'a.example.'],
  ] as const) {
    assert.deepEqual(read(await helloOf(name, [])), { serverName, alpn: [] });
  }
});

test('readClientHello takes nothing else for one, however long it is', async () => {
  const hello = await helloOf('a.example', []);
  const wrong: Readonly<Record<string, Buffer>> = {
    'a request': Buffer.from('GET'),
    'another record': Buffer.from([23]),
    'SSL 2': Buffer.from([0x80, 0x2e, 1]),
    'an empty record': Buffer.from([22, 3, 1, 0, 0]),
    'a record too long': Buffer.from([22, 3, 1, 0x40, 1]),
    'another message': Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 1]),
    'a message too long': Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0]),
    'records of a byte': inRecords(hello, 1),
    'another record within': Buffer.concat([inRecords(hello, 100).subarray(0, 105), Buffer.from([23, 3])]),
  };
  for (const [name, bytes] of Object.entries(wrong)) assert.equal(read(bytes), 'none', name);
  for (let seed = 0; seed < 20_000; seed++) {
    const random = dice(seed);
    const bytes = Buffer.from(hello);
    for (let count = 1 + random(3); count > 0; count--) bytes[random(bytes.length)] = random(256);
    assert.doesNotThrow(() => readClientHello(bytes, random(bytes.length + 1)), `seed ${seed}`);
  }
});
