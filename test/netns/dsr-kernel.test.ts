/** What the balancer's kernel does with the VIPs' frames in packet mode, where it sees them too. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseIp } from '../../src/core/address.js';
import { ethernet } from '../../src/frame/ethernet.js';
import { ipv4 } from '../../src/frame/ipv4.js';
import { ipv6 } from '../../src/frame/ipv6.js';
import { NDP_HOP_LIMIT, neighbourSolicitation } from '../../src/frame/ndp.js';
import { tcp } from '../../src/frame/tcp.js';
import { bedMissing, type Host } from '../support/bed.js';
import {
  ask,
  BALANCER,
  BALANCER6,
  capture,
  type DsrBed,
  dsrBed,
  macOf,
  sendFrames,
  site,
  VIP,
  VIP6,
} from '../support/dsr-bed.js';
import type { Scene } from '../support/ending.js';
import { scratch } from '../support/scratch.js';
import { until, within } from '../support/wait.js';

const skip = bedMissing('nginx', 'curl', 'tcpdump', 'ping', 'nft', 'setpriv');

/** VIPs in networks of their own, which clients reach by way of the balancer, and the balancer, as a router, by a server. */
const ROUTED = '10.7.1.1';
const ROUTED6 = 'fd07:1::1';
/** A process that may open packet sockets and not change filters. */
const RAW_ONLY = ['setpriv', '--bounding-set=-all,+net_raw,+dac_override', '--inh-caps=-all'];

const REDIRECT = 5;
const ECHO_REPLY = 0;

