import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type IpWords, ipEndpoint } from '../core/address.js';
import { parseVip, type VipServer, type VipSpec } from '../core/vip.js';
import { addressOf, configuration, LISTEN, spec, stage } from './controller.suite.js';
import { explain } from './explain.js';
import { ip, mac, OWN_MAC, SEED } from './fixtures/stage.js';
import { realValue, VIP_ANY_PORT } from './layout.js';
import type { Inherited } from './pinned-path.js';
import { controlValueOf, prefixKeyOf, prefixVipKeyOf, realValueOf, vipKeyOf, vipValueOf } from './record.js';

function vip(text: string, servers: readonly (number | VipServer)[], changes: Partial<VipSpec> = {}): VipSpec {
  const parsed = parseVip(text);
  if (typeof parsed === 'string') assert.fail(parsed);
  const { address, bits, port } = parsed;
  const list = servers.map((one) =>
    typeof one === 'number' ? { address: addressOf(one), weight: 1, encap: 'none' as const } : one,
  );
  return { address, bits, port: Number(port ?? 0), protocol: 'tcp', roundRobin: undefined, servers: list, ...changes };
}

const only = { listen: undefined };
const withVips = (vips: readonly VipSpec[]) => configuration([], {}, { vips });

let port = 1000;

/** The real that a new flow of one client goes to, or why to none. */
function whereTo(made: ReturnType<typeof stage>, to: IpWords, toPort = 80): number | string {
  const source = ipEndpoint(ip('10.9.9.9'), port++);
  const question = { source, destination: ipEndpoint(to, toPort), protocol: 'tcp' } as const;
  const { real, outcome } = explain(question, made.tables);
  return real === 0 ? outcome : real;
}

function serverOf(made: ReturnType<typeof stage>, real: number | string): string | undefined {
  return made.controller.memberOf(Number(real))?.title;
}

test('services: each has its own servers, and a server of two is asked once', () => {
  const made = stage(configuration([spec(1)], {}, { vips: [vip('10.7.1.1:80', [2]), vip('10.7.1.2:80', [2, 3])] }));
  assert.equal(serverOf(made, whereTo(made, LISTEN.address)), '10.7.0.1');
  assert.equal(serverOf(made, whereTo(made, ip('10.7.1.1'))), '10.7.0.2');
  assert.match(String(serverOf(made, whereTo(made, ip('10.7.1.2')))), /^10\.7\.0\.[23]$/);
  assert.equal(whereTo(made, ip('10.7.1.2'), 81), 'dropNoService');
  const questions = made.sent.filter((frame) => frame[28] === 0 && frame[41] === 2);
  assert.equal(questions.length, 1);
});

test('services: what is done to a server of one is not done to the same server of another', () => {
  const two = (weight: number) => [
    vip('10.7.1.1:80', [{ address: addressOf(2), weight, encap: 'none' }]),
    vip('10.7.1.2:80', [2]),
  ];
  const made = stage(withVips(two(1)), only);
  const [first, second] = [whereTo(made, ip('10.7.1.1')), whereTo(made, ip('10.7.1.2'))];
  assert.notEqual(first, second, 'they are two reals');
  made.configure(withVips(two(0)));
  assert.equal(whereTo(made, ip('10.7.1.1')), 'dropNoServer');
  assert.equal(whereTo(made, ip('10.7.1.2')), second);
  made.configure(withVips(two(1).slice(1)));
  assert.equal(whereTo(made, ip('10.7.1.1')), 'passNotVip');
  assert.equal(whereTo(made, ip('10.7.1.2')), second);
  const value = made.tables.real(Number(first));
  assert.equal(value.bytes[realValue.at.state], 0, 'flows of a service that is gone have no server');
});

test('services: the longest prefix has an address, one of its own beats them all', () => {
  const vips = [vip('10.8.0.0/16:80', [1]), vip('10.8.1.0/24:80', [2]), vip('10.8.1.9:81', [3])];
  const made = stage(withVips(vips), only);
  const at = (address: string, port?: number) => serverOf(made, whereTo(made, ip(address), port));
  assert.equal(at('10.8.255.255'), '10.7.0.1');
  assert.equal(at('10.8.1.8'), '10.7.0.2');
  assert.equal(at('10.8.1.9', 81), '10.7.0.3');
  assert.equal(whereTo(made, ip('10.8.1.9'), 80), 'dropNoService');
  made.configure(withVips(vips.slice(0, 2)));
  assert.equal(at('10.8.1.9'), '10.7.0.2', "without its own it is the prefix's");
  made.configure(withVips(vips.slice(0, 1)));
  assert.equal(at('10.8.1.9'), '10.7.0.1');
  made.configure(withVips([]));
  assert.equal(whereTo(made, ip('10.8.1.9')), 'passNotVip');
});

