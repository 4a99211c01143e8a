import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptySlot, NONE, type ServerSpec } from '../configuration.js';
import { ServerState } from '../server-state.js';
import { ServerTable } from '../server-table.js';
import { acls, configuration, ip, only, row, server, tableOf } from '../tables.suite.js';
import { Hash } from './hash.js';
import { Prio } from './prio.js';
import { RoundRobin } from './round-robin.js';
import { client, crowd, selectorSuite, world } from './selector.suite.js';
import { Weight } from './weight.js';

for (const make of [() => new RoundRobin(), () => new Weight(), () => new Prio(), () => new Hash()]) {
  for (const { name, run } of selectorSuite(make)) {
    test(`${make().name} ${name}`, () => {
      const { got, want } = run();
      assert.deepEqual(got, want);
    });
  }
}

/** The slots chosen for one client after another, each connection kept open if `keep`. */
function sequence({ table, select }: ReturnType<typeof world>, count: number, keep = false): string {
  return crowd(count)
    .map((who) => {
      const slot = select(who);
      if (keep && table.take(slot, false)) table.settled(slot);
      return slot;
    })
    .join(' ');
}

/** A server for each [weight, prio]. */
const weighted = (...weights: number[]): ServerSpec[] => weights.map((weight, n) => server(n, { weight }));
const graded = (...prios: number[]): ServerSpec[] => prios.map((prio, n) => server(n, { prio }));

test('roundrobin goes strictly in turn, beginning with server 1', () => {
  assert.equal(sequence(world(new RoundRobin(), row(3)), 8), '1 2 0 1 2 0 1 2');
});

test('roundrobin keeps the rest in turn when a server is down', () => {
  const place = world(new RoundRobin(), row(4));
  place.table.state.setBlacklistedUntil(1, 1000);
  assert.equal(sequence(place, 8), '2 3 0 2 3 0 2 3');
});

test('roundrobin keeps the turns of the others when an ACL keeps a client from a server', () => {
  const servers = row(3).map((spec, slot) => ({ ...spec, acl: slot === 0 ? 1 : 0 }));
  const table = tableOf(servers, {}, { acls: acls({ 1: [only(false, '192.0.2.1')] }) });
  const selector = new RoundRobin();
  const free = ip('192.0.2.2');
  // The client that may not use 0 takes 1 in its place; the turn after 0 is 1 all the same.
  const clients = [free, free, client, free, free, client];
  assert.deepEqual(
    clients.map((address) => selector.select(table, address, 1, false, 0)),
    [1, 2, 1, 1, 2, 1],
  );
});

test('roundrobin is one turn for all when several tables share the state', () => {
  const memory = ServerState.allocate();
  const tables = [0, 1].map(() => {
    const table = new ServerTable(new ServerState(memory));
    table.configure(configuration(row(3)));
    return table;
  });
  const got = [0, 1, 0, 0, 1, 1].map((n) => new RoundRobin().select(tables[n], client, 1, false, 0));
  assert.deepEqual(got, [1, 2, 0, 1, 2, 0]);
});

test('weight fills servers in proportion when connections stay', () => {
  assert.equal(sequence(world(new Weight(), weighted(1, 1, 2)), 12, true), '1 2 0 2 0 1 2 2 2 0 1 2');
  const place = world(new Weight(), weighted(3, 1));
  sequence(place, 400, true);
  assert.deepEqual([place.table.state.connections(0), place.table.state.connections(1)], [300, 100]);
});

test('weight uses idle servers in turn, whatever their weight', () => {
  assert.equal(sequence(world(new Weight(), weighted(1, 5, 2)), 7), '1 2 0 1 2 0 1');
  const busy = world(new Weight(), weighted(1, 1, 1, 1));
  busy.table.take(2, false);
  assert.equal(sequence(busy, 6), '1 3 0 1 3 0');
});

test('weight gives a server of weight 0 nobody, even if the others are full', () => {
  const place = world(new Weight(), [server(0, { weight: 0 }), server(1, { weight: 3, max: 2 })]);
  assert.equal(sequence(place, 2, true), '1 1');
  assert.equal(place.select(), NONE);
  assert.equal(world(new Weight(), row(3)).select(), NONE);
});

test('prio gives the lowest number that is available', () => {
  const place = world(new Prio(), graded(5, 2, 3));
  assert.equal(sequence(place, 3), '1 1 1');
  place.table.state.setBlacklistedUntil(1, 1000);
  assert.equal(sequence(place, 3), '2 2 2');
  place.table.state.setBlacklistedUntil(2, 1000);
  assert.equal(sequence(place, 3), '0 0 0');
  assert.equal(place.select(undefined, 1000), 1);
});

test('prio overflows to the next number when servers are full', () => {
  const servers = [server(0, { prio: 5 }), server(1, { prio: 2, max: 1 }), server(2, { prio: 3, max: 1 })];
  assert.equal(sequence(world(new Prio(), servers), 6, true), '1 2 0 0 0 0');
});

test('prio takes equals in turn, also while a lower number is down', () => {
  assert.equal(sequence(world(new Prio(), graded(7, 2, 9, 2, 2)), 7), '3 4 1 3 4 1 3');
  const place = world(new Prio(), graded(1, 2, 2, 2));
  place.table.state.setBlacklistedUntil(0, 1000);
  assert.equal(sequence(place, 6), '2 3 1 2 3 1');
});