/** The balancer is a router, which would send on all that it gets. */
async function routed(t: Scene, { client, balancer, servers: [server], addressOf, address6Of }: DsrBed): Promise<void> {
  await site(t, server);
  await server.ip('address', 'add', `${ROUTED}/32`, 'dev', 'lo');
  await server.ip('address', 'add', `${ROUTED6}/128`, 'dev', 'lo', 'nodad');
  await client.ip('route', 'add', ROUTED, 'via', BALANCER);
  await client.ip('route', 'add', ROUTED6, 'via', BALANCER6);
  await balancer.ip('route', 'add', ROUTED, 'via', addressOf(0));
  await balancer.ip('route', 'add', ROUTED6, 'via', address6Of(0));
  await balancer.sysctl('net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
}

/** Asks each VIP `n` times; what the server got of it, and of which types the ICMP messages were that the client got. */
async function exchange(t: Scene, { client, servers: [server], addressOf }: DsrBed, n: number) {
  const atServer = await capture(t, server, `dst host ${ROUTED} or dst host ${ROUTED6} or icmp`);
  const atClient = await capture(t, client, 'icmp or icmp6');
  for (const url of [`http://${ROUTED}/`, `http://[${ROUTED6}]/`]) {
    assert.deepEqual(await ask(client, url, n), Array(n).fill('www1'), url);
  }
  // Behind all that was caused by it, at both ends.
  await client.run('ping', ['-c1', '-W2', addressOf(0)]);
  const isEcho = (frame: Uint8Array) => frame[12] === 8 && frame[13] === 0 && frame[23] === 1;
  await until('the server has got the ping', () => atServer.frames().some(isEcho));
  const types = () =>
    atClient
      .frames()
      .map((frame) => (frame[12] === 8 ? frame[34] : frame[54]))
      // Neighbour discovery.
      .filter((type) => type !== 135 && type !== 136);
  await until('the client has its answer', () => types().includes(ECHO_REPLY));
  const arrived = atServer
    .frames()
    .filter((frame) => !isEcho(frame))
    .map((frame) => {
      const isV6 = frame[12] === 0x86;
      const flags = frame[(isV6 ? 54 : 34) + 13];
      return { isV6, isSyn: (flags & 2) !== 0, ttl: isV6 ? frame[21] : frame[22] };
    });
  return { arrived, types: types() };
}

for (const mode of ['packet', 'packet x 2'] as const) {
  test(`${mode}: a balancer that is a router sends everything on once, and tells clients nothing`, {
    skip,
  }, async (t) => {
    const made = await dsrBed(t, 1, { mode });
    await routed(t, made);
    const running = await made.pen({
      options: ['-O', 'dsr_if lan', '-O', `dsr_vip [${ROUTED6}]:80 server ${made.address6Of(0)}`],
      listen: `${ROUTED}:80`,
      servers: [made.addressOf(0)],
    });
    assert.doesNotMatch(running.log(), /forwards IPv/);
    assert.match(await running.ask('dsr'), /^kernel leaves 2 of 2 VIP addresses to pen$/m);
    const { arrived, types } = await exchange(t, made, 5);
    assert.deepEqual(types, [ECHO_REPLY]);
    for (const isV6 of [false, true]) {
      assert.equal(arrived.filter((frame) => frame.isV6 === isV6 && frame.isSyn).length, 5);
    }
    assert.deepEqual([...new Set(arrived.map(({ ttl }) => ttl))], [64], 'none went by way of the kernel');
  });
}

test('packet: without the right to filters a router is warned of, which sends on a second time and redirects', {
  skip,
}, async (t) => {
  const made = await dsrBed(t, 1, { mode: 'packet' });
  await routed(t, made);
  const running = await made.pen({
    before: RAW_ONLY,
    options: ['-O', 'dsr_if lan', '-O', `dsr_vip [${ROUTED6}]:80 server ${made.address6Of(0)}`],
    listen: `${ROUTED}:80`,
    servers: [made.addressOf(0)],
  });
  for (const family of ['4', '6']) {
    const line = `'lan' forwards IPv${family}: .*: EPERM, that takes CAP_NET_ADMIN.* \\(sysctl -w net\\.ipv${family}\\.conf\\.lan\\.forwarding=0\\)`;
    assert.match(running.log(), new RegExp(line));
  }
  assert.match(await running.ask('dsr'), /^kernel sees packets for the VIPs, too: EPERM, /m);
  const { arrived, types } = await exchange(t, made, 1);
  assert.ok(types.includes(REDIRECT), `${types}`);
  for (const isV6 of [false, true]) {
    assert.equal(arrived.filter((frame) => frame.isV6 === isV6 && frame.isSyn).length, 2);
  }
});

/** The sets that Pen's tables have, by table: name and elements. */
async function tables(host: Host): Promise<Record<string, string[]>[]> {
  const { nftables } = JSON.parse(await host.run('nft', ['-j', 'list', 'ruleset']));
  const found = new Map<string, Record<string, string[]>>();
  for (const { table, set } of nftables) {
    if (table) found.set(table.name, {});
    if (set) (found.get(set.table) ?? {})[set.name] = [...(set.elem ?? [])].sort();
  }
  for (const name of found.keys()) assert.match(name, /^pen-lan-\d+$/);
  return [...found.values()];
}

test('packet: the kernel is told of VIPs that come and go, by each pen of its own, and forgets with the process', {
  skip,
}, async (t) => {
  const { balancer, client, servers, addressOf, pen } = await dsrBed(t, 1, { mode: 'packet' });
  await site(t, servers[0]);
  const left: string[] = [];
  const first = await pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [addressOf(0)] });
  assert.deepEqual(await tables(balancer), [{ left, 'ipv4-32': [VIP] }]);
  const second = await pen({ options: ['-O', 'dsr_if lan'], listen: '10.7.0.81:80', servers: [addressOf(0)] });
  const other = { left, 'ipv4-32': ['10.7.0.81'] };
  assert.deepEqual(await tables(balancer), [{ left, 'ipv4-32': [VIP] }, other]);
  await balancer.run('nft', ['flush', 'ruleset']);
  assert.equal((await tables(balancer)).length, 2, 'nobody else can take them away');

  for (const vip of ['10.7.2.0/24', '10.7.2.0/28', '10.7.2.7:80', `[${VIP6}]:80`, 'fd07:3::/64'])
    assert.equal(await first.ask(`dsr_vip ${vip} server ${vip.includes('::') ? 'fd07::21' : addressOf(0)}`), '', vip);
  const all = {
    left,
    'ipv4-32': [VIP, '10.7.2.7'],
    'ipv4-24': ['10.7.2.0'],
    'ipv4-28': ['10.7.2.0'],
    'ipv6-128': [VIP6],
    'ipv6-64': ['fd07:3::'],
  };
  await until('all are known', async () => /leaves 6 of 6 VIP/.test(await first.ask('dsr')));
  assert.deepEqual((await tables(balancer))[0], all);
  await first.ask('dsr standby');
  const discovery = ['nd-neighbor-advert', 'nd-neighbor-solicit'];
  assert.deepEqual((await tables(balancer))[0], { ...all, left: discovery });
  await first.ask('dsr master');
  assert.deepEqual((await tables(balancer))[0], all);
  for (const vip of ['10.7.2.0/24', '10.7.2.7:80', 'fd07:3::/64']) await first.ask(`no dsr_vip ${vip}`);
  await first.ask('listen 10.7.0.83:80');
  const fewer = { ...all, 'ipv4-32': ['10.7.0.83'], 'ipv4-24': [], 'ipv6-64': [] };
  await until('the new address is known', async () => /leaves 3 of 3 VIP/.test(await first.ask('dsr')));
  assert.deepEqual((await tables(balancer))[0], fewer);
  // What is nobody's VIP any more is the kernel's again.
  await balancer.ip('address', 'add', `${VIP}/32`, 'dev', 'lan');
  await client.run('ping', ['-c1', '-W2', VIP]);

  first.signal('SIGKILL');
  await within('its death', first.ended);
  assert.deepEqual(await tables(balancer), [other]);
  await second.stop();
  assert.deepEqual(await tables(balancer), []);
});

