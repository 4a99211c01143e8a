import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipEndpoint } from '../core/address.js';
import { emptyConfiguration, emptySlot } from '../core/configuration.js';
import { configuration, LISTEN, SLOTS, spec, stage } from './controller.suite.js';
import { explain } from './explain.js';
import { ip, wire } from './fixtures/stage.js';
import { EMERGENCY_REAL, realValue, VIP_SILENT, vipValue } from './layout.js';
import type { MemoryTables } from './memory-tables.js';
import { epochOf, vipKeyOf } from './record.js';
import { StructMemory } from './struct-memory.js';

const vip = { endpoint: ipEndpoint(LISTEN.address, LISTEN.port) };
const table = ({ shares }: ReturnType<typeof stage>) => [...shares()].sort(([a], [b]) => a - b);

test('controller: every server has its share, and one that goes moves at most 2 % of the slots', () => {
  const all = Array.from({ length: 100 }, (_, i) => spec(i + 1));
  const made = stage(configuration(all));
  const shares = made.shares();
  const even = SLOTS / 100;
  for (const [real, share] of shares)
    assert.ok(Math.abs(share - even) / even <= 0.02, `real ${real} has ${share} slots`);
  const slots = () => Array.from({ length: SLOTS }, (_, slot) => made.tables.slot(0, slot));
  const before = slots();
  made.configure(configuration(all.map((one, slot) => (slot === 41 ? emptySlot : one))));
  const after = slots();
  const moved = before.filter((real, slot) => real !== after[slot]).length;
  assert.ok(moved / SLOTS <= 0.02, `${((100 * moved) / SLOTS).toFixed(2)} % of the slots moved`);
  assert.ok(!after.includes(42));
});

test('controller: weights 1:2:5 are kept within 3 %, and 0 takes nothing as soon as one has a weight', () => {
  const made = stage(configuration([1, 2, 5, 0].map((weight, i) => spec(i + 1, { weight }))));
  const shares = made.shares();
  for (const [real, weight] of [
    [1, 1],
    [2, 2],
    [3, 5],
  ] as const) {
    const want = (SLOTS * weight) / 8;
    assert.ok(Math.abs((shares.get(real) ?? 0) - want) / want <= 0.03, `real ${real} has ${shares.get(real)} slots`);
  }
  assert.equal(shares.get(4), undefined);
  assert.equal(made.stateOf(3), 'draining');
});

test('controller: a server that falls silent leaves the table, its flows move, and it comes back', () => {
  const made = stage(configuration([spec(1), spec(2)]));
  assert.deepEqual(
    table(made).map(([real]) => real),
    [1, 2],
  );
  made.silent.add(1);
  made.pass(1300);
  assert.deepEqual(table(made), [[2, SLOTS]]);
  assert.equal(made.stateOf(0), 'silent');
  const question = { source: ipEndpoint(ip('10.9.9.9'), 5), destination: vip.endpoint, protocol: 'tcp' } as const;
  assert.equal(explain(question, made.tables).real, 2);
  made.silent.delete(1);
  made.pass(400);
  assert.deepEqual(
    table(made).map(([real]) => real),
    [1, 2],
  );
  assert.deepEqual(made.said, [
    "server 0 (10.7.0.1) has stopped answering on 'eth0', its flows go elsewhere",
    "server 0 (10.7.0.1) answers again on 'eth0'",
  ]);
});

test('controller: a blacklisted server takes nothing new and keeps what it has, until its time is over', () => {
  const made = stage(configuration([spec(1), spec(2)]));
  made.servers.setBlacklistedUntil(0, made.now() + 1000);
  made.pass(100);
  assert.deepEqual(table(made), [[2, SLOTS]]);
  assert.equal(made.stateOf(0), 'blacklisted');
  const value = made.tables.real(1);
  assert.equal(value.bytes[6], 1, 'it serves, but takes nothing new');
  made.pass(1000);
  assert.equal(made.stateOf(0), 'in-service');
});

test('controller: a number that another server gets has another generation', () => {
  const made = stage(configuration([spec(1), spec(2)]));
  const field = (name: 'generation' | 'state') => {
    return (
      new DataView(made.tables.real(1).bytes.buffer).getUint32(realValue.at[name], true) &
      (name === 'state' ? 0xffff : -1)
    );
  };
  const before = field('generation');
  made.configure(configuration([spec(1, { weight: 1 }), spec(2)]));
  assert.equal(field('generation'), before, 'another weight is the same server');
  made.configure(configuration([spec(3), spec(2)]));
  assert.equal(field('state'), 0, 'nobody has it');
  made.configure(configuration([spec(3), spec(2), spec(4)]));
  assert.equal(field('state'), 3);
  assert.notEqual(field('generation'), before);
});

test('controller: nobody in service leaves the emergency server, then nobody', () => {
  const emergency = spec(9);
  const made = stage(configuration([spec(1)], {}, { emergency }));
  made.silent.add(1);
  made.pass(1300);
  assert.deepEqual(table(made), [[EMERGENCY_REAL, SLOTS]]);
  made.configure(configuration([spec(1)]));
  assert.deepEqual(table(made), [[0, SLOTS]]);
});

test('controller: `stubborn` leaves the dead their slots, `prio` takes the lowest that somebody has', () => {
  const made = stage(configuration([spec(1), spec(2)], { stubborn: true }));
  made.silent.add(1);
  made.pass(1300);
  assert.deepEqual(
    table(made).map(([real]) => real),
    [1, 2],
  );
  const ranked = [spec(1, { prio: 1 }), spec(2, { prio: 2 }), spec(3, { prio: 2 })];
  made.configure(configuration(ranked, { prio: true }));
  assert.deepEqual(
    table(made).map(([real]) => real),
    [2, 3],
  );
});

