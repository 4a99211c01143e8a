/** The engines that every scenario of this folder runs on, and the actors that only these scenarios need. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { ipEndpoint, parseIp } from '../../src/core/address.js';
import { chooseEngine } from '../../src/engine/choose.js';
import type { EngineName } from '../../src/engine/engine.js';
import { bindStoppable, type NativeHandle } from '../../src/engine/node/native-handle.js';
import { atEnd, type Scene } from '../support/ending.js';
import { within } from '../support/wait.js';

// poll is epoll's engine with another poller and passes the engines' suite; its scenarios run when asked for, as CI does.
const wanted = process.env.PEN_TEST_ENGINE as EngineName | undefined;
const names: readonly EngineName[] = wanted === undefined ? ['uring', 'epoll', 'node'] : [wanted];
const skips = new Map<string, string | false>();
for (const name of names) {
  const why = await chooseEngine(name).then(
    () => false as const,
    (error: Error) => error.message,
  );
  skips.set(name, why);
}

/** One scenario on every engine that works here; the others are skipped with the reason. */
export function onEachEngine(name: string, play: (t: TestContext, engine: string) => Promise<void>): void {
  for (const engine of names) {
    test(`${name} (${engine})`, { skip: skips.get(engine) ?? false, timeout: 90_000 }, (t) => play(t, engine));
  }
}

/** A TCP client that is closed with the test; its errors are the scenario's business. */
export async function visitor(
  t: Scene,
  to: { readonly port: number; readonly address?: string },
  from?: string,
): Promise<Socket> {
  const target = to.port === 0 ? { path: to.address as string } : { host: '127.0.0.1', port: to.port };
  const socket = net.connect({ ...target, allowHalfOpen: true, ...(from ? { localAddress: from } : {}) });
  socket.on('error', () => {});
  atEnd(t, () => socket.destroy());
  await within('a connection', once(socket, 'connect'));
  return socket;
}

/** The next bytes that come, as text; 'end' or the error's code if there are none. */
export function hear(socket: Socket): Promise<string> {
  const heard = new Promise<string>((resolve) => {
    const tell = (what: string): void => {
      socket.off('data', onData).off('end', onEnd).off('close', onEnd).off('error', onError).pause();
      resolve(what);
    };
    const onData = (chunk: Buffer): void => tell(chunk.toString());
    const onEnd = (): void => tell('end');
    const onError = (error: NodeJS.ErrnoException): void => tell(error.code ?? error.message);
    if (socket.readableEnded || socket.destroyed) onEnd();
    else socket.on('data', onData).on('end', onEnd).on('close', onEnd).on('error', onError).resume();
  });
  return within('an answer', heard);
}

/** What `socket` is answered to `text`. */
export function say(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  return hear(socket);
}

/** True if nothing comes for a while. */
export async function staysSilent(socket: Socket, ms = 150): Promise<boolean> {
  let isSilent = true;
  const onSound = (chunk?: Buffer): void => {
    isSilent = false;
    // Left for whoever listens next.
    if (chunk instanceof Buffer) socket.pause().unshift(chunk);
  };
  socket.once('data', onSound).once('end', onSound).once('close', onSound);
  await sleep(ms);
  socket.off('data', onSound).off('end', onSound).off('close', onSound).pause();
  return isSilent;
}

/** A server that never takes a connection and whose queue is full: connecting to it does not end. */
export async function blackHole(t: Scene): Promise<{ port: number; address: string }> {
  const words = parseIp('127.0.0.1');
  assert.ok(words);
  const handle = bindStoppable(ipEndpoint(words, 0)) as NativeHandle;
  atEnd(t, () => handle.close());
  assert.equal(handle.listen?.(1), 0);
  handle.readStart?.();
  handle.readStop?.();
  const name: { port?: number } = {};
  handle.getsockname?.(name);
  const port = name.port as number;
  for (let isFull = false; !isFull; ) {
    const filler = net.connect(port, '127.0.0.1').on('error', () => {});
    atEnd(t, () => filler.destroy());
    await Promise.race([once(filler, 'connect'), sleep(200)]);
    // Of a process that has not run for so long the time is up before it looks at its sockets.
    await setImmediate();
    isFull = filler.connecting;
  }
  return { port, address: `127.0.0.1:${port}` };
}

export function checksum(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Bytes that look random and are the same for the same seed. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed | 1;
  for (let i = 0; i + 4 <= length; i += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes.writeInt32LE(state, i);
  }
  return bytes;
}
