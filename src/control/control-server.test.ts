/** Control clients, polite and hostile, on real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseIp } from '../core/address.js';
import { scratch, startedService } from './control.suite.js';
import { type ControlLimits, ControlServer, defaultControlLimits } from './control-server.js';

interface Scene {
  after(end: () => unknown): void;
}

/** A control socket whose replies echo the line, or are `size` bytes long. */
async function echo(t: Scene, limits: Partial<ControlLimits> = {}) {
  const path = join(scratch(t), 'ctl');
  const lines: string[] = [];
  const server = await ControlServer.listen(
    { kind: 'unix', path },
    {
      async execute(line) {
        lines.push(line);
        const size = Number(/^size (\d+)/.exec(line)?.[1] ?? 0);
        return size > 0 ? 'x'.repeat(size) : `<${line}>`;
      },
      admits: () => true,
    },
    limits,
  );
  t.after(() => server.close());
  return { path, server, lines };
}

/** Sends bytes and reads to the end. */
async function ask(path: string, text: string, options: { end?: boolean } = {}): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true });
  socket.on('error', () => {});
  if (options.end) socket.end(text);
  else socket.write(text);
  const reply = await readAll(socket);
  socket.destroy();
  return reply;
}

async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

const politeClients: ReadonlyArray<readonly [name: string, sent: string, end: boolean, reply: string]> = [
  ['a newline', 'mode\n', false, '<mode>'],
  ['CR and LF', 'mode\r\n', false, '<mode\r>'],
  ['no newline but the end of the stream', 'mode', true, '<mode>'],
  ['no newline and silence', 'mode', false, '<mode>'],
  ['an empty line', '\n', false, '<>'],
  ['two lines, of which one counts', 'one\ntwo\n', false, '<one>'],
];

for (const [name, sent, end, reply] of politeClients) {
  test(`control answers a client that sends ${name}`, async (t) => {
    const { path } = await echo(t, { quietMs: 30 });
    assert.equal(await ask(path, sent, { end }), reply);
  });
}

test('control joins a line that comes in pieces', async (t) => {
  const { path, lines } = await echo(t);
  const socket = connect({ path });
  for (const piece of ['mo', 'd', 'e \u00e9'.slice(0, 3), '\nrest']) {
    socket.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(await readAll(socket), `<${lines[0]}>`);
  assert.equal(lines[0], 'mode \u00e9');
});

test('control refuses a line that has no end', async (t) => {
  const { path, lines } = await echo(t, { lineBytes: 1000 });
  assert.equal(await ask(path, 'x'.repeat(200_000)), 'error: the command is longer than 1000 bytes\n');
  assert.deepEqual(lines, []);
});

test('control ends a client that says nothing, and one that dribbles', async (t) => {
  const { path } = await echo(t, { lineMs: 60, quietMs: 50 });
  const silent = readAll(connect({ path }));
  const dribbling = connect({ path });
  dribbling.on('error', () => {});
  const timer = setInterval(() => dribbling.write('x'), 10);
  assert.equal(await silent, 'error: no command came\n');
  assert.equal(await readAll(dribbling), 'error: no command came\n');
  clearInterval(timer);
  dribbling.destroy();
});

test('control serves the next client while others sit idle, and the oldest idle one gives way', async (t) => {
  const { path } = await echo(t, { clients: 8 });
  const idle = Array.from({ length: 20 }, () => connect({ path }).on('error', () => {}));
  await Promise.all(idle.map((socket) => once(socket, 'connect')));
  const replies = await Promise.all(Array.from({ length: 5 }, (_, i) => ask(path, `n${i}\n`)));
  assert.deepEqual(replies, ['<n0>', '<n1>', '<n2>', '<n3>', '<n4>']);
  for (const socket of idle) socket.destroy();
});

test('control takes fewer clients than the descriptors that engines leave it', () => {
  assert(defaultControlLimits.clients <= 24);
});

test('control answers many clients at once', async (t) => {
  const { path } = await echo(t, { clients: 64 });
  const replies = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(path, `n${i}\n`)));
  assert.deepEqual(
    replies,
    Array.from({ length: 60 }, (_, i) => `<n${i}>`),
  );
});

