/** Two balancers for the same VIPs: who answers for them, and what becomes of connections when that changes. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Bed, bed, bedMissing, type Host } from '../support/bed.js';
import { ask, holdVip, site, VIP, VIP6 } from '../support/dsr-bed.js';
import type { Scene } from '../support/ending.js';
import { pen, type RunningPen } from '../support/pen.js';
import { commandOf } from '../support/process.js';
import { scratch } from '../support/scratch.js';
import { until } from '../support/wait.js';

const skip = bedMissing('nginx', 'curl', 'keepalived');

const SERVERS = ['www1', 'www2', 'www3'];
const ADDRESSES = SERVERS.map((_, i) => `10.7.0.${21 + i}`);

interface Pair extends Bed {
  readonly client: Host;
  /** The first one begins as the master. */
  readonly hosts: readonly Host[];
}

async function pair(t: Scene, bytes = 0): Promise<Pair> {
  const made = await bed(t, {
    hosts: {
      client: { lan: ['10.7.0.10/24', 'fd07::10/64'] },
      one: { lan: ['10.7.0.2/24', 'fd07::2/64'] },
      two: { lan: ['10.7.0.3/24', 'fd07::3/64'] },
      ...Object.fromEntries(SERVERS.map((name, i) => [name, { lan: [`${ADDRESSES[i]}/24`, `fd07::${21 + i}/64`] }])),
    },
    xdp: true,
  });
  for (const name of SERVERS) {
    await holdVip(made.host(name));
    await site(t, made.host(name), bytes);
  }
  return { ...made, client: made.host('client'), hosts: [made.host('one'), made.host('two')] };
}

interface Role {
  readonly role?: 'standby' | 'auto';
  readonly vip?: string;
  /** Servers listed the other way round, as nobody promises the same order on both. */
  readonly isReversed?: boolean;
}

function balancer(
  t: Scene,
  { namespace }: Host,
  { role, vip = VIP, isReversed = false }: Role = {},
): Promise<RunningPen> {
  const addresses = vip === VIP ? ADDRESSES : SERVERS.map((_, i) => `[fd07::${21 + i}]`);
  return pen(t, {
    namespace,
    options: ['-O', 'dsr_if lan', '-r', ...(role === undefined ? [] : ['-O', `dsr_role ${role}`])],
    listen: vip === VIP ? `${vip}:80` : `[${vip}]:80`,
    servers: isReversed ? [...addresses].reverse() : addresses,
  });
}

const flowsOf = async (running: RunningPen) =>
  Number(/^vip .* flows (\d+)$/m.exec(await running.ask('dsr'))?.[1] ?? Number.NaN);

