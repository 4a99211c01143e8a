/** `dsr_pin`: packets are sent on while no pen runs, and by the next one. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { BpfMap, bytes } from '../../src/bpf/index.js';
import { bedMissing, type Host } from '../support/bed.js';
import { bpffs, pinned } from '../support/bpffs.js';
import { ask, dsrBed, site, VIP } from '../support/dsr-bed.js';
import { until } from '../support/wait.js';

/** As `src/dsr/pins.ts` has it: eight bytes of magic, then the fingerprint. */
const ABOUT = { name: 'about', type: 'array', key: bytes(4), value: bytes(32), maxEntries: 1 } as const;

const skip = bedMissing('nginx', 'curl', 'ab');

/** So many requests, each on a connection of its own; none may fail. */
async function load(client: Host, requests: number): Promise<void> {
  const report = await client.run('ab', ['-q', '-n', `${requests}`, '-c', '16', `http://${VIP}/`]);
  assert.match(report, new RegExp(`Complete requests:\\s+${requests}\n`));
  assert.match(report, /Failed requests:\s+0\n/);
}

test('dsr_pin with tables of another version begins anew in the middle of 4,000 requests: none fails', {
  skip,
}, async (t) => {
  const { client, servers, addressOf, pen } = await dsrBed(t, 3);
  const directory = `${bpffs(t)}/pen`;
  for (const server of servers) await site(t, server);
  const options = ['-O', 'dsr_if lan', '-O', `dsr_pin ${directory}`, '-r'];
  const script = { options, listen: `${VIP}:80`, servers: [0, 1, 2].map(addressOf) };
  const old = await pen(script);
  const requests = load(client, 4000);
  await until('it has begun', async () => Number(/^vip .* flows (\d+)/m.exec(await old.ask('dsr'))?.[1]) > 500);
  old.signal('SIGKILL');
  await old.ended;
  const name = pinned(directory).find((one) => one.endsWith('/about')) as string;
  const about = BpfMap.open(join(directory, name), ABOUT);
  const [[key, value]] = about.entries();
  value[8] ^= 1;
  about.set(key, value);
  about.close();
  const next = await pen(script);
  await requests;
  assert.match(next.log(), /'.*\/pen' has the tables of another version: flows begin anew/);
  assert.ok(Number(/^vip .* flows (\d+)/m.exec(await next.ask('dsr'))?.[1]) < 4000);
});

test('dsr_pin: connections of every service go on though others go, come and change places', { skip }, async (t) => {
  const { client, servers, addressOf, pen } = await dsrBed(t, 3);
  const directory = `${bpffs(t)}/pen`;
  const more = ['10.7.1.1', '10.7.1.2', '10.7.1.3'];
  for (const address of more) await client.ip('route', 'add', `${address}/32`, 'dev', 'lan');
  for (const server of servers) {
    for (const address of more) await server.ip('address', 'add', `${address}/32`, 'dev', 'lo');
    await site(t, server, 12_000_000);
  }
  const start = (...lines: string[]) =>
    pen({
      options: ['dsr_if lan', `dsr_pin ${directory}`, ...lines].flatMap((line) => ['-O', line]).concat('-r'),
      listen: `${VIP}:80`,
      servers: [0, 1].map(addressOf),
    });
  const service = (address: string, ...ns: number[]) =>
    `dsr_vip ${address}:80${ns.map((n) => ` server ${addressOf(n)}`).join('')}`;
  const first = await start(service(more[0], 0, 1), service(more[1], 1, 2));
  const downloads = [VIP, VIP, more[1], more[1], more[1], more[1]].map((address) =>
    client.run('curl', [
      ...['-s', '-o', '/dev/null', '-w', '%{http_code} %{size_download}', '--limit-rate', '3M'],
      `http://${address}/files/big`,
    ]),
  );
  await until('they have begun', async () => {
    const report = await first.ask('dsr');
    return [...report.matchAll(/^vip .* flows (\d+)$/gm)].reduce((sum, [, flows]) => sum + Number(flows), 0) === 6;
  });
  first.signal('SIGKILL');
  await first.ended;
  // The first service is no more, a new one stands before the second, whose servers are listed the other way round.
  const second = await start(service(more[2], 2), service(more[1], 2, 1));
  for (const download of downloads) assert.equal(await download, '200 12000000');
  const report = await second.ask('dsr');
  assert.match(report, / moved 0 /);
  assert.match(report, /^vip 10\.7\.1\.2:80 .* flows 4$/m);
  assert.match(report, /^vip 10\.7\.1\.3:80 .* flows 0$/m);
  assert.deepEqual(await ask(client, `http://${more[2]}/`, 3), ['www3', 'www3', 'www3']);
  assert.notEqual((await client.try('curl', ['-s', '-m', '1', `http://${more[0]}/`])).status, 0);
});

