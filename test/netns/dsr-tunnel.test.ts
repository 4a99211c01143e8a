import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bedMissing, type Host } from '../support/bed.js';
import { VIP, VIP6 } from '../support/dsr-bed.js';
import { farBed, farSite } from '../support/far-bed.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';

const skip = bedMissing('curl', 'ping');
const MEGABYTE = 1_000_000;
const TRANSFERS = 20;
const AT_ONCE = 4;

/** The outer headers and what they leave of 1,400 bytes. */
const TUNNELS = [
  { inner: 4, encap: 'ipip', outer: 4, mtu: 1380 },
  { inner: 6, encap: 'ipip', outer: 6, mtu: 1360 },
  { inner: 4, encap: 'gue', outer: 6, mtu: 1352 },
  { inner: 6, encap: 'gue', outer: 4, mtu: 1372 },
  { inner: 4, encap: 'ipip', outer: 6, mtu: 1360 },
  { inner: 6, encap: 'ipip', outer: 4, mtu: 1380 },
  { inner: 4, encap: 'gue', outer: 4, mtu: 1372, mode: 'packet' },
] as const;

for (const { inner, encap, outer, mtu, ...rest } of TUNNELS) {
  const mode = 'mode' in rest ? rest.mode : 'auto';
  test(`IPv${inner} by ${encap} over IPv${outer}, mode ${mode}: downloads and uploads of 1 MB over a path of 1,400 bytes, none fails`, {
    skip,
  }, async (t) => {
    const { client, servers, addressOf, pen, decap } = await farBed(t, 2);
    for (const [n, server] of servers.entries()) {
      await farSite(t, server);
      await decap(n, '--from', outer === 4 ? '10.7.0.2' : 'fd07::2');
    }
    const vip = inner === 4 ? VIP : `[${VIP6}]`;
    const rows = servers.map((_, n) => ['-O', `server ${n} address ${addressOf(n, outer)} port 80 encap ${encap}`]);
    const running = await pen({
      options: ['-O', 'dsr_if lan', '-O', `dsr_mode ${mode}`, '-r', ...rows.flat()],
      listen: `${vip}:80`,
    });
    const found = await running.ask('dsr');
    assert.equal(found.match(/ state in-service /g)?.length, 2, found);

    const url = `http://${vip}/`;
    const got = await transfers(client, TRANSFERS, [
      '-w',
      '%{size_download}\n',
      '-o',
      '/dev/null',
      `${url}${MEGABYTE}`,
    ]);
    assert.deepEqual(got, Array(TRANSFERS).fill(`${MEGABYTE}`));
    const body = Buffer.alloc(MEGABYTE, 'up');
    const file = join(scratch(t), 'body');
    writeFileSync(file, body);
    const put = await transfers(client, TRANSFERS, ['-T', file, url]);
    const wanted = `${MEGABYTE} ${createHash('sha256').update(body).digest('hex')}`;
    assert.deepEqual(put, Array(TRANSFERS).fill(wanted));

    const report = await running.ask('dsr');
    // Of one server at least: a client that has been told by one sends the other no larger packets either.
    assert.match(
      report,
      new RegExp(`^real \\d addr [^ ]+ encap ${encap} by (10\\.7\\.0\\.1|fd07::1) mtu ${mtu} mac `, 'm'),
    );
    assert.match(report, /^tx .* tooBig [1-9]/m, 'the client was told');
    assert.match(report, /^tx .* icmp [1-9]/m, 'the servers were told, through their tunnels');
    assert.match(await running.ask('servers'), new RegExp(`^0 addr .* encap ${encap}$`, 'm'));
    const explained = await running.ask(`explain ${inner === 4 ? '10.7.0.10' : '[fd07::10]'}:7 ${vip}:80`);
    assert.match(
      explained,
      new RegExp(`: server \\d [^ ]+ encap ${encap} by [^ ]+ mtu \\d+ [0-9a-f:]{17} \\(a new flow`),
    );
  });
}

test('a server behind a tunnel that dies is left, and comes back', { skip }, async (t) => {
  const { client, servers, addressOf, pen, decap, host } = await farBed(t, 2);
  for (const server of servers) await farSite(t, server);
  const taken = [await decap(0), await decap(1)];
  const rows = [0, 1].map((n) => ['-O', `server ${n} address ${addressOf(n, 4)} encap ${n === 0 ? 'ipip' : 'gue'}`]);
  const running = await pen({ options: ['-O', 'dsr_if lan', '-r', ...rows.flat()], listen: `${VIP}:80` });
  const who = async () => [...new Set(await transfers(client, 20, [`http://${VIP}/`]))].sort();
  const state = async (n: number) => new RegExp(`^real ${n} .* state ([^ ]+)`, 'm').exec(await running.ask('dsr'))?.[1];
  assert.deepEqual(await who(), ['www1', 'www2']);

  // The host goes: nothing of it answers any more.
  await servers[0].ip('link', 'set', 'dmz', 'down');
  const since = Date.now();
  await until('server 0 is given up', async () => (await state(0)) === 'silent');
  const tookMs = Date.now() - since;
  assert.ok(tookMs < 3000, `${tookMs} ms`);
  assert.deepEqual(await who(), ['www2']);
  await servers[0].ip('link', 'set', 'dmz', 'up');
  await servers[0].ip('route', 'add', 'default', 'via', '10.8.0.1');
  await until('server 0 is back', async () => (await state(0)) === 'in-service');
  assert.deepEqual(await who(), ['www1', 'www2']);

  // The host is well, but takes no tunnel apart: a ping of its own address would not see that.
  await taken[1].stop();
  assert.match(taken[1].said(), /^packets ipip 0 gue [1-9]\d* notVip 0 foreign 0 malformed 0 congested 0$/m);
  await until('server 1 is given up', async () => (await state(1)) === 'silent');
  await client.run('ping', ['-c1', '-W2', addressOf(1, 4)]);
  assert.deepEqual(await who(), ['www1']);
  assert.match(running.log(), /server 1 \(10\.8\.0\.22\) has stopped answering on 'lan'/);
  await decap(1);
  await until('server 1 is back', async () => (await state(1)) === 'in-service');

  await host('far').ip('link', 'set', 'mid', 'down');
  await host('near').ip('link', 'set', 'lan', 'down');
  await until('nobody is left', async () => (await state(0)) === 'silent' && (await state(1)) === 'silent');
  await until('the log says why', () => /stopped answering/.test(running.log()));
});

