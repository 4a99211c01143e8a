import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ANY_V4,
  ANY_V6,
  addressKey,
  formatEndpoint,
  formatIp,
  ipEndpoint,
  isV4,
  parseIp,
  parseServer,
  splitHostPort,
} from './address.js';
import { ip, randomFrom } from './tables.suite.js';

const addresses: [text: string, words: readonly number[], formatted?: string][] = [
  ['0.0.0.0', [0, 0, 0xffff, 0]],
  ['127.0.0.1', [0, 0, 0xffff, 0x7f000001]],
  ['255.255.255.255', [0, 0, 0xffff, -1]],
  ['192.0.2.200', [0, 0, 0xffff, 0xc00002c8 | 0]],
  ['::', [0, 0, 0, 0]],
  ['::1', [0, 0, 0, 1]],
  ['1::', [0x10000, 0, 0, 0]],
  ['2001:db8::1', [0x20010db8, 0, 0, 1]],
  ['2001:DB8:0:0:0:0:0:1', [0x20010db8, 0, 0, 1], '2001:db8::1'],
  ['fe80:0:0:1:2:3:4:5', [0xfe800000 | 0, 1, 0x20003, 0x40005], 'fe80::1:2:3:4:5'],
  ['1:0:0:2:0:0:0:3', [0x10000, 2, 0, 3], '1:0:0:2::3'],
  ['1:0:0:2:3:0:0:4', [0x10000, 2, 0x30000, 4], '1::2:3:0:0:4'],
  ['1:2:3:4:5:6:0:8', [0x10002, 0x30004, 0x50006, 8], '1:2:3:4:5:6:0:8'],
  ['1:2:3:4:5:6:7::', [0x10002, 0x30004, 0x50006, 0x70000], '1:2:3:4:5:6:7:0'],
  ['::ffff:10.0.0.1', [0, 0, 0xffff, 0x0a000001], '10.0.0.1'],
  ['::ffff:a00:1', [0, 0, 0xffff, 0x0a000001], '10.0.0.1'],
  ['64:ff9b::192.0.2.33', [0x64ff9b, 0, 0, 0xc0000221 | 0], '64:ff9b::c000:221'],
  ['1:2:3:4:5:6:1.2.3.4', [0x10002, 0x30004, 0x50006, 0x01020304], '1:2:3:4:5:6:102:304'],
];

test('parseIp and formatIp agree when the address is well formed', () => {
  for (const [text, words, formatted] of addresses) {
    assert.deepEqual(parseIp(text), words, text);
    assert.equal(formatIp(words), formatted ?? text, text);
  }
});