test('services: ports are hashed where a service says so, else as `roundrobin` says', () => {
  const many = Array.from({ length: 20 }, (_, i) => i + 1);
  const vips = [
    vip('10.8.0.1:80', many),
    vip('10.8.0.2:80', many, { roundRobin: true }),
    vip('10.8.0.3:80', many, { roundRobin: false }),
  ];
  const made = stage(withVips(vips), only);
  const spread = (address: string) => {
    const flows = Array.from({ length: 50 }, () => whereTo(made, ip(address)));
    return new Set(flows).size > 1;
  };
  assert.deepEqual(['10.8.0.1', '10.8.0.2', '10.8.0.3'].map(spread), [false, true, false]);
  made.configure(configuration([], { roundRobin: true }, { vips }));
  assert.deepEqual(['10.8.0.1', '10.8.0.2', '10.8.0.3'].map(spread), [true, true, false]);
});

test('services: a number that is given again leads no old flow to a new server, nor old counts to a new service', () => {
  const made = stage(withVips([vip('10.8.0.1:80', [1])]), only);
  const [{ index }] = made.controller.services;
  const [before] = made.controller.services[0].members;
  made.tables.countVip(index, 100, 1);
  made.tables.countReal(before.real, 100, 1);
  made.configure(withVips([vip('10.8.0.2:80', [2])]));
  const [service] = made.controller.services;
  assert.equal(service.index, index);
  const [after] = service.members;
  assert.equal(after.real, before.real);
  assert.notEqual(after.generation, before.generation);
  assert.equal(made.controller.trafficOfVip(service).packets, 0);
  assert.equal(made.controller.trafficOf(after.real).packets, 0);
});

test('services: those of an earlier process keep their numbers, and new ones take none of theirs', () => {
  const real = { mac: mac('02:00:00:00:00:07'), state: 3, generation: 40, vip: 1, address: addressOf(1) };
  const value = (index: number, flags = 0) => vipValueOf({ index, flags, acl: 0 });
  const inherited: Inherited = {
    control: controlValueOf({ mac: OWN_MAC, seed: SEED, epoch: 7 }),
    reals: [[Uint8Array.of(2, 0, 0, 0), realValueOf(real)]],
    vips: [
      [vipKeyOf(ip('10.8.0.1'), 4, 80, 6), value(1)],
      [vipKeyOf(ip('10.8.0.1'), 4, 0, 6), value(1)],
      [vipKeyOf(ip('10.8.0.1'), 4, 0, 0), value(1)],
      [prefixVipKeyOf(1, 4, 0, 17), value(0, VIP_ANY_PORT)],
    ],
    prefixes: [[prefixKeyOf(ip('10.9.0.0'), 4, 96 + 16), value(1)]],
    roles: { configured: 'master', told: 'master' },
  };
  const vips = [vip('10.8.0.2:80', [2, 3]), vip('10.8.0.1:80', [1]), vip('10.9.0.0/16', [4], { protocol: 'udp' })];
  const made = stage(withVips(vips), { ...only, inherited });
  const seen = made.controller.services.map(({ index, members }) => [
    index,
    members.map((member) => [member.real, member.generation]),
  ]);
  assert.deepEqual(seen, [
    [
      2,
      [
        [1, 41],
        [3, 42],
      ],
    ],
    [1, [[2, 40]]],
    [0, [[4, 43]]],
  ]);
});

test('services: with another MAC address we are announced again, and it is ours at once', () => {
  const made = stage(withVips([vip('10.8.0.1:80', [1]), vip('10.8.1.0/24:80', [1])]), only);
  made.pass(5000);
  made.sent.length = 0;
  const now = mac('02:00:00:00:0a:0a');
  made.controller.moveTo(now, made.now());
  assert.deepEqual([...made.tables.control.subarray(0, 6)], [...now]);
  const announcements = made.sent.filter((frame) => frame[28] === 10);
  assert.equal(announcements.length, 1, 'an address is announced, a prefix is not');
  assert.deepEqual([...announcements[0].subarray(6, 12)], [...now]);
});

test('services: LISTEN moves although every service that there can be has an address of its own', () => {
  const next = configuration([spec(1)], {}, { vips: [vip('10.8.0.1:80', [2]), vip('10.8.0.2:80', [3])] });
  const made = stage(next, { listen: LISTEN, vips: 3 });
  const moved = { ...LISTEN, address: ip('10.8.0.3') };
  made.configure(next, moved);
  assert.equal(serverOf(made, whereTo(made, moved.address)), '10.7.0.1');
  assert.equal(whereTo(made, LISTEN.address), 'passNotVip');
});

