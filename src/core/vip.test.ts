import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from './address.js';
import { covers, formatVipAddress, masked, parseVip } from './vip.js';

const ip = (text: string) => parseIp(text) ?? assert.fail(text);

const good: [text: string, address: string, bits: number, port: string | undefined, canonical: string][] = [
  ['192.0.2.80', '192.0.2.80', 128, undefined, '192.0.2.80'],
  ['192.0.2.80:80', '192.0.2.80', 128, '80', '192.0.2.80:80'],
  ['192.0.2.80:http', '192.0.2.80', 128, 'http', '192.0.2.80:80'],
  ['192.0.2.80/32:80', '192.0.2.80', 128, '80', '192.0.2.80:80'],
  ['10.1.0.0/24', '10.1.0.0', 120, undefined, '10.1.0.0/24'],
  ['10.1.0.0/24:80', '10.1.0.0', 120, '80', '10.1.0.0/24:80'],
  ['0.0.0.0/0', '0.0.0.0', 96, undefined, '0.0.0.0/0'],
  ['2001:db8::80', '2001:db8::80', 128, undefined, '2001:db8::80'],
  ['[2001:db8::80]', '2001:db8::80', 128, undefined, '2001:db8::80'],
  ['[2001:db8::80]:80', '2001:db8::80', 128, '80', '[2001:db8::80]:80'],
  ['2001:db8::/33', '2001:db8::', 33, undefined, '2001:db8::/33'],
  ['[2001:db8::/64]:80', '2001:db8::', 64, '80', '[2001:db8::/64]:80'],
];

for (const [text, address, bits, port, canonical] of good) {
  test(`\`parseVip\` takes ${text}`, () => {
    const vip = parseVip(text);
    assert.deepEqual(vip, { address: ip(address), bits, port });
    assert.equal(formatVipAddress({ ...(vip as object), port: port === undefined ? 0 : 80 } as never), canonical);
  });
}

const bad: [text: string, problem: RegExp][] = [
  ['', /no address/],
  ['www', /no address/],
  ['10.0.0.1:', /no address/],
  ['10.0.0.1/', /0 to 32 bits, not ''/],
  ['10.0.0.0/33', /0 to 32 bits, not '33'/],
  ['2001:db8::/129', /0 to 128 bits, not '129'/],
  ['10.1.0.5/24', /beyond its prefix \(write 10\.1\.0\.0\/24/],
  ['[2001:db8::1/64]:80', /beyond its prefix \(write 2001:db8::\/64/],
  ['[10.0.0.1', /no address/],
];

for (const [text, problem] of bad)
  test(`\`parseVip\` refuses '${text}'`, () => assert.match(parseVip(text) as string, problem));

test('`covers` and `masked` count bits', () => {
  const net = { address: ip('10.64.0.0'), bits: 96 + 10 };
  assert.ok(covers(net, ip('10.127.255.255')));
  assert.ok(!covers(net, ip('10.128.0.0')));
  assert.deepEqual(masked(ip('10.127.255.255'), 106), ip('10.64.0.0'));
  assert.deepEqual(masked(ip('2001:db8:ffff::1'), 33), ip('2001:db8:8000::'));
});
