import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ServerPlan } from '../core/tls-plan.js';
import { mapAnonymous, unmap } from '../sys/memory.js';
import { type Context, clientContext, liveContexts, serverContext } from './context.js';
import { DONE, ENDED, FAILED, liveSessions, Session, WANTS_INPUT, WANTS_ROOM } from './session.js';
import { Transport } from './transport.js';

const AREA = 262_144;
const pem = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../test/fixtures/tls/${name}`, import.meta.url)));
const plan: ServerPlan = {
  identity: { credentials: [{ chain: pem('ec.crt'), key: pem('ec.key'), ocsp: undefined }] },
  names: new Map(),
  refusesUnknownNames: false,
  ciphers: '',
  suites: '',
  hasTls12: true,
  hasTls13: true,
  serverPreference: false,
  compatible: false,
  clientCertificate: 'off',
  clientCa: undefined,
  alpn: [],
};
const PEER = { endpoint: 'here', name: 'localhost', isAddress: false, verifies: true };
const NO_CALLBACKS = { alpn: 0, status: 0 };

/** A server and a client in one process; `wire` may change what one has written before the other reads it. */
class Pair {
  readonly server: Session;
  readonly client: Session;
  readonly #transport: Transport;
  readonly #area = mapAnonymous(AREA);
  readonly bytes = new Uint8Array(this.#area.buffer);
  readonly #plain = mapAnonymous(AREA);
  readonly plain = new Uint8Array(this.#plain.buffer);

  constructor(transport: Transport, server: Context, client: Context) {
    this.#transport = transport;
    this.server = new Session(server, transport);
    this.client = new Session(client, transport, PEER);
  }

  /** What the session has written, to be read by `to`, or lost. */
  carry(wire: (bytes: Uint8Array) => number = (bytes) => bytes.length): number {
    const length = this.#transport.take(this.#area.address, AREA);
    return length === 0 ? 0 : wire(this.bytes.subarray(0, length));
  }

  step(session: Session, input: number): number {
    this.#transport.offer(this.#area.address, input);
    let result = session.handshake();
    for (let tries = 0; result === WANTS_ROOM && tries < 100; tries++) result = session.handshake();
    this.#transport.withdraw();
    return result;
  }

  read(session: Session, input: number, capacity: number): number {
    this.#transport.offer(this.#area.address, input);
    const result = session.read(this.#plain.address, capacity);
    this.#transport.withdraw();
    return result;
  }

  write(session: Session, length: number): number {
    return session.write(this.#plain.address, length);
  }

  /** True once both are done. */
  shake(wire?: (bytes: Uint8Array) => number): boolean {
    let [isServerDone, isClientDone, input] = [false, false, 0];
    for (let round = 0; round < 20 && !(isServerDone && isClientDone); round++) {
      const client = this.step(this.client, input);
      input = this.carry(wire);
      const server = this.step(this.server, input);
      input = this.carry(wire);
      if (client === FAILED || server === FAILED) return false;
      isClientDone = client === DONE;
      isServerDone = server === DONE;
    }
    return isServerDone && isClientDone;
  }

  free(): void {
    this.server.free();
    this.client.free();
    this.carry();
    unmap(this.#area);
    unmap(this.#plain);
  }
}

test('two sessions shake hands, speak and end through one transport', () => {
  const transport = new Transport();
  const [server, client] = [
    serverContext(plan, plan.identity, undefined, NO_CALLBACKS, false),
    clientContext(true, pem('ca.crt')),
  ];
  const pair = new Pair(transport, server, client);
  assert.equal(pair.shake(), true, pair.client.failure + pair.client.verifyFailure);
  assert.equal(pair.client.version, 'TLSv1.3');
  pair.plain.set(Buffer.from('hello'));
  assert.equal(pair.write(pair.client, 5), 5);
  const input = pair.carry();
  pair.plain.fill(0);
  assert.equal(pair.read(pair.server, input, 100), 5);
  assert.equal(Buffer.from(pair.plain.subarray(0, 5)).toString(), 'hello');
  assert.equal(pair.read(pair.server, 0, 100), WANTS_INPUT);
  pair.client.end();
  assert.equal(pair.read(pair.server, pair.carry(), 100), ENDED);
  pair.free();
  // Once more is harmless.
  pair.server.free();
  server.close();
  server.close();
  client.close();
  transport.close();
});

test('a ring that is full tells, and loses nothing', () => {
  const transport = new Transport();
  const contexts = [serverContext(plan, plan.identity, undefined, NO_CALLBACKS, false), clientContext(false)] as const;
  const pair = new Pair(transport, ...contexts);
  assert.ok(pair.shake());
  let sealed = 0;
  for (let tries = 0; tries < 100; tries++) {
    const taken = pair.write(pair.server, 65_536);
    if (taken === WANTS_ROOM) break;
    sealed += taken;
  }
  assert.ok(sealed >= 65_536 && sealed < 131_072, String(sealed));
  pair.carry();
  assert.ok(pair.write(pair.server, 65_536) > 0);
  pair.free();
  for (const context of contexts) context.close();
  transport.close();
});

test('2,000 mutated conversations end in order, leave no handle and no memory', () => {
  const seed = 81_123;
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const transport = new Transport();
  const contexts = [
    serverContext(plan, plan.identity, new Uint8Array(80).fill(3), NO_CALLBACKS, false),
    clientContext(false),
  ] as const;
  const before = { sessions: liveSessions, contexts: liveContexts };
  let failures = 0;
  let baseline = 0;
  for (let round = 0; round < 2_000; round++) {
    if (round === 300) baseline = process.memoryUsage().rss;
    const pair = new Pair(transport, ...contexts);
    // Some are harmed in the handshake, the others when they speak.
    let steps = random(12);
    const harm = (bytes: Uint8Array): number => {
      if (steps-- !== 0) return bytes.length;
      for (let flips = 1 + random(3); flips > 0; flips--) bytes[random(bytes.length)] = random(256);
      return random(4) === 0 ? random(bytes.length + 1) : bytes.length;
    };
    if (pair.shake(harm)) {
      for (let turn = 0; turn < 4; turn++) {
        const [from, to] = turn % 2 === 0 ? [pair.client, pair.server] : [pair.server, pair.client];
        const sent = pair.write(from, 1 + random(40_000));
        const input = pair.carry(harm);
        const got = pair.read(to, input, 1 + random(AREA - 1));
        assert.ok(got <= Math.max(sent, 16_384), `seed ${seed}, round ${round}`);
        pair.carry();
      }
      pair.server.end();
    } else failures++;
    pair.free();
  }
  assert.ok(failures > 200 && failures < 1_900, `${failures} of 2000 handshakes failed, seed ${seed}`);
  assert.deepEqual({ sessions: liveSessions, contexts: liveContexts }, before);
  const grown = process.memoryUsage().rss - baseline;
  assert.ok(grown < 40_000_000, `grown by ${grown} bytes in 1700 conversations`);
  for (const context of contexts) context.close();
  transport.close();
  assert.equal(liveSessions, 0);
});

test('a server is trusted only by an authority that was given, and only under its name', () => {
  const transport = new Transport();
  const server = serverContext(plan, plan.identity, undefined, NO_CALLBACKS, false);
  const cases = [
    [clientContext(true, pem('ca.crt')), ''],
    [
      clientContext(true, pem('stranger.crt')),
      'self-signed certificate in certificate chain|unable to get .*issuer certificate',
    ],
    [clientContext(true), 'self-signed certificate in certificate chain|unable to get .*issuer certificate'],
  ] as const;
  for (const [client, failure] of cases) {
    const pair = new Pair(transport, server, client);
    assert.equal(pair.shake(), failure === '');
    assert.match(pair.client.verifyFailure, new RegExp(`^(${failure})$`));
    pair.free();
    client.close();
  }
  server.close();
  transport.close();
});
