import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Meters } from '../core/meters.js';
import { paintFor } from './paint.js';
import { type Reading, topScreen } from './top.js';

const paint = paintFor({ isTTY: false }, {});
const times = { classesMs: [], counts: [], sumMs: 0 };

function server(number: number, state: 'up' | 'blacklisted' | 'empty', connects: number, address = `10.0.0.${number}`) {
  const failures = { refused: 0, timeout: 0, unreachable: 0, reset: 0, local: 0, other: 0 };
  const endings = { closed: 0, broken: 0, idle: 0, ordered: 0 };
  const limits = { pending: 0, max: 0, hard: 0, weight: 0, prio: 0, acl: 0 };
  const sums = { connects, bytesSent: connects * 100, bytesReceived: connects * 20_000, failures, endings };
  const rest = {
    ...limits,
    ...sums,
    connectTimes: times,
    sessionTimes: times,
    direct: undefined,
    lastFailure: undefined,
  };
  return { server: number, address, port: 80, state, blacklistedSec: state === 'up' ? 0 : 7, connections: 3, ...rest };
}

function reading(timeMs: number, accepted: number, servers: Reading['servers']): Reading {
  const setup = {
    version: '1.2.3',
    listen: '0.0.0.0:80',
    engine: 'uring',
    threads: 2,
    algorithm: 'hash',
    tracking: true,
  };
  const table = { connections: 6, connectionsMax: 500, idlers: 0, clients: 4, clientsMax: 2048, acceptFailures: 0 };
  const refusals = { ...new Meters(Meters.allocate()).refusals(), denied: 1, no_server: 2 };
  const rest = { protocol: 'tcp' as const, transparency: undefined, drops: {}, vips: [], tls: undefined, logLost: 0 };
  return { ...rest, timeMs, uptimeSec: 90_061, ...setup, ...table, stubborn: false, accepted, refusals, servers };
}

const before = reading(1000, 100, [server(0, 'up', 10), server(1, 'blacklisted', 10)]);
const now = reading(3000, 120, [server(0, 'up', 25), server(1, 'blacklisted', 15), server(2, 'empty', 0)]);

test('topScreen shows rates between two readings, shares and states', () => {
  assert.deepEqual(topScreen(before, now, { width: 120, height: 40 }, paint), [
    'pen 1.2.3  0.0.0.0:80  uring x 2  hash + tracking  up 1 d 1 h',
    'servers 1 of 2 up   connections 6 of 500   new 10/s   clients 4   turned away 3',
    '',
    'server  address      state            conn  new/s   to/s  from/s  share',
    '0       10.0.0.0:80  up                  3    7.5  750 B   146 K    75%  ############....',
    '1       10.0.0.1:80  blacklisted 7 s     3    2.5  250 B    49 K    25%  ####............',
  ]);
});

test('topScreen shows the state on 80 columns, whatever the address, and in its colour', () => {
  const colours = paintFor({ isTTY: true }, {});
  for (const address of ['192.168.100.100', '2001:db8:1234:5678:9abc:def0:1234:5678', `/${'x'.repeat(100)}`]) {
    const row = reading(3000, 0, [server(0, 'blacklisted', 0, address)]);
    const [, , , , line = ''] = topScreen(row, row, { width: 80, height: 24 }, colours);
    assert(line.includes('\u001b[31mblacklisted 7 s\u001b[0m'), line);
  }
});

test('topScreen shows those that are not well first where not all find room', () => {
  const states = Array.from({ length: 30 }, (_, at) => server(at, at === 20 ? 'blacklisted' : 'up', 0));
  const many = reading(3000, 0, states);
  const lines = topScreen(many, many, { width: 80, height: 12 }, paint);
  assert.deepEqual([lines[4]?.slice(0, 2), lines[5]?.slice(0, 2), lines.at(-1)], ['20', '0 ', '23 more']);
});

test('topScreen keeps to the size of the terminal and says how much is missing', () => {
  const many = reading(
    3000,
    0,
    Array.from({ length: 30 }, (_, at) => server(at, 'up', 0)),
  );
  const lines = topScreen(many, many, { width: 40, height: 12 }, paint);
  assert.equal(lines.length, 12);
  assert(lines.every((line) => line.length <= 40));
  assert.equal(lines.at(-1), '23 more');
});

test('topScreen sends no control character of a name to the terminal', () => {
  const odd = reading(3000, 0, [server(0, 'up', 0, '/tmp/\u001b]0;x\u0007')]);
  assert.doesNotMatch(topScreen(odd, odd, { width: 200, height: 20 }, paint).join('\n'), /[^\P{Cc}\n]/u);
});

test('paintFor colours a terminal only, and not where NO_COLOR or a dumb one forbids it', () => {
  assert.equal(paintFor({ isTTY: true }, {})('bad', 'x'), '\u001b[31mx\u001b[0m');
  for (const [stream, environment] of [
    [{ isTTY: false }, {}],
    [{ isTTY: true }, { NO_COLOR: '1' }],
    [{ isTTY: true }, { TERM: 'dumb' }],
  ] as const) {
    assert.equal(paintFor(stream, environment)('bad', 'x'), 'x');
  }
});
