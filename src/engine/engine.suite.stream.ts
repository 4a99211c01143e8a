/** Plays about bytes on one connection: receiving, sending, half-close, reset, backpressure. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ERRNO } from '../sys/errno.js';
import type { EngineHost } from './engine.suite.host.js';
import { assertSameBytes, type Case, Dice, drain, fate, LOOPBACK, type Stage, take } from './engine.suite.stage.js';

const MEGABYTE = 1 << 20;

export const streamCases: readonly Case[] = [
  {
    name: 'receives what was sent, then the end of the stream',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      peer.write('first');
      assert.equal(text(await host.read(socket)), 'first');
      // Data and end that came before the receive.
      peer.end('last');
      await sleep(30);
      assert.equal(text(await host.read(socket)), 'last');
      assert.equal(await host.read(socket), 0);
    },
  },
  {
    name: 'tells a reset by the peer to the receive',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      await host.call('receive', socket);
      peer.resetAndDestroy();
      assert.equal((await host.event('received', socket)).length, -ERRNO.ECONNRESET);
    },
  },
  {
    name: 'receives and sends at once on one socket',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      await host.call('receive', socket);
      assert.equal(await host.write(socket, Buffer.from('question')), 0);
      assert.equal((await take(peer, 8)).toString(), 'question');
      peer.write('answer');
      const { buffer, bytes } = await host.event('received', socket);
      assert.equal(text(bytes), 'answer');
      await host.call('release', buffer);
    },
  },
  {
    name: 'completes a send only when the kernel has taken all of it',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      const sent = new Dice(8).bytes(12 * MEGABYTE);
      const writing = host.write(socket, sent);
      const taken = await stalled(host, socket);
      assert.ok(taken < sent.length, 'a peer that does not read stops the sender');
      const { buffersInUse } = await host.call('numbers');
      assert.equal(buffersInUse, 1, 'buffers in use while one send waits');
      const received = take(peer, sent.length);
      assert.equal(await writing, 0);
      assertSameBytes(await received, sent);
    },
  },
  {
    name: 'delivers all of a send that had to wait although the socket is shut down meanwhile',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      const sent = new Dice(9).bytes(12 * MEGABYTE);
      const writing = host.write(socket, sent);
      await stalled(host, socket);
      // The piece under way is the last one: nothing is sent after a shutdown.
      const length = await host.call('endAfterPiece', socket);
      await host.call('shutdown', socket);
      assertSameBytes(await drain(peer), sent.subarray(0, length));
      assert.equal(await writing, 0);
    },
  },
  {
    name: 'fails a send to a peer that has reset',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      peer.resetAndDestroy();
      await sleep(50);
      const result = await host.write(socket, Buffer.from('anybody there'));
      assert.ok([-ERRNO.EPIPE, -ERRNO.ECONNRESET].includes(result), `send: ${result}`);
      const again = await host.write(socket, Buffer.from('really not'));
      assert.ok([-ERRNO.EPIPE, -ERRNO.ECONNRESET].includes(again), `second send: ${again}`);
    },
  },
  {
    name: 'still receives what came before a send failed',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      peer.write('413 too large');
      await sleep(30);
      peer.resetAndDestroy();
      await sleep(30);
      assert.ok((await host.write(socket, Buffer.from('the rest of the upload'))) < 0);
      assert.equal(text(await host.read(socket)), '413 too large');
    },
  },
  {
    name: 'sends on after the peer has half-closed, and loses no byte',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      peer.end('request');
      assert.equal(text(await host.read(socket)), 'request');
      assert.equal(await host.read(socket), 0);
      const answer = new Dice(10).bytes(2 * MEGABYTE);
      const received = drain(peer);
      assert.equal(await host.write(socket, answer), 0);
      await host.call('shutdown', socket);
      await host.call('close', socket, false);
      assertSameBytes(await received, answer);
    },
  },
  {
    name: 'receives on after it has half-closed, and loses no byte',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      const request = new Dice(11).bytes(100_000);
      const heard = drain(peer);
      assert.equal(await host.write(socket, request), 0);
      await host.call('shutdown', socket);
      assertSameBytes(await heard, request);
      const answer = new Dice(12).bytes(2 * MEGABYTE);
      peer.end(answer);
      const { bytes, end } = await host.readAll(socket);
      assertSameBytes(bytes, answer);
      assert.equal(end, 0);
    },
  },
  {
    name: 'delivers what was sent before an orderly close',
    async play(stage) {
      for (let round = 0; round < 20; round++) {
        const { host, socket, peer } = await pair(stage, round);
        const sent = new Dice(round).bytes(150_000);
        const received = drain(peer);
        assert.equal(await host.write(socket, sent), 0);
        await host.call('close', socket, false);
        assertSameBytes(await received, sent, `round ${round}`);
      }
    },
  },
  {
    name: 'closes with a reset when asked to, after a shutdown too',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      await host.call('close', socket, true);
      assert.equal(await fate(peer), 'ECONNRESET');
      const second = await pair(stage, 1);
      const broken = new Promise((resolve) => second.peer.once('error', resolve));
      const ended = once(second.peer.resume(), 'end');
      await host.call('receive', second.socket);
      await host.call('shutdown', second.socket);
      await ended;
      await host.call('close', second.socket, true);
      await sleep(30);
      second.peer.write('into the void');
      assert.match(String(await broken), /ECONNRESET|EPIPE/);
    },
  },
  {
    name: 'closes a Unix socket when asked for a reset',
    async play(stage) {
      const host = await stage.host();
      const { endpoint } = await host.listen(stage.path('reset'));
      const peer = await stage.dial(endpoint);
      const { socket } = await host.event('accepted');
      await host.call('close', socket, true);
      assert.match(await fate(peer), /end|ECONNRESET/);
    },
  },
  {
    name: 'reads no more than a chunk ahead of the receives',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      const sent = new Dice(13).bytes(16 * MEGABYTE);
      await host.call('receive', socket);
      peer.end(sent);
      await sleep(200);
      const { buffersInUse } = await host.call('numbers');
      assert.ok(buffersInUse <= 1, `${buffersInUse} buffers for one receive`);
      assert.ok(peer.writableLength > 0, 'the peer has to wait');
      const first = await host.event('received', socket);
      await host.call('release', first.buffer);
      const { bytes, end } = await host.readAll(socket);
      assertSameBytes(Buffer.concat([first.bytes, bytes]), sent);
      assert.equal(end, 0);
    },
  },
  {
    name: 'reports nothing about a socket that is closed while it receives and sends',
    async play(stage) {
      const { host, socket, peer } = await pair(stage);
      await host.call('receive', socket);
      await host.call('write', socket, Buffer.alloc(12 * MEGABYTE, 1));
      await stalled(host, socket);
      await host.call('close', socket, false);
      peer.destroy();
      await sleep(50);
      // A new socket may get the number; what is told about it must be its own.
      const next = await pair(stage, 1);
      next.peer.write('mine');
      assert.equal(text(await next.host.read(next.socket)), 'mine');
    },
  },
];

/** A host (the first of the stage), one of its accepted sockets, and the client at the other end. */
async function pair(stage: Stage, round = 0): Promise<{ host: EngineHost; socket: number; peer: net.Socket }> {
  const stood = round === 0 ? undefined : pairs.get(stage);
  const host = stood?.host ?? (await stage.host());
  const endpoint = stood?.endpoint ?? (await host.listen(LOOPBACK)).endpoint;
  pairs.set(stage, { host, endpoint });
  const peer = await stage.dial(endpoint);
  const { socket } = await host.event('accepted');
  return { host, socket, peer };
}

const pairs = new WeakMap<Stage, { host: EngineHost; endpoint: typeof LOOPBACK }>();

/** Waits until sending gets no further; tells how many bytes have gone. */
async function stalled(host: EngineHost, socket: number): Promise<number> {
  let before = -1;
  for (;;) {
    const written = await host.call('written', socket);
    if (written === before) return written;
    before = written;
    await sleep(100);
  }
}

function text(bytes: Uint8Array | number): string {
  assert.ok(typeof bytes !== 'number', `the stream has ended with ${bytes}`);
  return Buffer.from(bytes).toString();
}