test('packet: thousands of VIPs are told in pieces', { skip }, async (t) => {
  const { balancer, addressOf, pen } = await dsrBed(t, 1, { mode: 'packet' });
  const vips = Array.from({ length: 2_100 }, (_, i) => `10.100.${i >> 8}.${i & 255}`);
  const file = join(scratch(t), 'pen.conf');
  writeFileSync(file, vips.map((vip) => `dsr_vip ${vip}:80 server ${addressOf(0)}\n`).join(''));
  const running = await pen({ options: ['-O', 'dsr_if lan', '-F', file], listen: `${VIP}:80` });
  assert.match(await running.ask('dsr'), /^kernel leaves 2101 of 2101 VIP addresses to pen$/m);
  assert.deepEqual(new Set((await tables(balancer))[0]['ipv4-32']), new Set([VIP, ...vips]));
  writeFileSync(file, '');
  running.signal('SIGHUP');
  await until('all are gone', async () => /leaves 1 of 1 VIP/.test(await running.ask('dsr')));
  assert.deepEqual((await tables(balancer))[0]['ipv4-32'], [VIP]);
});

test("packet: the host's own packets come to it, and a VIP's do not, though it has the address", {
  skip,
}, async (t) => {
  const { balancer, client, servers, addressOf, address6Of, pen } = await dsrBed(t, 1, { mode: 'packet' });
  await site(t, servers[0]);
  await site(t, balancer);
  await balancer.ip('address', 'add', `${VIP}/32`, 'dev', 'lan');
  await balancer.ip('address', 'add', `${VIP6}/128`, 'dev', 'lan', 'nodad');
  const running = await pen({
    options: ['-O', 'dsr_if lan', '-O', 'dsr_role auto', '-O', `dsr_vip [${VIP6}]:80 server ${address6Of(0)}`],
    listen: `${VIP}:80`,
    servers: [addressOf(0)],
  });
  assert.match(await running.ask('dsr'), /^kernel leaves 2 of 2 VIP addresses to pen$/m);
  for (const [own, vip] of [
    [BALANCER, VIP],
    [`[${BALANCER6}]`, `[${VIP6}]`],
  ]) {
    assert.deepEqual(await ask(client, `http://${own}/`, 2), ['balancer', 'balancer']);
    assert.deepEqual(await ask(client, `http://${vip}/`, 3), ['www1', 'www1', 'www1']);
    await client.run('ping', ['-c1', '-W2', own.replace(/[[\]]/g, '')]);
  }
  // Who knows the MAC address, and wants it confirmed, asks the VIP itself.
  const heard = await capture(t, client, 'icmp6 and ip6[40] == 136');
  const [mac, destination] = [await macOf(client), await macOf(balancer)];
  const [source, target] = ['fd07::10', VIP6].map(wireOf);
  const question = neighbourSolicitation({ target, mac });
  const packet = ipv6({ source, destination: target, hopLimit: NDP_HOP_LIMIT }, question);
  await sendFrames(client, [ethernet({ source: mac, destination }, packet)]);
  const target6 = Buffer.from(target).toString('hex');
  await until('the kernel answers', () =>
    heard.frames().some((frame) => Buffer.from(frame.subarray(62, 78)).toString('hex') === target6),
  );
});