test('control delivers a long reply whole, and drops a client that does not read it', async (t) => {
  // Both ends are in this process, on a machine that may be busy.
  const { path } = await echo(t, { stallMs: 400 });
  const size = 20_000_000;
  const lazy = connect({ path });
  lazy.on('error', () => {});
  lazy.write(`size ${size}\n`);
  lazy.pause();
  assert.equal((await ask(path, `size ${size}\n`)).length, size);
  await new Promise((resolve) => setTimeout(resolve, 900));
  assert((await readAll(lazy)).length < size);
});

test('control bounds the bytes that wait to be read', async (t) => {
  const { path } = await echo(t, { replyBytes: 5_000_000 });
  const lazy = connect({ path }).on('error', () => {});
  lazy.write('size 4900000\n');
  lazy.pause();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(await ask(path, 'size 4000000\n'), 'error: too many replies wait to be read\n');
  assert.equal(await ask(path, 'mode\n'), '<mode>');
  lazy.destroy();
});

test('control survives clients that vanish and clients that send garbage', async (t) => {
  const { path } = await echo(t);
  for (let i = 0; i < 20; i += 1) {
    const socket = connect({ path }).on('error', () => {});
    socket.write(Buffer.from([0, 255, 10, i]), () => socket.destroy());
  }
  assert.equal(await ask(path, 'mode\n'), '<mode>');
});

test('the control socket is for its owner only, replaces a stale file and respects a live one', async (t) => {
  const path = join(scratch(t), 'ctl');
  const handler = { execute: async () => 'ok', admits: () => true };
  const listen = () => ControlServer.listen({ kind: 'unix', path }, handler);
  const first = await listen();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await assert.rejects(listen(), /cannot listen for control on '.*': a running pen answers there/);
  await first.close();
  await first.close();
  assert(!existsSync(path));

  // A pen that was killed leaves its socket file behind; closing a listener of net would remove it.
  const { spawnSync } = await import('node:child_process');
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', script]);
  assert(existsSync(path));
  const second = await listen();
  assert.equal(await ask(path, 'mode\n'), 'ok');
  await second.close();

  await assert.rejects(
    ControlServer.listen({ kind: 'unix', path: '/nonexistent/s' }, handler),
    /^CommandError: cannot listen for control on '\/nonexistent\/s': ENOENT \(the folder does not exist\)$/,
  );

  writeFileSync(path, 'precious');
  await assert.rejects(listen(), /the file exists and is no socket/);
});

test('openControl listens on loopback unless an address is given, and obeys control_acl', async (t) => {
  const { service } = await startedService(t);
  await service.openControl('0', { root: false });
  const port = Number((await service.execute('control', 'unix')).trim().replace('127.0.0.1:', ''));
  const askTcp = (line: string) => {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    socket.write(line);
    return readAll(socket).catch((error) => (error as NodeJS.ErrnoException).code ?? '');
  };
  assert.equal(await askTcp('blacklist\n'), '30\n');
  assert.match(await askTcp('write /tmp/x\n'), /^error: write: not allowed over TCP/);
  await service.execute('acl 3 deny 127.0.0.1', 'unix');
  await service.execute('control_acl 3', 'unix');
  assert.match(await askTcp('blacklist\n'), /^(|ECONNRESET|EPIPE)$/);
});

test('a control port open to the world is refused, at the start and later', async (t) => {
  const { service } = await startedService(t);
  await assert.rejects(service.openControl('0.0.0.0:0', { root: false }), /0\.0\.0\.0:0 would be open to the world/);
  await assert.rejects(service.openControl('127.0.0.1:0', { root: true }), /refused as root/);
  await service.execute('acl 2 permit 127.0.0.1', 'unix');
  await service.execute('control_acl 2', 'unix');
  await service.openControl('0.0.0.0:0', { root: false });
  for (const line of ['no acl 2', 'control_acl 0', 'acl 2 deny 1.2.3.4']) {
    const before = service.setup;
    assert.match(await service.execute(line, 'tcp'), /^error: .* would be open to the world/, line);
    assert.equal(service.setup, before);
  }
});

test('a busy control port is an error', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as { port: number };
  const endpoint = { kind: 'ip', family: 4, address: parseIp('127.0.0.1') ?? [0, 0, 0, 0], port } as const;
  await assert.rejects(
    ControlServer.listen(endpoint, { execute: async () => '', admits: () => true }),
    new RegExp(`cannot listen for control on '127\\.0\\.0\\.1:${port}': EADDRINUSE`),
  );
});
