/** The tarpit: whoever tries addresses that nobody has finds every port open, and gets no further. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bedMissing, type Host } from '../support/bed.js';
import { ask, BALANCER, dsrBed, site, TESTED_MODES, VIP } from '../support/dsr-bed.js';
import { until } from '../support/wait.js';

const skip = bedMissing('nginx', 'curl', 'nmap', 'ss');

/** Ports that nmap finds open, by address. */
async function scan(client: Host, ...targets: string[]): Promise<Map<string, number[]>> {
  const words = [
    '-n',
    '-sS',
    '--send-eth',
    '-T4',
    '--max-retries',
    '2',
    '-p',
    '1,22,80,443,65535',
    '-oG',
    '-',
    ...targets,
  ];
  const said = await client.run('nmap', words);
  const lines = [...said.matchAll(/^Host: (\S+) \(\)\tPorts: (.*)/gm)];
  return new Map(
    lines.map(([, address, ports]) => [address, [...ports.matchAll(/(\d+)\/open\//g)].map(([, port]) => Number(port))]),
  );
}

for (const mode of TESTED_MODES) {
  test(`${mode}: nmap sees every listed address with every port open, and the VIP goes on`, { skip }, async (t) => {
    const { client, servers, addressOf, pen } = await dsrBed(t, 1, { mode });
    await site(t, servers[0]);
    const list = ['10.7.0.80 255.255.255.255', '10.7.0.74 255.255.255.255'].map((net) => `acl 3 deny ${net}`);
    const running = await pen({
      options: [
        ...[
          'dsr_if lan',
          ...list,
          'acl 3 permit 10.7.0.64 255.255.255.224',
          'acl 3 permit fd07::6:0/112',
          'tarpit_acl 3',
        ],
      ].flatMap((line) => ['-O', line]),
      listen: `${VIP}:80`,
      servers: [addressOf(0)],
    });
    const found = await scan(client, '10.7.0.64-79');
    const every = [1, 22, 80, 443, 65535];
    for (let last = 64; last < 80; last++)
      assert.deepEqual(found.get(`10.7.0.${last}`), last === 74 ? undefined : every, `10.7.0.${last}`);
    const six = await scan(client, '-6', 'fd07::6:1', 'fd07::6:ffff');
    assert.deepEqual([...six.values()], [every, every]);
    assert.deepEqual(await ask(client, `http://${VIP}/`, 3), ['www1', 'www1', 'www1']);
    assert.deepEqual((await scan(client, VIP)).get(VIP), [80]);
    const report = await running.ask('dsr');
    assert.match(report, /^tx .* tarpit \d{2,} /m);
    assert.match(report, / tarpitArp [1-9]\d* tarpitNdp [1-9]/);
    assert.match(
      await running.ask('explain 10.7.0.10:5 10.7.0.70:80'),
      /: tarpit \(not to a VIP, that address holds whoever connects\)$/,
    );

    // The balancer's own address and a server's are no bait, whatever the list says.
    await running.ask('acl 3 permit 10.7.0.0 255.255.255.192');
    const spared = await scan(client, BALANCER, addressOf(0));
    assert.deepEqual(spared.get(BALANCER) ?? [], []);
    assert.deepEqual(spared.get(addressOf(0)), [80]);
    assert.equal((await scan(client, '10.7.0.33')).get('10.7.0.33')?.length, 5);
  });

  test(`${mode}: a client that sends something is held`, { skip }, async (t) => {
    const { client, addressOf, pen } = await dsrBed(t, 1, { mode });
    const running = await pen({
      options: ['dsr_if lan', 'acl 3 permit 10.7.0.64 255.255.255.240', 'tarpit_acl 3'].flatMap((line) => ['-O', line]),
      listen: `${VIP}:80`,
      servers: [addressOf(0)],
    });
    const curl = await client.try('curl', [
      '-s',
      '-m',
      '3',
      '-o',
      '/dev/null',
      '-w',
      '%{time_connect}',
      'http://10.7.0.70:8081/',
    ]);
    assert.equal(curl.status, 28, 'it waits until it gives up');
    assert.match(curl.stdout, /^0\.[0-9]*[1-9]/, 'though it was connected');
    assert.match(await running.ask('dsr'), / tarpitHold [1-9]/);
  });

  test(`${mode}: a tarpit list that has the VIP is refused in one line, and nothing changes`, { skip }, async (t) => {
    const { client, servers, addressOf, pen } = await dsrBed(t, 1, { mode });
    await site(t, servers[0]);
    const running = await pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [addressOf(0)] });
    await running.ask('acl 3 permit 10.7.0.64 255.255.255.224');
    assert.match(
      await running.ask('tarpit_acl 3'),
      /^error: .*tarpit_acl 3: the list has the VIP 10\.7\.0\.80 \(deny that first: .*\)$/,
    );
    assert.equal(await running.ask('tarpit_acl'), 'tarpit_acl = -1');
    assert.deepEqual((await scan(client, '10.7.0.70')).get('10.7.0.70'), undefined);
    assert.deepEqual(await ask(client, `http://${VIP}/`, 1), ['www1']);
    await running.ask('no acl 3');
    await running.ask('acl 3 permit 10.7.0.70');
    assert.equal(await running.ask('tarpit_acl 3'), 'tarpit_acl = 3');
    assert.equal((await scan(client, '10.7.0.70')).get('10.7.0.70')?.length, 5);
    assert.equal(await running.ask('tarpit_acl -1'), 'tarpit_acl = -1');
  });
}

test('an address of the balancer is no bait though the cable of its interface is out', { skip }, async (t) => {
  const { client, balancer, addressOf, pen } = await dsrBed(t, 1);
  await balancer.ip('link', 'add', 'idle', 'type', 'veth', 'peer', 'name', 'other');
  await balancer.ip('link', 'set', 'idle', 'up');
  await balancer.ip('address', 'add', '10.7.0.70/32', 'dev', 'idle');
  const list = ['dsr_if lan', 'acl 3 permit 10.7.0.64 255.255.255.240', 'tarpit_acl 3'];
  await pen({ options: list.flatMap((line) => ['-O', line]), listen: `${VIP}:80`, servers: [addressOf(0)] });
  const found = await scan(client, '10.7.0.70-71');
  assert.deepEqual(found.get('10.7.0.70'), []);
  assert.equal(found.get('10.7.0.71')?.length, 5);
});

test('an address that the lists have no room for is said once, and pen goes on', { skip }, async (t) => {
  const { client, servers, balancer, addressOf, pen } = await dsrBed(t, 1);
  await site(t, servers[0]);
  // A mask with n holes makes 2^n prefixes of 24 bits: 2^15 + 2^14 + ... + 4 and one are 65,533, with those of all addresses 65,535.
  const mask = (holes: number) => {
    const third = Math.min(7, holes);
    return `255.${256 - 2 ** (holes - third)}.${257 - 2 ** (third + 1)}.0`;
  };
  const holes = [...Array.from({ length: 14 }, (_, i) => 15 - i), 0];
  const list = holes.map((n, i) => `acl 3 permit ${20 + i}.0.0.0 ${mask(n)}`);
  const running = await pen({
    options: ['dsr_if lan', ...list, 'tarpit_acl 3'].flatMap((line) => ['-O', line]),
    listen: `${VIP}:80`,
    servers: [addressOf(0)],
  });
  const says = () =>
    running.log().match(/the tarpit does not follow this host's own addresses: .* 65536 prefixes/g)?.length;
  await balancer.ip('address', 'add', '20.0.0.5/32', 'dev', 'lan');
  await until('pen says so', () => says() === 1);
  await balancer.ip('address', 'add', '20.0.0.6/32', 'dev', 'lan');
  await balancer.ip('address', 'del', '20.0.0.5/32', 'dev', 'lan');
  await balancer.ip('address', 'del', '20.0.0.6/32', 'dev', 'lan');
  assert.deepEqual(await ask(client, `http://${VIP}/`, 1), ['www1']);
  assert.equal(says(), 1);
});
