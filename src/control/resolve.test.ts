import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANY_V6, formatEndpoint, formatIp, ipEndpoint } from '../core/address.js';
import { resolveHost, resolveListen, resolveListenOrVip, resolvePort, resolveServer } from './resolve.js';

const listens: ReadonlyArray<readonly [text: string, want: string]> = [
  ['8080', '0.0.0.0:8080'],
  [':8080', '0.0.0.0:8080'],
  ['127.0.0.1:80', '127.0.0.1:80'],
  [':::8080', '[::]:8080'],
  ['[::1]:8080', '[::1]:8080'],
  ['::1:8080', '[::1]:8080'],
  ['localhost:smtp', '127.0.0.1:25'],
  ['/run/pen', '/run/pen'],
];

for (const [text, want] of listens) {
  test(`resolveListen makes ${want} of ${text}`, async () => {
    const { endpoint, text: kept } = await resolveListen(text);
    assert.equal(formatEndpoint(endpoint), want);
    assert.equal(kept, text);
  });
}

const vips: readonly (readonly [text: string, want: string])[] = [
  ['192.0.2.80', '192.0.2.80:0'],
  ['[2001:db8::80]', '[2001:db8::80]:0'],
  ['2001:db8::80', '[2001:db8::80]:0'],
  ['::1:8080', '[::1]:8080'],
  ['192.0.2.80:443', '192.0.2.80:443'],
  ['8080', '0.0.0.0:8080'],
];

for (const [text, want] of vips) {
  test(`resolveListenOrVip makes ${want} of ${text}`, async () => {
    const { endpoint, isPortless = false } = await resolveListenOrVip(text);
    assert.equal(formatEndpoint(endpoint), want);
    assert.equal(isPortless, want.endsWith(':0'));
  });
}

const failures: ReadonlyArray<readonly [name: string, attempt: () => Promise<unknown>, message: RegExp]> = [
  [
    'a host that is not there',
    () => resolveHost('no-such-host.invalid'),
    /^cannot resolve host 'no-such-host\.invalid': E/,
  ],
  [
    'a server that is not there, quoting all of it',
    () => resolveServer('no-such-host.invalid:', ipEndpoint(ANY_V6, 80)),
    /^'no-such-host\.invalid:': cannot resolve host 'no-such-host\.invalid': E/,
  ],
  ['hexadecimal', () => resolveHost('0x7f.1'), /'0x7f\.1' is neither/],
  ['a short address', () => resolveHost('127.1'), /'127\.1' is neither/],
  ['nothing', () => resolveHost(''), /'' is neither/],
  ['a large port', () => resolvePort('65536'), /out of range/],
  ['a service nobody knows', () => resolvePort('nonsense'), /unknown service 'nonsense'/],
  ['a name from Object', () => resolvePort('constructor'), /unknown service/],
  [
    'a path without a slash',
    () => resolveListen('bg.ctl'),
    /^unknown service 'bg\.ctl' .*a socket path needs a slash: \.\/bg\.ctl\)$/,
  ],
  ['a bad limit, once', () => resolveServer('h:1:many', undefined), /^'h:1:many': max must be .*, got 'many'$/],
  ['a bad limit after a path', () => resolveServer('/run/x::many', undefined), /^'\/run\/x::many': max must be /],
  ['no port', () => resolveListen('[::1]'), /has no port/],
  ['a long path', () => resolveListen(`/${'x'.repeat(107)}`), /too long for a Unix socket/],
  [
    'a server without a port behind a Unix listener',
    () => resolveServer('127.0.0.1', { kind: 'unix', path: '/x' }),
    /has no port/,
  ],
];

for (const [name, attempt, message] of failures) {
  test(`resolve refuses ${name}`, async () => {
    await assert.rejects(attempt(), { message });
  });
}

test('resolveServer takes the port of the listener and the limits that are given', async () => {
  const { endpoint } = await resolveListen('80', ANY_V6);
  assert.equal(formatEndpoint(endpoint), '[::]:80');
  const plain = await resolveServer('127.0.0.1', endpoint);
  assert.deepEqual([plain.endpoint?.kind === 'ip' && plain.endpoint.port, plain.max], [80, 0]);
  const full = await resolveServer('[::1]:http:1:2:3:4', endpoint);
  assert.equal(full.endpoint && formatEndpoint(full.endpoint), '[::1]:80');
  assert.deepEqual([full.max, full.hard, full.weight, full.prio], [1, 2, 3, 4]);
  assert.equal(formatIp(await resolveHost('[::1]')), '::1');
});
