import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bedMissing } from '../support/bed.js';
import { ask, dsrBed, site, VIP } from '../support/dsr-bed.js';
import { until } from '../support/wait.js';

const skip = bedMissing('nginx', 'curl', 'ab');

/** What is asked again and again while a server dies: every connection by itself, the time and who answered. */
const WATCH = `
while :; do
  before=$(date +%s%N)
  who=$(curl -s -m 0.5 --interface "$2" http://$1/ || echo nobody)
  echo "$before $(date +%s%N) $who"
done`;

interface Seen {
  readonly beganMs: number;
  readonly endedMs: number;
  readonly who: string;
}

test('one of three servers dies under load: its clients are elsewhere within two seconds, the others notice nothing', {
  skip,
}, async (t) => {
  const { client, servers, addressOf, pen } = await dsrBed(t, 3);
  for (const server of servers) await site(t, server, 20_000_000);
  const running = await pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [0, 1, 2].map(addressOf) });

  // By the client's address, so that who meets whom is known.
  const addresses = Array.from({ length: 30 }, (_, i) => `10.7.0.${100 + i}`);
  for (const address of addresses) await client.ip('address', 'add', `${address}/24`, 'dev', 'lan');
  const home = new Map<string, string>();
  for (const address of addresses)
    home.set(address, (await ask(client, `http://${VIP}/`, 1, '--interface', address))[0]);
  const of = (name: string) => addresses.filter((address) => home.get(address) === name);
  assert.ok(
    ['www1', 'www2', 'www3'].every((name) => of(name).length > 0),
    `${[...home]}`,
  );
  const dying = of('www1')[0];

  // Long flows of the survivors, held to a rate that has them last through it all; load on one of them; and one who asks the dying server.
  const downloads = ['www2', 'www3'].map((name) => {
    const options = [
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code} %{size_download} %{num_connects}',
      '--limit-rate',
      '4M',
    ];
    return client.run('curl', [...options, '--interface', of(name)[0], `http://${VIP}/files/big`]);
  });
  const load = client.run('ab', ['-q', '-n', '4000', '-c', '20', '-B', of('www2')[0], `http://${VIP}/`]);
  const watcher = client.start(t, 'bash', ['-c', WATCH, 'watch', VIP, dying]);
  await until('the watcher has seen its server', () => watcher.said().includes('www1'));

  const diedMs = Date.now();
  await servers[0].ip('link', 'set', 'lan', 'down');
  const seen = () => parse(watcher.said()).filter(({ beganMs }) => beganMs > diedMs);
  await until('somebody else answers', () => seen().some(({ who }) => who === 'www2' || who === 'www3'));
  const first = seen().find(({ who }) => who !== 'nobody') as Seen;
  assert.ok(first.endedMs - diedMs < 2000, `${first.who} answered after ${first.endedMs - diedMs} ms`);

  for (const download of downloads) assert.equal(await download, '200 20000000 1', 'a flow of a server that lives');
  const report = await load;
  assert.match(report, /Complete requests:\s+4000\n/);
  assert.match(report, /Failed requests:\s+0\n/);
  for (const name of ['www2', 'www3']) {
    for (const address of of(name)) {
      assert.deepEqual(
        await ask(client, `http://${VIP}/`, 1, '--interface', address),
        [name],
        'who has a server keeps it',
      );
    }
  }
  assert.match(await running.ask('dsr'), /^real 0 .* state silent slots 0 /m);
  assert.match(running.log(), /server 0 \(10\.7\.0\.21\) has stopped answering on 'lan', its flows go elsewhere/);

  await servers[0].ip('link', 'set', 'lan', 'up');
  await until('it is back', async () => (await ask(client, `http://${VIP}/`, 1, '--interface', dying))[0] === 'www1');
  assert.match(running.log(), /server 0 \(10\.7\.0\.21\) answers again on 'lan'/);
});

test('a server that comes back with another MAC address is found', { skip }, async (t) => {
  const { client, servers, addressOf, pen } = await dsrBed(t, 1);
  await site(t, servers[0]);
  const running = await pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [addressOf(0)] });
  assert.deepEqual(await ask(client, `http://${VIP}/`, 1), ['www1']);
  await servers[0].ip('link', 'set', 'lan', 'address', '02:00:00:00:99:99');
  await until('it is seen', async () => (await running.ask('dsr')).includes('mac 02:00:00:00:99:99 state in-service'));
  assert.deepEqual(await ask(client, `http://${VIP}/`, 1), ['www1']);
});

function parse(said: string): Seen[] {
  return said
    .split('\n')
    .map((line) => line.split(' '))
    .filter((words) => words.length === 3)
    .map(([began, ended, who]) => ({ beganMs: Number(began) / 1e6, endedMs: Number(ended) / 1e6, who }));
}