/** 512 services of 100 servers each, all of one farm. */
function manyVips(): VipSpec[] {
  const farm = Array.from({ length: 100 }, (_, i) => i + 1);
  return Array.from({ length: 512 }, (_, i) => vip(`10.100.${i >> 8}.${i & 255}:80`, farm));
}

test('services: 512 of 100 servers: a turn ends soon, and a change of one server touches only its own', {
  timeout: 60_000,
}, () => {
  const vips = manyVips();
  const made = stage(withVips([]), { ...only, vips: 1024 });
  const turns = made.configure(withVips(vips));
  assert.ok(turns > 10, `the work was spread over ${turns} turns`);
  made.pass(300);
  const states = made.controller.services.map(
    (service) => service.members.filter((member) => made.controller.stateOf(service, member) === 'in-service').length,
  );
  assert.deepEqual(new Set(states), new Set([100]));

  made.writes.length = 0;
  made.counts.vipsChanged = 0;
  made.configure(withVips(manyVips()));
  assert.deepEqual(made.writes, [], 'the same again, as a reload has it, writes nothing');

  const { index } = made.controller.services[7];
  const [{ real }] = made.controller.services[7].members;
  const servers = vips[7].servers.map((server) => ({ ...server, weight: server === vips[7].servers[0] ? 0 : 1 }));
  const changed = manyVips().with(7, { ...vips[7], servers });
  made.configure(withVips(changed));
  assert.deepEqual(
    made.writes.sort(),
    [`setReal ${real}`, `setSlots ${index}`],
    'one that drains: its table, its record',
  );

  made.writes.length = 0;
  made.configure(withVips(changed.with(7, { ...vips[7], servers: servers.slice(1) })));
  assert.deepEqual(made.writes, [`setReal ${real}`], 'one that is gone was in no table');
  assert.equal(made.counts.vipsChanged, 0, 'no other program is needed for that');
});

test('services: more than half of all servers that there can be are exchanged for others in one go', () => {
  const servers = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i);
  const vips = (from: number, counts: readonly number[]) =>
    counts.map((count, i) => vip(`10.200.1.${i + 1}:80`, servers(from, count)));
  // Those that grow come before those that shrink. Only the first of them answers, lest tables are made again and again.
  const made = stage(withVips([]), only);
  for (const n of [...servers(2, 20_000), ...servers(25_002, 20_000)]) made.silent.add(n);
  made.configure(withVips(vips(1, [100, 20_000, 20_000])));
  made.pass(200);
  assert.equal(typeof whereTo(made, ip('10.200.1.1')), 'number');
  made.configure(withVips(vips(25_001, [20_000, 20_000, 100])));
  made.sent.splice(0);
  // Until each of them has been asked.
  made.pass(5000);
  for (const address of ['10.200.1.1', '10.200.1.2', '10.200.1.3'])
    assert.equal(serverOf(made, whereTo(made, ip(address))), '10.7.97.169', address);
  const reals = made.controller.services.flatMap(({ members }) => members.map(({ real }) => real));
  assert.equal(new Set(reals).size, 40_100, 'no number twice');
  const asked = made.sent.filter((frame) => frame[28] === 0).map((frame) => (frame[40] << 8) | frame[41]);
  assert.equal(Math.min(...new Set(asked)), 25_001, 'who has gone is not asked any more');
});

test('services: tables are filled while the last servers are waited for, and VIPs are let in afterwards', () => {
  const made = stage(withVips([]), { ...only, waits: true });
  made.silent.add(3);
  made.configure(withVips([vip('10.7.1.1:80', [1, 2, 3]), vip('10.7.1.2:80', [3])]));
  const tablesOf = () => made.writes.filter((write) => write.startsWith('setSlots')).length;
  assert.equal(tablesOf(), 0, 'there may be more answers at once');
  made.pass(150);
  assert.equal(tablesOf(), 2);
  assert.equal(made.writes.includes('setVip '), false);
  made.silent.delete(3);
  made.pass(600);
  assert.equal(tablesOf(), 4, 'an answer makes other tables');
  assert.equal(made.controller.isComplete, true);
  assert.equal(whereTo(made, ip('10.7.1.2')), 'passNotVip');
  made.controller.open(made.now());
  assert.equal(tablesOf(), 4);
  assert.equal(serverOf(made, whereTo(made, ip('10.7.1.2'))), '10.7.0.3');
});
