/** `dsr_vip` from the line to the configuration and back to a file. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatIp } from '../core/address.js';
import { type VipSpec, vipName } from '../core/vip.js';
import { scratch, serviceOf, startedService } from './control.suite.js';

const direct = { commands: [{ option: '-O', line: 'dsr_if eth0' }], listen: '127.0.0.1:0', servers: ['192.0.2.11:80'] };

/** `192.0.2.81:80 tcp: 192.0.2.11 x1` */
function text(spec: VipSpec): string {
  const servers = spec.servers.map(({ address, weight }) => `${formatIp(address)} x${weight}`);
  const choosing = spec.roundRobin === undefined ? '' : spec.roundRobin ? ' roundrobin' : ' hash';
  return `${vipName(spec)}${choosing}: ${servers.join(', ')}`;
}

test('dsr_vip makes services, changes their servers and takes them away', async (t) => {
  const { service, plane } = await startedService(t, direct);
  const steps: [command: string, reply: string | RegExp, vips: string[]][] = [
    ['dsr_vip 192.0.2.81:80', '', ['192.0.2.81:80 tcp: ']],
    ['dsr_vip 192.0.2.81:80 tcp', /'192\.0\.2\.81:80 tcp' is there already \(give it servers/, ['192.0.2.81:80 tcp: ']],
    [
      'dsr_vip 192.0.2.81:http server 192.0.2.12 weight 3 server 192.0.2.13',
      '',
      ['192.0.2.81:80 tcp: 192.0.2.12 x3, 192.0.2.13 x1'],
    ],
    ['dsr_vip 192.0.2.81:80 server 192.0.2.12 weight 0', '', ['192.0.2.81:80 tcp: 192.0.2.12 x0, 192.0.2.13 x1']],
    ['dsr_vip 192.0.2.81:80 server 192.0.2.12', '', ['192.0.2.81:80 tcp: 192.0.2.12 x0, 192.0.2.13 x1']],
    ['dsr_vip 192.0.2.81:80 roundrobin', '', ['192.0.2.81:80 tcp roundrobin: 192.0.2.12 x0, 192.0.2.13 x1']],
    ['dsr_vip 192.0.2.81:80 hash', '', ['192.0.2.81:80 tcp hash: 192.0.2.12 x0, 192.0.2.13 x1']],
    ['no dsr_vip 192.0.2.81:80 server 192.0.2.12', '', ['192.0.2.81:80 tcp hash: 192.0.2.13 x1']],
    [
      'no dsr_vip 192.0.2.81:80 server 192.0.2.12',
      /'192\.0\.2\.12' is no server of '192\.0\.2\.81:80 tcp'/,
      ['192.0.2.81:80 tcp hash: 192.0.2.13 x1'],
    ],
    ['no dsr_vip 192.0.2.81:80 udp', /there is no '192\.0\.2\.81:80 udp'/, ['192.0.2.81:80 tcp hash: 192.0.2.13 x1']],
    ['no dsr_vip 192.0.2.81:80', '', []],
    ['dsr_vip [2001:db8::/64]:53 udp server 2001:db8:1::1', '', ['[2001:db8::/64]:53 udp: 2001:db8:1::1 x1']],
    ['dsr_vip 10.1.0.0/24', '', ['[2001:db8::/64]:53 udp: 2001:db8:1::1 x1', '10.1.0.0/24 tcp: ']],
    [
      'dsr_vip 10.1.0.0/24 server',
      /expected IP after server/,
      ['[2001:db8::/64]:53 udp: 2001:db8:1::1 x1', '10.1.0.0/24 tcp: '],
    ],
    [
      'dsr_vip 10.1.0.0/24 sctp',
      /expected server, got 'sctp'/,
      ['[2001:db8::/64]:53 udp: 2001:db8:1::1 x1', '10.1.0.0/24 tcp: '],
    ],
    ['no dsr_vip', '', []],
  ];
  for (const [command, wanted, vips] of steps) {
    const reply = await service.execute(command, 'unix');
    if (typeof wanted === 'string') assert.equal(reply, wanted, command);
    else assert.match(reply, wanted, command);
    assert.deepEqual(plane.configuration.vips.map(text), vips, command);
  }
});

test('dsr_vip is for direct server return only, and then needs no LISTEN', async (t) => {
  const { service } = await startedService(t);
  assert.match(
    await service.execute('dsr_vip 192.0.2.81:80', 'unix'),
    /dsr_vip 192\.0\.2\.81:80 tcp is for direct server return \(give it an interface: dsr_if IF\)/,
  );
  const bare = serviceOf(t);
  const commands = ['dsr_if eth0', 'dsr_vip 192.0.2.81:80 server 192.0.2.12'].map((line) => ({ option: '-O', line }));
  await bare.service.prepare({ servers: [], commands });
  await bare.service.start();
  assert.equal(bare.service.setup.listen, undefined);
  assert.equal(bare.plane().configuration.vips.length, 1);
});

test('`write` says every service so that reading it gives the same again, whatever there was', async (t) => {
  const { service, plane } = await startedService(t, direct);
  const file = join(scratch(t), 'pen.conf');
  for (const line of [
    'dsr_vip 192.0.2.81 udp roundrobin server 192.0.2.12 weight 3 server 192.0.2.13 weight 0',
    'dsr_vip [2001:db8::/64]:53 server 2001:db8:1::1',
    'dsr_vip 10.1.0.0/24:80 hash',
  ])
    assert.equal(await service.execute(line, 'unix'), '');
  const before = plane.configuration.vips.map(text);
  await service.execute(`write ${file}`, 'unix');
  assert.match(
    readFileSync(file, 'utf8'),
    /^no dsr_vip\ndsr_vip 192\.0\.2\.81 udp roundrobin\ndsr_vip 192\.0\.2\.81 udp server/m,
  );
  await service.execute('dsr_vip 192.0.2.99', 'unix');
  assert.equal(await service.execute(`include ${file}`, 'unix'), '');
  assert.deepEqual(plane.configuration.vips.map(text), before);
});
