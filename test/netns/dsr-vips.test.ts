import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bedMissing } from '../support/bed.js';
import { ask, BALANCER, type DsrBed, dsrBed, site, TESTED_MODES, VIP } from '../support/dsr-bed.js';
import type { Scene } from '../support/ending.js';
import { mapWrites } from '../support/map-writes.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';

const skip = bedMissing('nginx', 'curl', 'ping', 'strace');

const SECOND = '10.7.1.1';
const LATER = '10.7.1.9';
const PREFIX = '10.7.2.0/24';

/** Client and servers know more addresses than the bed's; of a prefix a server takes every address for its own. */
async function moreAddresses(t: Scene, { client, servers }: DsrBed): Promise<void> {
  for (const network of ['10.7.1.0/24', PREFIX]) await client.ip('route', 'add', network, 'dev', 'lan');
  for (const server of servers) {
    for (const address of [SECOND, LATER]) await server.ip('address', 'add', `${address}/32`, 'dev', 'lo');
    await server.ip('route', 'add', 'local', PREFIX, 'dev', 'lo');
    await site(t, server);
  }
}

for (const mode of TESTED_MODES) {
  test(`${mode}: dsr_vip: services of their own servers beside LISTEN, a prefix among them`, { skip }, async (t) => {
    const made = await dsrBed(t, 3, { mode });
    const { client, addressOf, pen } = made;
    await moreAddresses(t, made);
    const running = await pen({
      options: [
        ...['-O', 'dsr_if lan', '-r'],
        ...['-O', `dsr_vip ${SECOND}:80 server ${addressOf(0)} server ${addressOf(1)}`],
        ...['-O', `dsr_vip ${PREFIX} server ${addressOf(2)}`],
      ],
      listen: `${VIP}:80`,
      servers: [addressOf(1)],
    });
    const who = async (address: string, port = 80) =>
      [...new Set(await ask(client, `http://${address}:${port}/`, 20))].sort();
    assert.deepEqual(await who(VIP), ['www2']);
    assert.deepEqual(await who(SECOND), ['www1', 'www2']);
    assert.deepEqual(await who('10.7.2.1'), ['www3']);
    assert.deepEqual(await who('10.7.2.254', 8080), ['www3'], 'every port of every address');
    for (const address of [SECOND, '10.7.2.77', BALANCER]) await client.run('ping', ['-c1', '-W2', address]);
    const report = await running.ask('dsr');
    assert.match(report, /^vip 10\.7\.1\.1:80 tcp servers 2 in-service 2 slots 1009 packets [1-9]/m);
    assert.match(report, /^vip 10\.7\.2\.0\/24:\* tcp servers 1 in-service 1 slots 1009 packets [1-9]/m);
    assert.match(
      report,
      /^real 10\.7\.1\.1:80 tcp addr 10\.7\.0\.21 mac [0-9a-f:]{17} state in-service slots 50[45] /m,
    );
    assert.match(
      await running.ask('explain 10.7.0.10:5 10.7.2.9:99'),
      /: server 10\.7\.0\.23 [0-9a-f:]{17} \(a new flow/,
    );

    await running.ask(`dsr_vip ${LATER}:80 server ${addressOf(0)}`);
    assert.deepEqual(await who(LATER), ['www1']);
    await running.ask(`dsr_vip ${SECOND}:80 server ${addressOf(0)} weight 0`);
    assert.deepEqual(await who(SECOND), ['www2'], 'drained here');
    assert.deepEqual(await who(LATER), ['www1'], 'and not there');
    await running.ask(`no dsr_vip ${LATER}:80`);
    assert.equal((await client.try('curl', ['-s', '-m', '1', `http://${LATER}/`])).status !== 0, true);
    // One address of the prefix is a service of its own.
    await running.ask(`dsr_vip 10.7.2.7:80 server ${addressOf(0)}`);
    assert.deepEqual(await who('10.7.2.7'), ['www1']);
    assert.deepEqual(await who('10.7.2.8'), ['www3']);
  });
}

test('a file read again changes services, and the ports of VIP and servers together', { skip }, async (t) => {
  const made = await dsrBed(t, 2);
  const { client, addressOf, pen } = made;
  await moreAddresses(t, made);
  const file = join(scratch(t), 'pen.conf');
  const write = (port: number, first: number, more: string) =>
    writeFileSync(
      file,
      `listen ${VIP}:${port}\nserver 0 address ${addressOf(0)} port ${port}\n` +
        `dsr_vip ${SECOND}:80 tcp server ${addressOf(first)}\n${more}`,
    );
  write(80, 0, '');
  const running = await pen({ options: ['-O', 'dsr_if lan', '-F', file], listen: `${VIP}:80` });
  const who = async (url: string) => [...new Set(await ask(client, `http://${url}/`, 4))].join();
  assert.equal(await who(VIP), 'www1');
  assert.equal(await who(SECOND), 'www1');
  write(8080, 1, `dsr_vip 10.7.2.0/24 server ${addressOf(1)}\n`);
  running.signal('SIGHUP');
  await until(`the file is read again: ${running.log()}`, () => running.log().includes('settings read again'));
  assert.equal(await who(`${VIP}:8080`), 'www1');
  assert.equal(await who(SECOND), 'www2');
  assert.equal(await who('10.7.2.3'), 'www2');
  assert.equal((await client.try('curl', ['-s', '-m', '1', `http://${VIP}/`])).status, 28);
});

test('what no service can be is refused with one line, and all goes on', { skip }, async (t) => {
  const { client, servers, addressOf, pen } = await dsrBed(t, 1);
  await site(t, servers[0]);
  const running = await pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [addressOf(0)] });
  const rows: [command: string, answer: RegExp][] = [
    [`dsr_vip ${VIP}:80 server ${addressOf(0)}`, /that is the listening address, whose servers are those of the table/],
    [`dsr_vip ${BALANCER}:80`, /it is an address of 'lan' itself/],
    ['dsr_vip 10.7.0.0/24', /10\.7\.0\.2 of 'lan' itself is one of it$/],
    [`dsr_vip ${addressOf(0)}:81`, /server 0 '10\.7\.0\.21:80': it is the VIP/],
    ['dsr_vip 10.7.0.20/31', /server 0 '10\.7\.0\.21:80': it is one of the VIP 10\.7\.0\.20\/31/],
    [`dsr_vip 10.7.1.1:80 server 10.7.1.1`, /dsr_vip 10\.7\.1\.1:80 tcp: server '10\.7\.1\.1': it is the VIP/],
    ['dsr_vip 10.7.1.3/24', /has bits beyond its prefix \(write 10\.7\.1\.0\/24/],
    ['dsr_vip 10.7.1.1:80 server', /expected IP after server/],
    ['no dsr_vip 10.7.1.1:80', /there is no '10\.7\.1\.1:80 tcp'/],
  ];
  for (const [command, answer] of rows) {
    const reply = await running.ask(command);
    assert.match(reply, answer, command);
    assert.equal(reply.split('\n').length, 1, command);
  }
  assert.equal(await running.ask('dsr_vip 10.7.1.1:80'), '');
  assert.match(await running.ask('dsr_vip 10.7.1.1:80'), /'10\.7\.1\.1:80 tcp' is there already/);
  assert.deepEqual(await ask(client, `http://${VIP}/`, 1), ['www1']);
});

