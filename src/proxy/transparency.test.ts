import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Endpoint, formatIp, type IpWords, ipEndpoint, parseIp } from '../core/address.js';
import { defaultSettings, type Settings } from '../core/configuration.js';
import { ERRNO } from '../sys/errno.js';
import { REFUSED, TRANSPARENCY, Transparency, type TransparencyCount } from './transparency.js';

const words = (text: string): IpWords => {
  const parsed = parseIp(text);
  assert.ok(parsed);
  return parsed;
};
const to = (text: string): Endpoint =>
  text.startsWith('/') ? { kind: 'unix', path: text } : ipEndpoint(words(text), 80);

function chooser(settings: Partial<Settings>): Transparency {
  const transparency = new Transparency(Transparency.allocate());
  transparency.configure({ ...defaultSettings, ...settings });
  return transparency;
}

/** What a server would see, and what was counted. */
function seen(transparency: Transparency, server: string, client: string): string {
  const isUnix = client === 'unix';
  const address = Int32Array.from(isUnix ? [0, 0, 0, 0] : words(client));
  const source = transparency.sourceFor(to(server), address, 5000, isUnix);
  if (source === undefined || source === REFUSED) return source ?? 'own';
  assert.notEqual(source.kind, 'unix');
  if (source.kind === 'foreign') return `client ${formatIp(source.words)} ${source.port}`;
  return source.kind === 'ip' ? `own ${formatIp(source.address)}` : 'path';
}

const table: ReadonlyArray<readonly [server: string, client: string, want: string]> = [
  ['10.2.0.2', '10.1.0.2', 'client 10.1.0.2 0'],
  ['2001:db8::2', '2001:db8:1::2', 'client 2001:db8:1::2 0'],
  // What a dual-stack listener reports for an IPv4 client.
  ['10.2.0.2', '::ffff:10.1.0.2', 'client 10.1.0.2 0'],
  ['127.0.0.1', '127.0.0.5', 'client 127.0.0.5 0'],
  ['::1', '::1', 'client ::1 0'],
  ['2001:db8::2', '10.1.0.2', 'own'],
  ['10.2.0.2', '2001:db8:1::2', 'own'],
  ['10.2.0.2', '127.0.0.1', 'own'],
  ['127.0.0.1', '10.1.0.2', 'own'],
  ['2001:db8::2', '::1', 'own'],
  ['2001:db8::2', 'fe80::1', 'own'],
  ['2001:db8::2', 'febf::1', 'own'],
  ['2001:db8::2', 'fec0::1', 'client fec0::1 0'],
  ['10.2.0.2', 'unix', 'own'],
  ['/run/www', '10.1.0.2', 'own'],
];

test('Transparency gives a connection the address of its client where the server can be shown it', () => {
  for (const [server, client, want] of table) {
    const falls = chooser({ transparent: 'address' });
    assert.equal(seen(falls, server, client), want, `${client} to ${server}`);
    assert.equal(falls.counters.read(TRANSPARENCY.own), want === 'own' ? 1 : 0, `${client} to ${server} is counted`);
    const strict = chooser({ transparent: 'address', transparentStrict: true });
    assert.equal(seen(strict, server, client), want === 'own' ? REFUSED : want, `strict, ${client} to ${server}`);
    assert.equal(strict.counters.read(TRANSPARENCY.refused), want === 'own' ? 1 : 0);
    assert.equal(strict.counters.read(TRANSPARENCY.own), 0);
  }
});

test('Transparency keeps the port when told to, and uses the set source for the others', () => {
  const source = ipEndpoint(words('10.2.0.1'), 0);
  assert.equal(seen(chooser({ transparent: 'port', source }), '10.2.0.2', '10.1.0.2'), 'client 10.1.0.2 5000');
  assert.equal(seen(chooser({ transparent: 'port', source }), '10.2.0.2', 'fd00::1'), 'own 10.2.0.1');
  assert.equal(seen(chooser({ source }), '10.2.0.2', '10.1.0.2'), 'own 10.2.0.1');
  assert.equal(seen(chooser({}), '10.2.0.2', '10.1.0.2'), 'own');
});

test('Transparency.failed tells when another port may do, and counts why', () => {
  const cases: ReadonlyArray<readonly [keyof typeof ERRNO, boolean, boolean, TransparencyCount | undefined]> = [
    ['EADDRINUSE', true, true, 'otherPort'],
    ['EADDRNOTAVAIL', true, true, 'otherPort'],
    ['EADDRNOTAVAIL', false, false, 'noPort'],
    ['ETIMEDOUT', true, false, 'unanswered'],
    ['ECONNREFUSED', true, false, undefined],
  ];
  for (const [code, hadPort, again, counted] of cases) {
    const transparency = chooser({ transparent: 'port' });
    assert.equal(transparency.failed(-ERRNO[code], hadPort), again, code);
    for (const [name, index] of Object.entries(TRANSPARENCY)) {
      assert.equal(transparency.counters.read(index), name === counted ? 1 : 0, `${code} counts ${name}`);
    }
  }
});