test('a connection goes on though pen is killed and started with its servers in another order, and one less', {
  skip,
}, async (t) => {
  const { client, servers, addressOf, pen } = await dsrBed(t, 3);
  const directory = `${bpffs(t)}/pen`;
  for (const server of servers) await site(t, server, 36_000_000);
  const options = ['-O', 'dsr_if lan', '-O', `dsr_pin ${directory}`, '-r'];
  const first = await pen({ options, listen: `${VIP}:80`, servers: [0, 1, 2].map(addressOf) });
  const url = `http://${VIP}/files/big`;
  const downloads = Array.from({ length: 9 }, () =>
    client.run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code} %{size_download}', '--limit-rate', '3M', url]),
  );
  // From here on: some fail, maybe while the last pen is still starting.
  const ended = Promise.allSettled(downloads);
  await until('they have begun', async () => / flows 9$/m.test(await first.ask('dsr')));
  first.signal('SIGKILL');
  await first.ended;
  const second = await pen({ options, listen: `${VIP}:80`, servers: [2, 1, 0].map(addressOf) });
  const flowsOfSecond = Number(/^real \S+ addr 10\.7\.0\.22 .* flows (\d+)$/m.exec(await second.ask('dsr'))?.[1]);
  assert.match(await second.ask('dsr'), / moved 0 /, 'another order of servers moves nobody');
  second.signal('SIGKILL');
  await second.ended;
  await pen({ options, listen: `${VIP}:80`, servers: [2, 0].map(addressOf) });
  // Those of the server that is gone cannot go on; all others do.
  const whole = (await ended).filter((one) => one.status === 'fulfilled' && one.value === '200 36000000').length;
  assert.equal(whole, 9 - flowsOfSecond);
});

test('pen -O dsr_pin killed and started again in the middle of 10,000 requests: none fails', { skip }, async (t) => {
  const { client, balancer, servers, addressOf, pen } = await dsrBed(t, 3);
  const directory = `${bpffs(t)}/pen`;
  for (const server of servers) await site(t, server);
  const script = {
    options: ['-O', 'dsr_if lan', '-O', `dsr_pin ${directory}`, '-r'],
    listen: `${VIP}:80`,
    servers: [0, 1, 2].map(addressOf),
  };
  let running = await pen(script);
  let isOver = false;
  const requests = load(client, 10_000).finally(() => {
    isOver = true;
  });
  let restarts = 0;
  while (!isOver) {
    running.signal('SIGKILL');
    await running.ended;
    assert.match(await balancer.ip('link', 'show', 'lan'), /xdp/);
    running = await pen(script);
    restarts++;
  }
  await requests;
  assert.ok(restarts > 0);
  const report = await running.ask('dsr');
  // Counters and flows are those of all that ran.
  assert.ok(Number(/^vip .* packets (\d+) /m.exec(report)?.[1]) > 40_000, report);
  assert.match(report, / moved 0 .*\n.* noServer 0 /);
  assert.match(running.log(), /taken over from an earlier pen; pinned in /);
  t.diagnostic(`${restarts} times killed; ${report}`);
  assert.deepEqual(await ask(client, `http://${VIP}/`, 1).then((who) => who.length), 1);
  assert.equal(pinned(directory).filter((name) => /program/.test(name)).length, 1);
  await running.ask('dsr detach');
  const { status } = await running.ended;
  assert.equal(status, 0);
  assert.deepEqual(pinned(directory), []);
  await until('nothing is attached', async () => !/xdp/.test(await balancer.ip('link', 'show', 'lan')));
});