test('packet: the kernel gets what is for other MAC addresses, or has two tags, and nothing else for a VIP', {
  skip,
}, async (t) => {
  const { balancer, client, addressOf, pen } = await dsrBed(t, 1, { mode: 'packet' });
  await pen({ options: ['-O', 'dsr_if lan'], listen: `${VIP}:80`, servers: [addressOf(0)] });
  // Behind Pen's table, before everything else that the kernel does.
  const rules = [
    `ip daddr ${VIP} meta pkttype host counter`,
    `ip daddr ${VIP} meta pkttype other counter`,
    'meta protocol 8021q counter',
    'ip daddr 10.7.0.99 counter',
  ];
  const chain = `type filter hook ingress device lan priority 0; ${rules.join('; ')};`;
  await balancer.run('nft', [`table netdev watch { chain seen { ${chain} }; }`]);
  const seen = async () => {
    const { nftables } = JSON.parse(await balancer.run('nft', ['-j', 'list', 'chain', 'netdev', 'watch', 'seen']));
    return (nftables as { rule?: { expr: { counter?: { packets: number } }[] } }[]).flatMap(({ rule }) =>
      (rule?.expr ?? []).flatMap(({ counter }) => (counter ? [counter.packets] : [])),
    );
  };
  const [own, source] = [await macOf(balancer), await macOf(client)];
  const other = Uint8Array.of(2, 0, 0, 0, 0, 99);
  const frame = (to: string, destination: Uint8Array, ...numbers: number[]) => {
    const tags = numbers.map((control) => ({ type: 0x8100, control }));
    const segment = tcp({ sourcePort: 5000, destinationPort: 80, flags: 16 });
    return ethernet(
      { destination, source, tags },
      ipv4({ source: wireOf('10.7.0.10'), destination: wireOf(to) }, segment),
    );
  };
  const frames = [frame(VIP, own), frame(VIP, own, 7), frame(VIP, own, 7, 8), frame(VIP, other)];
  await sendFrames(client, [...frames, frame('10.7.0.99', own, 7)]);
  await until('the last one comes', async () => (await seen())[3] === 1);
  assert.deepEqual(await seen(), [0, 1, 1, 1]);
});

test('packet: with -u the kernel is told no more: it sees new VIPs, and all once one goes', { skip }, async (t) => {
  const { balancer, addressOf, pen } = await dsrBed(t, 1, { mode: 'packet' });
  const options = ['-u', 'nobody', '-O', 'dsr_if lan'];
  const running = await pen({ options, listen: `${VIP}:80`, servers: [addressOf(0)] });
  assert.deepEqual(await tables(balancer), [{ left: [], 'ipv4-32': [VIP] }]);
  await running.ask(`dsr_vip 10.7.0.81:80 server ${addressOf(0)}`);
  await until('that is said', () => /sees packets for 1 of 2 VIPs on 'lan', too: EPERM, .* -u/.test(running.log()));
  assert.match(await running.ask('dsr'), /^kernel leaves 1 of 2 VIP addresses to pen: EPERM, /m);
  await running.ask('no dsr_vip 10.7.0.81:80');
  assert.match(await running.ask('dsr'), /^kernel leaves 1 of 1 VIP addresses to pen$/m);
  await running.ask('listen 10.7.0.82:80');
  await until('that is said', () => /sees packets for the VIPs on 'lan', too, from now on: EPERM/.test(running.log()));
  assert.match(await running.ask('dsr'), /^kernel sees packets for the VIPs, too: EPERM, /m);
  assert.deepEqual(await tables(balancer), []);
});

/** Of an address as it is written, what stands in packets. */
function wireOf(text: string): Uint8Array {
  const words = parseIp(text) ?? [0, 0, 0, 0];
  const bytes = new Uint8Array(16);
  words.forEach((word, i) => {
    new DataView(bytes.buffer).setInt32(i * 4, word);
  });
  return text.includes(':') ? bytes : bytes.subarray(12);
}