test('controller: a client_acl is asked once it has entries, and no longer once it is empty', () => {
  const made = stage(configuration([spec(1)]));
  const question = { source: ipEndpoint(ip('10.9.9.9'), 5), destination: vip.endpoint, protocol: 'tcp' } as const;
  const outcome = () => explain(question, made.tables).outcome;
  const mask = [-1, -1, -1, 0xff000000 | 0] as const;
  const deny = { permit: false, kind: 'network', address: [0, 0, 0xffff, 0x0a000000], mask } as const;
  const acls = emptyConfiguration.acls.map((entries, i) => (i === 2 ? [deny] : entries));
  made.configure(configuration([spec(1)], { clientAcl: 2 }, { acls }));
  assert.equal(outcome(), 'dropDenied');
  assert.equal(made.tables.aclSize, 3);
  made.configure(configuration([spec(1)], { clientAcl: 3 }, { acls }));
  assert.equal(outcome(), 'txNew');
  assert.equal(made.tables.aclSize, 0);
});

test('controller: the VIP is announced twice, two seconds apart', () => {
  const made = stage(configuration([spec(1)]));
  const announcements = () =>
    made.sent.filter((frame) => Buffer.compare(frame.slice(28, 32), wire(ip('10.7.0.80'))) === 0).length;
  assert.equal(announcements(), 1);
  made.pass(1900);
  assert.equal(announcements(), 1);
  made.pass(5000);
  assert.equal(announcements(), 2);
});

test('controller: what a server was sent is counted once', () => {
  const made = stage(configuration([spec(1)]));
  made.tables.countReal(1, 1500, 1);
  made.controller.collect();
  made.tables.countReal(1, 60, 0);
  made.controller.collect();
  made.controller.collect();
  assert.equal(made.servers.sent(0), 1560);
});

test('controller: 10,000 servers, of which one goes', () => {
  const servers = Array.from({ length: 10_000 }, (_, i) => spec(i + 1));
  const made = stage(configuration(servers));
  made.pass(6000);
  assert.equal(made.shares().size, 10_000);
});

test('controller: who takes the VIP over says so five times, who leaves it says nothing and answers nobody', () => {
  const made = stage(configuration([spec(1)]), { listen: LISTEN, role: 'standby' });
  const announcements = () =>
    made.sent.filter((frame) => Buffer.compare(frame.slice(28, 32), wire(ip('10.7.0.80'))) === 0).length;
  const isSilent = () => {
    const value = new StructMemory(vipValue.bytes);
    assert.ok(made.tables.findVip(StructMemory.of(vipKeyOf(ip('10.7.0.80'), 4, 0, 0)), value));
    return (value.bytes[vipValue.at.flags] & VIP_SILENT) !== 0;
  };
  made.pass(3000);
  assert.deepEqual([announcements(), isSilent()], [0, true]);
  made.controller.take('master', made.now());
  assert.deepEqual([announcements(), isSilent()], [1, false]);
  made.pass(12_000);
  assert.equal(announcements(), 5);
  made.controller.take('standby', made.now());
  made.pass(3000);
  assert.deepEqual([announcements(), isSilent()], [5, true]);
});

test('controller: goes on from what an earlier one decided', () => {
  const first = stage(configuration([spec(1), spec(2), spec(3)]));
  const value = (tables: MemoryTables, real: number) => tables.real(real).bytes.slice();
  const reals = [1, 2, 3].map((real) => [Uint8Array.of(real, 0, 0, 0), value(first.tables, real)] as const);
  const roles = { configured: 'master', told: 'master' } as const;
  const inherited = { control: first.tables.control.slice(), reals, vips: [], prefixes: [], roles };
  const second = stage(configuration([spec(1), spec(2), spec(4)]), { listen: LISTEN, inherited, send() {} });
  assert.deepEqual(
    [1, 2].map((real) => value(second.tables, real)),
    [1, 2].map((real) => value(first.tables, real)),
    'in service before they have answered',
  );
  assert.deepEqual(
    table(second).map(([real]) => real),
    [1, 2],
    'the new one has to answer first',
  );
  assert.ok(epochOf(second.tables.control) > epochOf(first.tables.control), 'fragments are not met again');
  second.pass(1300);
  assert.deepEqual(table(second), [[0, SLOTS]], 'and are gone if they do not answer');
});

test('controller: a server behind a tunnel is asked by its router, and the program is told before and after', () => {
  const made = stage(configuration([spec(1), spec(2, { encap: 'ipip' })]));
  assert.ok(made.said.includes('tunnels true'));
  made.pass(1000);
  const inTunnel = made.sent.filter((frame) => frame[12] === 8 && frame[13] === 0);
  assert.ok(inTunnel.length > 0, 'an echo request in a tunnel');
  const [question] = inTunnel;
  assert.deepEqual([...question.subarray(30, 34)], [...wire(ip('10.7.0.2'))], 'to the server');
  assert.deepEqual([...question.subarray(50, 54)], [...wire(LISTEN.address)], 'for the VIP inside');
  // Nobody answers those here.
  assert.equal(made.shares().get(2), undefined);
  made.configure(configuration([spec(1), spec(2)]));
  assert.ok(made.said.includes('tunnels false'));
  assert.ok((made.shares().size ?? 0) >= 2);
});