test('dsr_role standby forwards but leaves ARP alone; dsr master takes the VIP over from one request to the next', {
  skip,
}, async (t) => {
  const { client, hosts } = await pair(t);
  const one = await balancer(t, hosts[0]);
  const two = await balancer(t, hosts[1], { role: 'standby', isReversed: true });
  const who = () => ask(client, `http://${VIP}/`, 30);
  await who();
  assert.deepEqual([await flowsOf(one), await flowsOf(two)], [30, 0]);
  await client.run('ping', ['-c1', '-W2', VIP]);

  assert.equal(await one.ask('dsr standby'), '');
  assert.equal(await two.ask('dsr master'), '');
  assert.deepEqual([...new Set(await who())].sort(), SERVERS);
  assert.deepEqual([await flowsOf(one), await flowsOf(two)], [30, 30]);
  assert.match(await one.ask('dsr'), /^role standby$/m);
  assert.match(two.log(), /master for the VIPs on 'lan' \(was standby\)/);

  // Whichever of them has a packet, and in whatever order it has its servers, the packet goes to the same server.
  for (let port = 1; port <= 50; port++) {
    const explained = await Promise.all([one, two].map((it) => it.ask(`explain 10.9.9.9:${port} ${VIP}:80`)));
    const [first, second] = explained.map((text) => / (10\.7\.0\.\d+) [0-9a-f:]{17} \(a new flow/.exec(text)?.[1]);
    assert.ok(first !== undefined, explained[0]);
    assert.equal(first, second);
  }

  await two.ask('dsr standby');
  await client.ip('neigh', 'flush', 'dev', 'lan');
  const nobody = await client.try('curl', ['-s', '-m', '1', `http://${VIP}/`]);
  assert.notEqual(nobody.status, 0, 'nobody answers for the VIP');
  assert.match(await one.ask('dsr_role auto'), /^$/);
  assert.match(await one.ask('dsr master'), /^error: dsr: the role is auto: /);
});

test('dsr master takes an IPv6 VIP over', { skip }, async (t) => {
  const { client, hosts } = await pair(t);
  const one = await balancer(t, hosts[0], { vip: VIP6 });
  const two = await balancer(t, hosts[1], { vip: VIP6, role: 'standby' });
  const who = () => ask(client, `http://[${VIP6}]/`, 20);
  await who();
  assert.deepEqual([await flowsOf(one), await flowsOf(two)], [20, 0]);
  await one.ask('dsr standby');
  await two.ask('dsr master');
  await who();
  assert.deepEqual([await flowsOf(one), await flowsOf(two)], [20, 20]);
});

/** keepalived as docs/dsr-takeover.md has it. */
async function keepalived(t: Scene, host: Host, priority: number, block: string): Promise<void> {
  const folder = scratch(t);
  const file = join(folder, 'keepalived.conf');
  writeFileSync(
    file,
    `global_defs {
       router_id ${host.name}
       vrrp_version 3
       script_user root
     }
     vrrp_instance pen {
       state BACKUP
       interface lan
       virtual_router_id 80
       priority ${priority}
       advert_int 0.3
       ${block}
     }`,
  );
  const pids = ['-p', join(folder, 'pid'), '-r', join(folder, 'vrrp')];
  host.start(t, 'keepalived', ['--dont-fork', '--log-console', '--vrrp', '-f', file, ...pids]);
}

interface Way {
  readonly name: string;
  readonly vip: string;
  readonly role: 'auto' | 'standby';
  block(control: string): string;
}

/** How pen learns that it is the master. */
const ways: readonly Way[] = [
  { name: 'by the address', vip: VIP, role: 'auto', block: () => `virtual_ipaddress { ${VIP}/32 dev lan }` },
  { name: 'by the IPv6 address', vip: VIP6, role: 'auto', block: () => `virtual_ipaddress { ${VIP6}/128 dev lan }` },
  {
    name: 'by notify scripts',
    vip: VIP,
    role: 'standby',
    block(control) {
      const penctl = [process.execPath, ...commandOf('penctl'), control].join(' ');
      // keepalived wants an address; on lo it has no say on the link.
      return `virtual_ipaddress { ${VIP}/32 dev lo }
       notify_master "${penctl} dsr master"
       notify_backup "${penctl} dsr standby"
       notify_fault "${penctl} dsr standby"`;
    },
  },
];

for (const { name, vip, role, block } of ways) {
  const url = `http://${vip === VIP ? vip : `[${vip}]`}/`;
  test(`keepalived ${name}: the master is cut off, its connections go on, new ones come within 3 s`, {
    skip,
  }, async (t) => {
    const made = await pair(t, 30_000_000);
    const { client, hosts } = made;
    const balancers = [
      await balancer(t, hosts[0], { role, vip }),
      await balancer(t, hosts[1], { role, vip, isReversed: true }),
    ];
    for (const [i, host] of hosts.entries()) await keepalived(t, host, 100 - i, block(balancers[i].control));
    const flows = () => Promise.all(balancers.map(flowsOf));
    await until('the first one is master', async () => {
      await client.try('curl', ['-s', '-m', '0.5', '-o', '/dev/null', url]);
      return (await flows())[0] > 0;
    });
    const before = (await flows())[1];

    // Held to a rate that has them last through it all.
    const options = ['-s', '-o', '/dev/null', '-w', '%{http_code} %{size_download} %{num_connects}', '-m', '50'];
    const downloads = Array.from({ length: 6 }, () =>
      client.run('curl', [...options, '--limit-rate', '3M', `${url}files/big`]),
    );
    await until('they have begun', async () => (await flows())[0] >= 6);
    await made.cut('one');
    const cutMs = Date.now();
    await until('somebody answers', async () => {
      const { status } = await client.try('curl', ['-s', '-m', '0.5', '-o', '/dev/null', url]);
      return status === 0;
    });
    const backMs = Date.now() - cutMs;
    assert.ok(backMs < 3000, `answered after ${backMs} ms`);
    t.diagnostic(`a new connection ${backMs} ms after the cut`);
    for (const download of downloads) assert.equal(await download, '200 30000000 1');
    assert.ok((await flows())[1] >= before + 7, 'by the second one');
  });
}