test('a server may move into a tunnel and out of it, and what cannot be reached says why', { skip }, async (t) => {
  const { client, servers, addressOf, pen, decap } = await farBed(t, 1);
  await farSite(t, servers[0]);
  await decap(0, '--vip', VIP, '--mode', 'generic');
  const running = await pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [addressOf(0, 4)] });
  assert.match(running.log(), /server 0 \(10\.8\.0\.21\) is in no network of 'lan': .* without encap/);
  assert.match(await running.ask('dsr'), /^real 0 addr 10\.8\.0\.21 mac unknown state silent /m);
  await running.ask('server 0 encap gue');
  const serves = () => until('it serves', async () => / state in-service /.test(await running.ask('dsr')));
  await serves();
  assert.deepEqual(await transfers(client, 3, [`http://${VIP}/`]), ['www1', 'www1', 'www1']);
  await running.ask('server 0 encap ipip');
  await serves();
  assert.deepEqual(await transfers(client, 3, [`http://${VIP}/`]), ['www1', 'www1', 'www1']);
  assert.match(await running.ask('server 0 encap'), /^error: .*expected ipip, gue or none/);
  await running.ask('server 0 address 192.0.2.9 encap ipip');
  await running.ask('server 1 address 10.7.0.2 encap ipip');
  assert.match(
    await running.ask('dsr'),
    /^real 1 addr 10\.7\.0\.2 encap ipip an address of our own mac unknown state silent /m,
  );
  const file = join(scratch(t), 'written');
  await running.ask(`write ${file}`);
  assert.match(readFileSync(file, 'utf8'), /^server 0 .* encap ipip$/m);
  await running.ask('server 0 encap none');
  assert.match(await running.ask('dsr'), /^real 0 addr 192\.0\.2\.9 mac unknown state silent /m);
});

test('the emergency and the abuse server may be behind tunnels', { skip }, async (t) => {
  const { client, servers, addressOf, pen, decap } = await farBed(t, 2);
  for (const [n, server] of servers.entries()) {
    await farSite(t, server);
    await decap(n);
  }
  const options = [
    'dsr_if lan',
    `server 0 address 10.7.0.99`,
    `emergency ${addressOf(0, 4)} encap gue`,
    `abuse_server ${addressOf(1, 4)} encap ipip`,
    'acl 1 deny 10.7.0.10',
    'acl 1 permit 0.0.0.0 0.0.0.0',
  ];
  const running = await pen({ options: options.flatMap((line) => ['-O', line]), listen: `${VIP}:80` });
  assert.deepEqual(await transfers(client, 2, [`http://${VIP}/`]), ['www1', 'www1']);
  assert.match(await running.ask('dsr'), /^real emergency addr 10\.8\.0\.21 encap gue by .* state in-service /m);
  assert.equal(await running.ask('emergency'), '10.8.0.21:80 encap gue');
  await running.ask('client_acl 1');
  assert.deepEqual(await transfers(client, 2, [`http://${VIP}/`]), ['www2', 'www2']);
  const file = join(scratch(t), 'written');
  await running.ask(`write ${file}`);
  assert.match(readFileSync(file, 'utf8'), /^abuse_server 10\.8\.0\.22:80 encap ipip$/m);
  // The same server in both places is asked for the VIP all the same, and by the other kind of tunnel is another one.
  await running.ask(`emergency ${addressOf(0, 4)} encap ipip`);
  await running.ask('client_acl 0');
  await until('it serves', async () => / emergency .* encap ipip .* in-service /.test(await running.ask('dsr')));
  assert.deepEqual(await transfers(client, 2, [`http://${VIP}/`]), ['www1', 'www1']);
  assert.match(
    await running.ask(`explain 10.7.0.10:7 ${VIP}:80`),
    /emergency server 10\.8\.0\.21 encap ipip by 10\.7\.0\.1 /,
  );
});

/** What curl says to `n` requests, one connection each. */
async function transfers(client: Host, n: number, options: readonly string[]): Promise<string[]> {
  const one = () => client.run('curl', ['-sS', '-m', '20', ...options]);
  const said: string[] = [];
  for (let left = n; left > 0; left -= AT_ONCE) {
    said.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, left) }, one))));
  }
  return said.map((text) => text.trim());
}
