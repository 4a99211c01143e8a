/**
 * The conformance suite of the seam for datagrams: every implementation plays the same cases, in a worker of its own,
 * against plain node:dgram peers. One may opt out of a case only with a reason.
 */
import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type IpEndpoint, ipEndpoint, parseIp } from '../core/address.js';
import { DatagramSockets } from '../sys/datagram-socket.js';
import { ERRNO } from '../sys/errno.js';
import { transparencyObstacle } from '../sys/transparency.js';
import { DatagramHost, type DatagramImplementation } from './datagrams.suite.host.js';

const PATIENCE_MS = 8000;
/** The largest payload of IPv4, and what lies around the sizes of packets. */
const SIZES = [0, 1, 7, 512, 1472, 1473, 9000, 65_507];

interface Case {
  /** Reads after the implementation's name. */
  readonly name: string;
  /** Why this process cannot play it, '' if it can. */
  obstacle?(): string;
  play(stage: Stage): Promise<void>;
}

/** A peer that keeps what it hears. */
interface Peer {
  readonly socket: Socket;
  readonly endpoint: IpEndpoint;
  readonly heard: { bytes: Buffer; from: RemoteInfo }[];
  /** What it hears next. */
  hear(): Promise<{ bytes: Buffer; from: RemoteInfo }>;
  say(to: IpEndpoint, bytes: Uint8Array | string, host?: string): void;
}

class Stage {
  readonly #implementation: DatagramImplementation;
  readonly #hosts: DatagramHost[] = [];
  readonly #sockets: Socket[] = [];

  constructor(implementation: DatagramImplementation) {
    this.#implementation = implementation;
  }

  get isNode(): boolean {
    return this.#implementation === 'node';
  }