test('prio keeps each number in turn when clients of different numbers take turns', () => {
  const servers = graded(1, 2, 2).map((spec, slot) => ({ ...spec, acl: slot === 0 ? 1 : 0 }));
  const table = tableOf(servers, {}, { acls: acls({ 1: [only(true, '192.0.2.1')] }) });
  const selector = new Prio();
  selector.configure(table);
  const stranger = ip('192.0.2.2');
  const got = [client, stranger, client, stranger, client, stranger].map((address) => {
    return selector.select(table, address, 1, false, 0);
  });
  assert.deepEqual(got, [0, 2, 0, 1, 0, 2]);
});

test('hash sends a client where it always did (a change moves everybody on the day of an upgrade)', () => {
  assert.equal(sequence(world(new Hash(), row(5)), 16), '0 3 3 4 1 3 1 2 2 4 4 2 2 0 4 2');
  const place = world(new Hash(), row(5));
  const slots = ['2001:db8::1', '2001:db8:1::1', '2001:db8::1:0:0:1'].map((address) => {
    return place.select({ address: ip(address), port: 1 });
  });
  assert.deepEqual(slots, [0, 4, 3]);
});

test('hash stays with a client when its port changes, unless roundrobin is set', () => {
  const ports = Array.from({ length: 200 }, (_, i) => ({ address: client, port: 1024 + i }));
  const sticky = world(new Hash(), row(4));
  assert.equal(new Set(ports.map((who) => sticky.select(who))).size, 1);
  const spread = world(new Hash(), row(4), { roundRobin: true });
  assert.equal(new Set(ports.map((who) => spread.select(who))).size, 4);
});

test('hash spreads clients evenly when there are 2, 3, 4, 7 or 8 servers', () => {
  for (const count of [2, 3, 4, 7, 8]) {
    const place = world(new Hash(), row(count));
    const counts = new Array<number>(count).fill(0);
    for (const who of crowd(20_000)) counts[place.select(who)]++;
    const mean = 20_000 / count;
    // Four standard deviations of a fair draw, and the table's own per cent.
    for (const n of counts) assert.ok(Math.abs(n - mean) < 4 * Math.sqrt(mean) + mean / 100, `${count}: ${counts}`);
  }
});

test('hash tells IPv6 clients apart when they differ in any byte of the address', () => {
  const place = world(new Hash(), row(8));
  for (let byte = 0; byte < 16; byte++) {
    const slots = Array.from({ length: 64 }, (_, value) => {
      const words = [...ip('2001:db8::')];
      words[byte >> 2] ^= value << (24 - 8 * (byte & 3));
      return place.select({ address: words, port: 1 });
    });
    assert.ok(new Set(slots).size >= 6, `byte ${byte}: ${slots}`);
  }
});

test('hash moves only the clients of a server that leaves, and few others', () => {
  const before = world(new Hash(), row(5));
  const after = world(new Hash(), row(5).with(2, emptySlot));
  const clients = crowd(10_000);
  const stayed = clients.filter((who) => before.select(who) !== 2);
  const moved = stayed.filter((who) => before.select(who) !== after.select(who));
  assert.ok(moved.length < stayed.length * 0.03, `${moved.length} of ${stayed.length} moved`);
});

test('hash moves only the clients of a server that is down, nobody else, and back when it is up', () => {
  const place = world(new Hash(), row(5));
  const clients = crowd(10_000);
  const before = clients.map((who) => place.select(who));
  place.table.state.setBlacklistedUntil(2, 1000);
  const counts = [0, 0, 0, 0, 0];
  for (const [i, who] of clients.entries()) {
    const slot = place.select(who);
    if (before[i] === 2) counts[slot]++;
    else assert.equal(slot, before[i]);
  }
  const mean = before.filter((slot) => slot === 2).length / 4;
  for (const slot of [0, 1, 3, 4]) assert.ok(Math.abs(counts[slot] - mean) < 0.2 * mean, `not to one: ${counts}`);
  assert.deepEqual(
    clients.map((who) => place.select(who, 1000)),
    before,
  );
});

test('hash gives the one server that is left when 199 of 200 are down', () => {
  const place = world(new Hash(), row(200));
  for (let slot = 0; slot < 199; slot++) place.table.state.setBlacklistedUntil(slot, 1000);
  assert.equal(new Set(crowd(50).map((who) => place.select(who))).size, 1);
  assert.equal(place.select(), 199);
});

test('hash gives NONE when the server of a stubborn client is down', () => {
  const place = world(new Hash(), row(5), { stubborn: true });
  const slot = place.select();
  place.table.state.setBlacklistedUntil(slot, 1000);
  assert.equal(place.select(), NONE);
});

test('hash sends clients to the same servers when these are listed in another order', () => {
  const servers = row(6);
  const there = world(new Hash(), servers);
  const here = world(new Hash(), servers.toReversed());
  for (const who of crowd(500)) assert.equal(here.select(who), 5 - there.select(who));
});

test('hash gives each its share when two slots hold the same endpoint', () => {
  const place = world(new Hash(), [server(1), server(1), server(2)]);
  const counts = [0, 0, 0];
  for (const who of crowd(3000)) counts[place.select(who)]++;
  for (const n of counts) assert.ok(Math.abs(n - 1000) < 150, `${counts}`);
});