test('parseIp refuses when the text is not an address', () => {
  const bad = [
    ...[
      '',
      '1',
      '1.2.3',
      '1.2.3.4.5',
      '1.2.3.256',
      '01.2.3.4',
      '1.2.3.4 ',
      ' 1.2.3.4',
      '1..2.3',
      '0x7f.0.0.1',
      '1.2.3.-4',
    ],
    ...[':', ':::', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', '12345::', 'g::', '::1%lo', '1:2:3:4:5:6:7:8::'],
    ...[
      '1:2:3:4::5:6:7:8',
      ':1',
      '1:',
      '::1.2.3',
      '1.2.3.4::',
      '1:1.2.3.4:2::',
      '1:2:3:4:5:6:7:1.2.3.4',
      '[::1]',
      '::\n',
    ],
  ];
  for (const text of bad) assert.equal(parseIp(text), undefined, JSON.stringify(text));
});

test('parseIp gives back the words when formatIp wrote them', () => {
  const seed = 7;
  const random = randomFrom(seed);
  for (let i = 0; i < 2000; i++) {
    // Few distinct groups, so that zero runs of every length and place come up.
    const word = () => (random(3) << 16) | random(3);
    const words = [word(), word(), word() * random(2), word()];
    assert.deepEqual(parseIp(formatIp(words)), words, `seed ${seed}, round ${i}`);
  }
});

test('isV4 is true when the address is IPv4-mapped only', () => {
  assert.equal(isV4(ANY_V4), true);
  assert.equal(isV4(ANY_V6), false);
  assert.equal(isV4(ip('::1.2.3.4')), false);
});

test('formatEndpoint writes what can be read again', () => {
  assert.equal(formatEndpoint(ipEndpoint(ip('127.0.0.1'), 80)), '127.0.0.1:80');
  assert.equal(formatEndpoint(ipEndpoint(ip('::1'), 8080)), '[::1]:8080');
  assert.equal(formatEndpoint({ kind: 'unix', path: '/run/x.sock' }), '/run/x.sock');
  assert.equal(ipEndpoint(ip('::ffff:1.2.3.4'), 1).family, 4);
  assert.equal(ipEndpoint(ip('2001:db8::1'), 1).family, 6);
});

test('splitHostPort splits at the last colon', () => {
  const cases: [text: string, host: string | undefined, port: string | undefined][] = [
    ['80', undefined, '80'],
    ['smtp', undefined, 'smtp'],
    [':80', undefined, '80'],
    ['www:80', 'www', '80'],
    ['127.0.0.1:http', '127.0.0.1', 'http'],
    [':::8080', '::', '8080'],
    ['::1:8080', '::1', '8080'],
    ['[::1]:8080', '::1', '8080'],
    ['[::1]', '::1', undefined],
    ['www:', 'www', undefined],
    ['', undefined, undefined],
  ];
  for (const [text, host, port] of cases) assert.deepEqual(splitHostPort(text), { host, port }, text);
});

test('parseServer reads host:port:max:hard:weight:prio', () => {
  const none = { max: 0, hard: 0, weight: 0, prio: 0 };
  const cases: [text: string, want: object][] = [
    ['www1', { host: 'www1', ...none }],
    ['www1:8000', { host: 'www1', port: '8000', ...none }],
    ['www1:8000:10', { host: 'www1', port: '8000', ...none, max: 10 }],
    ['www1:http:1:2:3:4', { host: 'www1', port: 'http', max: 1, hard: 2, weight: 3, prio: 4 }],
    ['www1::10', { host: 'www1', ...none, max: 10 }],
    ['www1:80::2', { host: 'www1', port: '80', ...none, hard: 2 }],
    ['[2001:db8::1]:80:5', { host: '2001:db8::1', port: '80', ...none, max: 5 }],
    ['[::1]', { host: '::1', ...none }],
    ['/run/app.sock', { host: '/run/app.sock', ...none }],
    ['/run/app.sock::4', { host: '/run/app.sock', ...none, max: 4 }],
  ];
  for (const [text, want] of cases) assert.deepEqual(parseServer(text), want, text);
});

test('parseServer says what is wrong when the text is', () => {
  const cases: [text: string, want: RegExp][] = [
    ['', /host is missing/],
    [':80', /host is missing/],
    ['[]:80', /host is missing/],
    ['[::1', /brackets/],
    ['[::1]80', /brackets/],
    ['www:80:x', /^max must be a whole number.*got 'x'$/],
    ['www:80:-1', /max must be/],
    ['www:80:1:2.5', /hard must be/],
    ['www:80:1:2:3:99999999999', /prio must be/],
    ['www:80:1:2:3:4:5', /too many fields/],
    ['2001:db8::1', /brackets/],
    ['::1', /brackets/],
  ];
  for (const [text, want] of cases) {
    const got = parseServer(text);
    assert.ok(typeof got === 'string', text);
    assert.match(got, want, text);
    assert.doesNotMatch(got, /\.$/);
  }
});

test('`addressKey` is the same for the same address and for no other', () => {
  const texts = ['0.0.0.0', '::', '10.0.0.1', '::10.0.0.1', '255.255.255.255', '::ffff:ffff', '1::', '0:1::', '::1'];
  assert.equal(new Set(texts.map((text) => addressKey(ip(text)))).size, texts.length);
  assert.equal(addressKey(ip('::ffff:10.0.0.1')), addressKey(ip('10.0.0.1')));
  assert.equal(addressKey(ip('2001:db8:0::1')), addressKey(ip('2001:db8::1')));
});