  async host(): Promise<DatagramHost> {
    const host = await DatagramHost.start(this.#implementation);
    this.#hosts.push(host);
    return host;
  }

  /** A host that listens there. */
  async listener(role: 'tell' | 'echo' | 'throw' | IpEndpoint, where = ip('127.0.0.1')) {
    const host = await this.host();
    const listener = await host.do('listen', where, role);
    assert.equal((await host.next('listening')).result, 0);
    return { host, listener, at: (await host.do('boundTo', listener)) as IpEndpoint };
  }

  async peer(address = '127.0.0.1', port = 0): Promise<Peer> {
    const socket = createSocket({
      type: address.includes(':') ? 'udp6' : 'udp4',
      recvBufferSize: 4 << 20,
      sendBufferSize: 4 << 20,
    });
    this.#sockets.push(socket);
    const heard: Peer['heard'] = [];
    socket.on('error', () => {}).on('message', (bytes, from) => heard.push({ bytes, from }));
    socket.bind(port, address);
    await once(socket, 'listening');
    return {
      socket,
      endpoint: ip(address, socket.address().port),
      heard,
      async hear() {
        await until('a datagram', () => heard.length > 0);
        return heard.shift() as Peer['heard'][number];
      },
      say: (to, bytes, host = text(to)) => socket.send(bytes, to.port, host),
    };
  }

  /** A peer that sends back what it hears. */
  async echo(port = 0): Promise<Peer> {
    const peer = await this.peer('127.0.0.1', port);
    peer.socket.on('message', (bytes, from) => peer.socket.send(bytes, from.port, from.address));
    return peer;
  }

  async end(): Promise<void> {
    for (const socket of this.#sockets) {
      try {
        socket.close();
      } catch {
        // Closed by the play.
      }
    }
    for (const host of this.#hosts) await host.stop();
    assert.deepEqual(
      this.#hosts.flatMap(({ violations }) => violations),
      [],
    );
  }
}

const cases: readonly Case[] = [
  {
    name: 'sends back datagrams of every size unchanged, empty ones too',
    async play(stage) {
      const { at } = await stage.listener('echo');
      const client = await stage.peer();
      for (const size of SIZES) {
        const sent = pattern(size, size);
        client.say(at, sent);
        assert.deepEqual((await client.hear()).bytes, sent, `${size} bytes`);
      }
    },
  },
  {
    name: 'tells who sent a datagram, and nothing of where it went to unless it is a wildcard',
    async play(stage) {
      const { host, at } = await stage.listener('tell');
      const client = await stage.peer('127.0.0.5');
      client.say(at, 'hello');
      const { sender, local, bytes } = await host.next('arrived');
      assert.deepEqual([sender, local], [`127.0.0.5 ${client.endpoint.port}`, '']);
      assert.equal(Buffer.from(bytes).toString(), 'hello');
    },
  },
  {
    name: 'keeps the order of one client',
    async play(stage) {
      const { at } = await stage.listener('echo');
      const client = await stage.peer();
      for (let i = 0; i < 300; i++) client.say(at, `${i}`);
      await until('300 answers', () => client.heard.length === 300);
      assert.deepEqual(
        client.heard.map(({ bytes }) => Number(bytes)),
        Array.from({ length: 300 }, (_, i) => i),
      );
    },
  },
  {
    name: 'answers later by a path, whoever has sent since',
    async play(stage) {
      const { host, listener, at } = await stage.listener('tell');
      const clients = [await stage.peer(), await stage.peer('127.0.0.9')];
      for (const client of clients) client.say(at, 'question');
      const events = [await host.next('arrived'), await host.next('arrived')];
      for (const { path, sender } of events) await host.do('reply', listener, path, Buffer.from(sender));
      for (const { hear, endpoint } of clients) {
        assert.equal((await hear()).bytes.toString(), `${text(endpoint)} ${endpoint.port}`);
      }
    },
  },
  {
    name: 'serves IPv6, and IPv4 on the same wildcard as IPv4',
    async play(stage) {
      const { host, at } = await stage.listener('tell', ip('::'));
      const six = await stage.peer('::1');
      six.say(at, 'six', '::1');
      assert.equal((await host.next('arrived')).sender, `::1 ${six.endpoint.port}`);
      const four = await stage.peer();
      four.say(at, 'four', '127.0.0.1');
      assert.equal((await host.next('arrived')).sender, `127.0.0.1 ${four.endpoint.port}`);
    },
  },
  {
    name: 'answers from the address that the client wrote to',
    async play(stage) {
      for (const where of [ip('0.0.0.0'), ip('::')]) {
        const { host, listener, at } = await stage.listener('tell', where);
        const client = await stage.peer();
        for (const to of ['127.0.0.1', '127.0.0.77', '127.1.2.3']) {
          client.say(at, 'question', to);
          const { path, local } = await host.next('arrived');
          assert.equal(local, to);
          await host.do('reply', listener, path, Buffer.from('answer'));
          assert.deepEqual((await client.hear()).from.address, to);
        }
      }
      const { at } = await stage.listener('echo', ip('::'));
      const six = await stage.peer('::1');
      six.say(at, 'question', '::1');
      assert.equal((await six.hear()).from.address, '::1');
    },
  },
  {
    name: 'passes answers of the server it is connected to, and of nobody else',
    async play(stage) {
      const host = await stage.host();
      const server = await stage.peer();
      const stranger = await stage.peer();
      const socket = await host.do('connect', server.endpoint, undefined);
      assert.ok(socket >= 0);
      await host.do('send', socket, Buffer.from('question'), 1);
      const { from } = await server.hear();
      const back = ip(from.address, from.port);
      stranger.say(back, 'lie');
      server.say(back, 'truth');
      assert.equal(Buffer.from((await host.next('answered')).bytes).toString(), 'truth');
      await sleep(20);
      assert.equal(host.has('answered'), false);
    },
  },
  {
    name: 'connects from the address it is told to',
    async play(stage) {
      const host = await stage.host();
      const server = await stage.peer();
      const socket = await host.do('connect', server.endpoint, ip('127.0.0.33'));
      await host.do('send', socket, Buffer.from('question'), 1);
      assert.equal((await server.hear()).from.address, '127.0.0.33');
    },
  },
  {
    name: 'connects from a foreign address, with its port or any, or says that it cannot',
    obstacle: transparencyObstacle,
    async play(stage) {
      const host = await stage.host();
      const words = Int32Array.from(ip('127.0.0.44').address);
      const server = await stage.peer();
      const connect = (port: number) => host.do('connect', server.endpoint, { kind: 'foreign', words, port });
      const any = await connect(0);
      if (stage.isNode) {
        assert.equal(any, -ERRNO.EOPNOTSUPP);
        return;
      }
      await host.do('send', any, Buffer.from('question'), 1);
      const { from } = await server.hear();
      assert.equal(from.address, '127.0.0.44');
      assert.equal(await connect(from.port), -ERRNO.EADDRINUSE);
      await host.do('close', any);
      // A poll of io_uring's keeps the socket until it has been cancelled.
      let again = await connect(from.port);
      for (let tries = 0; again === -ERRNO.EADDRINUSE && tries < 100; tries++) {
        await sleep(5);
        again = await connect(from.port);
      }
      assert.ok(again >= 0, `${again}`);
      await host.do('send', again, Buffer.from('again'), 2);
      assert.equal((await server.hear()).from.port, from.port);
    },
  },
  {
    name: 'tells that a server refuses, and loses no later datagram by it',
    async play(stage) {
      const host = await stage.host();
      const { endpoint, socket: listening } = await stage.peer();
      listening.close();
      const socket = await host.do('connect', endpoint, undefined);
      await host.do('send', socket, Buffer.from('lost'), 1);
      assert.deepEqual(await host.next('failed'), { kind: 'failed', socket, error: -ERRNO.ECONNREFUSED });
      const server = await stage.echo(endpoint.port);
      await host.do('send', socket, Buffer.from('found'), 2);
      assert.equal(Buffer.from((await host.next('answered')).bytes).toString(), 'found');
      assert.equal(server.heard.length, 1);
    },
  },
  {
    name: 'tells what it could not send, with its bytes',
    async play(stage) {
      const host = await stage.host();
      const server = await stage.echo();
      const socket = await host.do('connect', server.endpoint, undefined);
      const sent = pattern(65_520, 3);
      await host.do('send', socket, sent, 77);
      const { tag, isReply, bytes, error } = await host.next('unsent');
      assert.deepEqual([tag, isReply, error], [77, false, -ERRNO.EMSGSIZE]);
      assert.deepEqual(Buffer.from(bytes), sent);
      await host.do('send', socket, Buffer.from('and on'), 78);
      assert.equal(Buffer.from((await host.next('answered')).bytes).toString(), 'and on');
    },
  },
  {
    name: 'reports what is queued for a socket that is closed as unsent',
    async play(stage) {
      const host = await stage.host();
      const server = await stage.peer();
      const socket = await host.do('connect', server.endpoint, undefined);
      await host.do('sendMany', socket, pattern(300, 1), 100, true);
      for (const want of [0, 100, 200]) {
        const { tag, error, bytes } = await host.next('unsent');
        assert.deepEqual([tag, error, bytes.length], [want, -ERRNO.ECANCELED, 100]);
      }
    },
  },
  {
    name: 'says nothing of a closed socket, and opens others meanwhile',
    async play(stage) {
      const host = await stage.host();
      const server = await stage.echo();
      for (let round = 0; round < 50; round++) {
        const socket = await host.do('connect', server.endpoint, undefined);
        void host.do('send', socket, Buffer.from(`${round}`), round);
        if (round % 2 === 0) {
          await host.do('close', socket);
          // What came before it was closed may be told.
          host.forget('answered');
        } else assert.equal(Buffer.from((await host.next('answered')).bytes).toString(), `${round}`);
      }
      assert.equal(host.has('answered'), false);
    },
  },
  {
    name: 'passes a run of equal datagrams and its shorter end, in order and whole',
    async play(stage) {
      for (const size of [48, 1200, 1472]) {
        const host = await stage.host();
        const server = await stage.peer();
        const socket = await host.do('connect', server.endpoint, undefined);
        const bytes = pattern(size * 150 + 17, size);
        await host.do('sendMany', socket, bytes, size, false);
        await until('151 datagrams', () => server.heard.length === 151);
        assert.deepEqual(server.heard.map((one) => one.bytes.length).slice(-2), [size, 17]);
        assert.deepEqual(Buffer.concat(server.heard.map((one) => one.bytes)), bytes);
      }
    },
  },
  {
    name: 'takes apart what was sent to it as one run',
    async play(stage) {
      const { host, at } = await stage.listener('tell');
      const sender = await stage.host();
      const socket = await sender.do('connect', at, undefined);
      const bytes = pattern(1000 * 40 + 5, 9);
      await sender.do('sendMany', socket, bytes, 1000, false);
      const parts: Uint8Array[] = [];
      for (let i = 0; i < 41; i++) parts.push((await host.next('arrived')).bytes);
      assert.deepEqual([...new Set(parts.map(({ length }) => length))], [1000, 5]);
      assert.deepEqual(Buffer.concat(parts), bytes);
    },
  },
  {
    name: 'relays between 20 clients and a server, nobody hearing another',
    async play(stage) {
      const server = await stage.echo();
      const { at } = await stage.listener(server.endpoint);
      const clients: Peer[] = [];
      for (let i = 0; i < 20; i++) clients.push(await stage.peer());
      for (let round = 0; round < 50; round++) {
        for (const [i, client] of clients.entries()) client.say(at, pattern(1 + ((i * 37 + round) % 1400), i));
        await until('a round of answers', () => clients.every(({ heard }) => heard.length > round));
      }
      for (const [i, client] of clients.entries()) {
        for (const [round, { bytes }] of client.heard.entries()) {
          assert.deepEqual(bytes, pattern(1 + ((i * 37 + round) % 1400), i));
        }
      }
    },
  },
  {
    name: 'says that a port is busy',
    async play(stage) {
      const other = await stage.peer();
      const host = await stage.host();
      await host.do('listen', other.endpoint, 'tell');
      assert.equal((await host.next('listening')).result, -ERRNO.EADDRINUSE);
    },
  },
  {
    name: 'shares a port with others, each client staying with one',
    async play(stage) {
      const sockets = new DatagramSockets();
      const group = sockets.bindGroup(ip('127.0.0.1'), 2);
      assert.ok(typeof group !== 'number');
      const at = sockets.boundTo(group[0]) as IpEndpoint;
      const hosts = [await stage.host(), await stage.host()];
      for (const [i, host] of hosts.entries()) {
        await host.do('adopt', sockets.duplicate(group[i]), at);
        assert.equal((await host.next('listening')).result, 0);
      }
      const clients: Peer[] = [];
      for (let i = 0; i < 64; i++) clients.push(await stage.peer());
      for (let round = 1; round <= 3; round++) {
        for (const client of clients) client.say(at, 'hello');
        await until('all answered', () => clients.every(({ heard }) => heard.length === round));
      }
      const shares = await Promise.all(hosts.map((host) => host.do('received')));
      assert.equal(shares[0] + shares[1], 192);
      assert.ok(
        shares.every((share) => share >= 30 && share % 3 === 0),
        `${shares}`,
      );
      const alone = sockets.bindGroup(at, 1);
      assert.equal(alone, -ERRNO.EADDRINUSE);
      for (const fd of group) sockets.close(fd);
    },
  },
  {
    name: 'calls the timer at its time, once',
    async play(stage) {
      const host = await stage.host();
      const wanted = (await host.do('now')) + 60;
      await host.do('wakeAt', wanted + 1e6);
      await host.do('wakeAt', wanted);
      assert.ok((await host.next('timer')).nowMs >= wanted);
      await sleep(100);
      assert.equal(host.has('timer'), false);
    },
  },
  {
    name: 'ends with the error of a handler that throws',
    async play(stage) {
      const { host, at } = await stage.listener('throw');
      const client = await stage.peer();
      client.say(at, 'boom');
      await host.next('stopped').catch(() => {});
      await host.ended();
      assert.match(`${host.error?.message}`, /thrown by a handler/);
    },
  },
  {
    name: 'leaves no descriptor behind',
    async play(stage) {
      const count = () => readdirSync('/proc/self/fd').length;
      const server = await stage.echo();
      // The first one opens what all of them share.
      await (await stage.host()).stop();
      const before = count();
      const { host, at } = await stage.listener(server.endpoint);
      const clients = [await stage.peer(), await stage.peer(), await stage.peer()];
      for (const client of clients) client.say(at, 'hello');
      for (const client of clients) await client.hear();
      await host.stop();
      for (const { socket } of clients) socket.close();
      await until(`${before} descriptors, not ${count()}`, () => count() === before);
    },
  },
];

/**
 * Declares the suite for one implementation; `optOut` gives the reason by the name of the case. What cannot be by
 * nature is left out and not skipped: on CI a skip is a failure.
 */
export function datagramSuite(implementation: DatagramImplementation, optOut: Record<string, string> = {}): void {
  const unknown = Object.keys(optOut).filter((caseName) => !cases.some((c) => c.name === caseName));
  if (unknown.length > 0) throw new Error(`no such case: "${unknown.join('", "')}"`);
  describe(`${implementation} datagrams`, () => {
    for (const { name, play, obstacle } of cases.filter((one) => optOut[one.name] === undefined)) {
      const skip = obstacle?.() ?? '';
      test(`${implementation} ${name}`, { skip: skip !== '' && skip, timeout: 20_000 }, async () => {
        const stage = new Stage(implementation);
        try {
          await play(stage);
        } finally {
          await stage.end();
        }
      });
    }
  });
}

function ip(address: string, port = 0): IpEndpoint {
  const words = parseIp(address);
  assert.ok(words);
  return ipEndpoint(words, port);
}

function text({ family, address }: IpEndpoint): string {
  return family === 6 ? '::1' : [24, 16, 8, 0].map((shift) => (address[3] >>> shift) & 255).join('.');
}

/** Bytes that differ from place to place and from seed to seed. */
function pattern(length: number, seed: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => i * 31 + seed * 17 + (i >> 8)));
}

async function until(what: string, probe: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!probe()) {
    assert.ok(performance.now() < deadline, `waited in vain: ${what}`);
    await sleep(1);
  }
}
