import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../core/address.js';
import { type ClientFacts, Forwarding, MAX_ADDED, putForwarding } from './forwarding.js';
import { HeadScanner, KIND } from './head-scanner.js';

const stranger: ClientFacts = {
  address: parseIp('192.0.2.7'),
  isSecure: false,
  isTrusted: false,
  withForwarded: false,
};
const proxy: ClientFacts = { ...stranger, isTrusted: true };

/** The lines of a head after its first, with what stood around it checked to be where it was. */
function put(lines: readonly string[], facts: ClientFacts, emptyLines = ''): string[] {
  const before = 'body of the one before';
  const after = 'its body, and GET /another';
  const head = `${emptyLines}${['GET / HTTP/1.1', ...lines].join('\r\n')}\r\n\r\n`;
  const text = `${before}${head}${after}`;
  const bytes = Buffer.alloc(text.length + MAX_ADDED, 0xa5);
  bytes.write(text, 'latin1');
  const scanner = new HeadScanner(KIND.request);
  scanner.scan(bytes, before.length, text.length);
  assert.ok(scanner.isDone, text);
  const end = putForwarding(bytes, before.length, text.length, scanner, new Forwarding(facts));
  const result = bytes.toString('latin1', 0, end);
  assert.ok(result.startsWith(`${before}GET / HTTP/1.1\r\n`), result);
  assert.ok(result.endsWith(`\r\n\r\n${after}`), result);
  return result
    .slice(before.length, -after.length - 4)
    .split('\r\n')
    .slice(1);
}

const cases: ReadonlyArray<
  readonly [name: string, have: readonly string[], facts: ClientFacts, want: readonly string[]]
> = [
  ['a plain head', ['Host: a'], stranger, ['Host: a', 'X-Forwarded-For: 192.0.2.7', 'X-Forwarded-Proto: http']],
  ['no fields', [], stranger, ['X-Forwarded-For: 192.0.2.7', 'X-Forwarded-Proto: http']],
  [
    'IPv6 over TLS, and Forwarded',
    ['Host: a'],
    { address: parseIp('2001:db8::1'), isSecure: true, isTrusted: false, withForwarded: true },
    [
      'Host: a',
      'X-Forwarded-For: 2001:db8::1',
      'X-Forwarded-Proto: https',
      'Forwarded: for="[2001:db8::1]";proto=https',
    ],
  ],
  [
    'a client with a certificate, which says that it has another',
    ['X-Forwarded-Client-Cert: Subject="CN=root"', 'A: b'],
    { ...stranger, isSecure: true, certificate: 'CN=a\\"b,O=\u00c4' },
    [
      'A: b',
      'X-Forwarded-For: 192.0.2.7',
      'X-Forwarded-Proto: https',
      'X-Forwarded-Client-Cert: Subject="CN=a\\\\\\"b,O=\u00c3\u0084"',
    ],
  ],
  [
    'a client whose name is too long to be told',
    [],
    { ...stranger, certificate: `CN=${'a'.repeat(500)}` },
    ['X-Forwarded-For: 192.0.2.7', 'X-Forwarded-Proto: http'],
  ],
  [
    'a client without an address',
    [],
    { ...stranger, address: undefined, withForwarded: true },
    ['X-Forwarded-For: unknown', 'X-Forwarded-Proto: http', 'Forwarded: for=unknown;proto=http'],
  ],
  [
    'a stranger who says who it is',
    [
      'x-forwarded-FOR: 6.6.6.6',
      'A: b',
      'X_Forwarded-Proto: https',
      'Forwarded: for=1',
      'X-Forwarded-Host: h',
      'X-Forwarded-For: 7',
    ],
    stranger,
    ['A: b', 'X-Forwarded-For: 192.0.2.7', 'X-Forwarded-Proto: http'],
  ],
  [
    'a proxy that says who its client is',
    ['X-Forwarded-For: 10.0.0.1', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: h', 'A: b'],
    proxy,
    ['X-Forwarded-For: 10.0.0.1, 192.0.2.7', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: h', 'A: b'],
  ],
  [
    'a proxy with its list in two lines',
    ['X-Forwarded-For: 10.0.0.1', 'A: b', 'X-Forwarded-For: 10.0.0.2', 'C: d'],
    proxy,
    ['X-Forwarded-For: 10.0.0.1', 'A: b', 'X-Forwarded-For: 10.0.0.2, 192.0.2.7', 'C: d', 'X-Forwarded-Proto: http'],
  ],
  [
    'a proxy with both kinds, Forwarded first',
    ['Forwarded: for=10.0.0.1', 'X-Forwarded-For: 10.0.0.1'],
    { ...proxy, withForwarded: true },
    [
      'Forwarded: for=10.0.0.1, for=192.0.2.7;proto=http',
      'X-Forwarded-For: 10.0.0.1, 192.0.2.7',
      'X-Forwarded-Proto: http',
    ],
  ],
  [
    'a proxy with both kinds, Forwarded last',
    ['X-Forwarded-For: 10.0.0.1', 'Forwarded: for=10.0.0.1'],
    { ...proxy, withForwarded: true },
    [
      'X-Forwarded-For: 10.0.0.1, 192.0.2.7',
      'Forwarded: for=10.0.0.1, for=192.0.2.7;proto=http',
      'X-Forwarded-Proto: http',
    ],
  ],
  [
    'an upgrade to a WebSocket',
    ['Connection: Upgrade', 'Upgrade: websocket'],
    stranger,
    ['Connection: Upgrade', 'Upgrade: websocket', 'X-Forwarded-For: 192.0.2.7', 'X-Forwarded-Proto: http'],
  ],
  [
    'an upgrade to HTTP/2',
    ['Upgrade: h2c', 'HTTP2-Settings: x', 'upgrade:foo,H2c', 'A: b'],
    proxy,
    ['A: b', 'X-Forwarded-For: 192.0.2.7', 'X-Forwarded-Proto: http'],
  ],
];

test('putForwarding says who the client is', () => {
  for (const [name, have, facts, want] of cases) assert.deepEqual(put(have, facts), want, name);
  assert.deepEqual(put(['A: b'], stranger, '\r\n\r\n'), [
    'A: b',
    'X-Forwarded-For: 192.0.2.7',
    'X-Forwarded-Proto: http',
  ]);
});
