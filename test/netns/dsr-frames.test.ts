import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ethernet, type Packet } from '../../src/frame/ethernet.js';
import { flowOf } from '../../src/frame/flow.js';
import { ipv4, ipv4Fragments } from '../../src/frame/ipv4.js';
import { tcp } from '../../src/frame/tcp.js';
import { type Bed, bed, bedMissing } from '../support/bed.js';
import { ask, capture, dsrBed, holdVip, macOf, sendFrames, site, VIP, VIP6 } from '../support/dsr-bed.js';
import type { Scene } from '../support/ending.js';
import { pen } from '../support/pen.js';
import { until } from '../support/wait.js';

const skip = bedMissing('nginx', 'curl', 'tcpdump');

const vip = Uint8Array.from(VIP.split('.').map(Number));
const clientAddress = (last: number) => Uint8Array.from([10, 7, 0, last]);

function segment(bytes = 0) {
  return tcp({ sourcePort: 5000, destinationPort: 80, flags: 16 }, new Uint8Array(bytes).fill(0x61));
}

test('802.1Q tags reach the server as they were', { skip }, async (t) => {
  const { client, balancer, servers, addressOf, pen: start } = await dsrBed(t, 1);
  await start({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [addressOf(0)] });
  const arriving = await capture(t, servers[0], 'vlan');
  const link = {
    destination: await macOf(balancer),
    source: await macOf(client),
    tags: [{ type: 0x8100, control: 0x6064 }],
  };
  const packet = ipv4({ source: clientAddress(10), destination: vip }, segment());
  await sendFrames(client, [ethernet(link, packet)]);
  await until('the frame arrives', () => arriving.frames().length > 0);
  const [frame] = arriving.frames();
  const [mac, own] = [await macOf(servers[0]), await macOf(balancer)];
  const expected = ethernet({ ...link, destination: mac, source: own }, packet);
  assert.equal(Buffer.from(frame).toString('hex'), Buffer.from(expected).toString('hex'));
});

test('the fragments of a datagram reach one server, in whatever order', { skip }, async (t) => {
  const { client, balancer, servers, addressOf, pen: start } = await dsrBed(t, 3);
  const running = await start({
    options: ['-O', 'dsr_if lan', '-r'],
    listen: `${VIP}:80`,
    servers: [0, 1, 2].map(addressOf),
  });
  const arriving = await Promise.all(servers.map((server) => capture(t, server, `ip and dst ${VIP}`)));
  const link = { destination: await macOf(balancer), source: await macOf(client) };
  const frames: Uint8Array[] = [];
  const DATAGRAMS = 30;
  for (let id = 1; id <= DATAGRAMS; id++) {
    const parts: Packet[] = ipv4Fragments(
      { source: clientAddress(100 + id), destination: vip, id },
      segment(3000),
      1480,
    );
    // Every third one with its first fragment last.
    if (id % 3 === 0) parts.reverse();
    frames.push(...parts.map((part) => ethernet(link, part)));
  }
  await sendFrames(client, frames);
  const all = () => arriving.map((one) => one.frames());
  await until('all fragments arrive', () => all().flat().length === frames.length);
  const homes = all().map((some) => new Set(some.map((frame) => flowOf(frame)?.source[3])));
  assert.ok(
    homes.every((home) => home.size > 0),
    'every server has some',
  );
  assert.equal(
    homes.reduce((sum, home) => sum + home.size, 0),
    DATAGRAMS,
    'and no datagram is at two',
  );
  assert.match(await running.ask('dsr'), / fragment [1-9]\d* /);
});

test('"too big" reaches the server whose flow does not fit, by IPv4 and IPv6', { skip }, async (t) => {
  const made = await farClient(t);
  const client = made.host('client');
  const options = { options: ['-O', 'dsr_if lan', '-r'], namespace: made.host('balancer').namespace };
  for (const name of ['www1', 'www2']) await site(t, made.host(name), 1_000_000);

  const v4 = await pen(t, { ...options, listen: `${VIP}:80`, servers: ['10.7.0.21', '10.7.0.22'] });
  await downloads(client, `http://${VIP}/files/big`);
  assert.match(await v4.ask('dsr'), /^tx .* icmp [1-9]/m);
  await v4.stop();

  const v6 = await pen(t, { ...options, listen: `[${VIP6}]:80`, servers: ['[fd07::21]', '[fd07::22]'] });
  await downloads(client, `http://[${VIP6}]/files/big`);
  assert.match(await v6.ask('dsr'), /^tx .* icmp [1-9]/m);
  assert.equal((await ask(client, `http://[${VIP6}]/`, 20)).length, 20);
});

async function downloads(client: ReturnType<Bed['host']>, url: string): Promise<void> {
  for (let i = 0; i < 6; i++) {
    const size = await client.run('curl', ['-s', '-m', '10', '-o', '/dev/null', '-w', '%{size_download}', url]);
    assert.equal(size, '1000000');
  }
}

/** A client behind a router, whose link to it takes 1,400 bytes. */
async function farClient(t: Scene): Promise<Bed> {
  const made = await bed(t, {
    hosts: {
      client: { wan: ['10.9.0.10/24', 'fd09::10/64'] },
      router: { wan: ['10.9.0.1/24', 'fd09::1/64'], lan: ['10.7.0.1/24', 'fd07::1/64'] },
      balancer: { lan: ['10.7.0.2/24', 'fd07::2/64'] },
      www1: { lan: ['10.7.0.21/24', 'fd07::21/64'] },
      www2: { lan: ['10.7.0.22/24', 'fd07::22/64'] },
    },
    xdp: true,
  });
  await made.host('router').sysctl('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  await made.host('router').ip('link', 'set', 'wan', 'mtu', '1400');
  await made.host('client').ip('route', 'add', 'default', 'via', '10.9.0.1');
  await made.host('client').ip('route', 'add', 'default', 'via', 'fd09::1');
  for (const name of ['www1', 'www2']) {
    await holdVip(made.host(name));
    await made.host(name).ip('route', 'add', 'default', 'via', '10.7.0.1');
    await made.host(name).ip('route', 'add', 'default', 'via', 'fd07::1');
  }
  return made;
}
