import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseIp } from '../core/address.js';
import { DECAP_USAGE, parseDecapArguments } from './decap-arguments.js';

const plain = { action: 'run', interfaceName: 'eth0', vips: [], from: [], mode: undefined };

test('parseDecapArguments understands', () => {
  const rows: [string, object][] = [
    ['eth0', plain],
    ['--check eth0', { ...plain, action: 'check' }],
    ['eth0 --vip 192.0.2.80 --vip=2001:db8::80', { ...plain, vips: [parseIp('192.0.2.80'), parseIp('2001:db8::80')] }],
    ['--from 192.0.2.2 --mode generic eth0', { ...plain, from: [parseIp('192.0.2.2')], mode: 'generic' }],
    ['--help', { ...plain, action: 'help', interfaceName: '' }],
    ['--version eth0', { ...plain, action: 'version', interfaceName: '' }],
  ];
  for (const [line, wanted] of rows) assert.deepEqual(parseDecapArguments(line.split(' ')), wanted, line);
});

test('parseDecapArguments refuses with one line', () => {
  const rows: [string[], RegExp][] = [
    [[], /^expected one interface, got none \(see pen-decap --help\)$/],
    [['a', 'b'], /^expected one interface, got 'a b'/],
    [['eth0', '--vip'], /^--vip needs a value/],
    [['eth0', '--vip', 'www'], /^--vip: 'www' is no IP address$/],
    [['eth0', '--from', '10.0.0.0/8'], /^--from: '10\.0\.0\.0\/8' is no IP address$/],
    [['eth0', '--mode', 'fast'], /^--mode: expected native or generic, got 'fast'$/],
    [['eth0', '-x'], /^unknown option '-x'/],
  ];
  for (const [argv, message] of rows)
    assert.throws(() => parseDecapArguments(argv), { code: 'ERR_PEN_USAGE', message });
});

test('the manual page names every option of pen-decap', () => {
  const page = readFileSync(new URL('../../../docs/man/pen-decap.1.md', import.meta.url), 'utf8');
  const options = DECAP_USAGE.match(/--[a-z]+/g) ?? [];
  assert.ok(options.length >= 6);
  for (const option of options) assert.ok(page.includes(`\`${option}`), option);
});