test('a long list of clients is exchanged for another at once', { skip }, async (t) => {
  const { client, servers, addressOf, pen } = await dsrBed(t, 1);
  await site(t, servers[0]);
  // 2^15 + 2^13 prefixes each, by the bits that the masks leave open.
  const list = (number: number, first: number) =>
    ['255.0.1.0', '255.192.1.0'].map((mask, i) => `acl ${number} deny ${first + i}.0.0.0 ${mask}`);
  const running = await pen({
    options: ['dsr_if lan', ...list(3, 20), ...list(4, 30), 'client_acl 3'].flatMap((line) => ['-O', line]),
    listen: `${VIP}:80`,
    servers: [addressOf(0)],
  });
  assert.deepEqual(await ask(client, `http://${VIP}/`, 1), ['www1']);
  assert.equal(await running.ask('client_acl 4'), '4');
  assert.match(await running.ask('explain 30.0.0.1:5 10.7.0.80:80'), /: drop /);
  assert.doesNotMatch(await running.ask('explain 20.0.0.1:5 10.7.0.80:80'), /: drop /);
  assert.deepEqual(await ask(client, `http://${VIP}/`, 1), ['www1']);
});

/** Of a table of 10,007 slots. */
const PAGES = 10;

test('512 services of 100 servers: all are served, and what changes one writes only its own tables', {
  skip,
}, async (t) => {
  const made = await dsrBed(t, 1);
  const { client, balancer, servers, pen } = made;
  await site(t, servers[0]);
  const farm = Array.from({ length: 100 }, (_, i) => `10.7.3.${i + 1}`);
  await servers[0].run('sh', ['-c', farm.map((one) => `ip address add ${one}/32 dev lan`).join(' && ')]);
  await servers[0].ip('route', 'add', 'local', '10.100.0.0/16', 'dev', 'lo');
  await client.ip('route', 'add', '10.100.0.0/16', 'dev', 'lan');
  const vips = Array.from({ length: 512 }, (_, i) => `10.100.${i >> 8}.${i & 255}:80`);
  const file = join(scratch(t), 'pen.conf');
  const write = (last: readonly string[], more = '') =>
    writeFileSync(
      file,
      vips
        .map((vip, i) => `dsr_vip ${vip} ${(i === 511 ? last : farm).map((one) => `server ${one}`).join(' ')}\n`)
        .join('') + more,
    );
  write(farm);
  const running = await pen({ options: ['-O', 'dsr_if lan', '-F', file], listen: `${VIP}:80` });
  await until('all servers of all services have answered', async () => {
    return (await running.ask('dsr')).match(/ servers 100 in-service 100 slots 10007 /g)?.length === 512;
  });
  for (const i of [0, 255, 511])
    assert.deepEqual(await ask(client, `http://10.100.${i >> 8}.${i & 255}/`, 1), ['www1'], `service ${i}`);

  const heavier = (weight: number) => `dsr_vip 10.100.1.255:80 server ${farm[6]} weight ${weight}`;
  const byCommand = await mapWrites(t, balancer, running.pid, () => running.ask(heavier(2)));
  write(farm, `${heavier(5)}\n`);
  const byFile = await mapWrites(t, balancer, running.pid, async () => {
    running.signal('SIGHUP');
    await until('the file is read again', () => running.log().includes('settings read again'));
  });
  // Pages that differ, and `control`, should a new epoch begin just then; no other service's and no server's record.
  for (const writes of [byCommand, byFile]) assert.ok(writes > 0 && writes <= PAGES + 1, `${writes} entries`);

  write(farm.slice(0, 5));
  running.signal('SIGHUP');
  await until('the last service is another one', async () =>
    /^vip 10\.100\.1\.255:80 tcp servers 5 in-service 5 slots 1009 /m.test(await running.ask('dsr')),
  );
  assert.deepEqual(await ask(client, 'http://10.100.1.255/', 1), ['www1']);
});
