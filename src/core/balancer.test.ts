import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Balancer } from './balancer.js';
import { ClientTable } from './client-table.js';
import { ABUSE_SLOT, type Configuration, EMERGENCY_SLOT, emptySlot, NONE, type Settings } from './configuration.js';
import { ServerState } from './server-state.js';
import { ServerTable } from './server-table.js';
import { acls, configuration, ip, only, row, server } from './tables.suite.js';

type Args = [servers: Configuration['servers'], settings?: Partial<Settings>, rest?: Partial<Configuration>];

const home = ip('192.0.2.1');

/** A balancer with `come(address)`, which visits, chooses and remembers the server as the proxy does. */
function balancerOf(...args: Args) {
  const table = new ServerTable(new ServerState(ServerState.allocate()));
  const clients = new ClientTable(ClientTable.allocate(1));
  const balancer = new Balancer(table, clients);
  balancer.configure(configuration(...args));
  const come = (address: string, nowMs = 0) => {
    const words = ip(address);
    const client = clients.visit(words, nowMs, table.settings.trackingSec * 1000);
    const slot = balancer.choose(client, words, 1024, false, nowMs);
    if (slot !== NONE) clients.assign(client, slot);
    return slot;
  };
  const go = (slot: number) => {
    table.settled(slot);
    table.leave(slot);
  };
  /** The slots tried for a connection to which no server answers. */
  const allFail = (nowMs = 0, first = balancer.choose(NONE, home, 1, false, nowMs)) => {
    const tried = [];
    for (let slot = first; slot !== NONE; slot = balancer.failover(slot, first, home, false, nowMs)) {
      tried.push(slot);
      assert.ok(tried.length < 100, 'failover ends');
      go(slot);
      table.failed(slot, nowMs);
    }
    return tried;
  };
  return { table, clients, balancer, come, go, allFail };
}

test('choose follows the first setting of prio, weight and hash, else goes in turn', () => {
  const servers = [
    server(0, { prio: 1, weight: 1 }),
    server(1, { prio: 3, weight: 9 }),
    server(2, { prio: 2, weight: 0 }),
  ];
  const firsts = (settings: Partial<Settings>) => {
    const { balancer, table } = balancerOf(servers, { roundRobin: true, ...settings });
    table.take(0, false);
    return [1, 2, 3, 4].map((port) => balancer.choose(NONE, home, port, false, 0));
  };
  assert.deepEqual(firsts({ prio: true, weight: true, hash: true }), [0, 0, 0, 0]);
  assert.deepEqual(firsts({ weight: true, hash: true }), [1, 1, 1, 1]);
  assert.deepEqual(firsts({}), [1, 2, 0, 1]);
  assert.notDeepEqual(firsts({ hash: true }), firsts({}));
});

test('choose reserves a place and a pending connect', () => {
  const { balancer, table, go } = balancerOf(row(1));
  assert.equal(balancer.choose(NONE, home, 1, false, 0), 0);
  assert.deepEqual([table.state.connections(0), table.state.pending(0)], [1, 1]);
  go(0);
  assert.deepEqual([table.state.connections(0), table.state.pending(0)], [0, 0]);
});

test('choose sends a client to its own server again, unless roundrobin is set', () => {
  const sticky = balancerOf(row(3));
  assert.deepEqual(
    ['::1', '::2', '::1', '::1', '::2', '::3'].map((who) => sticky.come(who)),
    [1, 2, 1, 1, 2, 0],
  );
  const turning = balancerOf(row(3), { roundRobin: true });
  assert.deepEqual(
    ['::1', '::1', '::1'].map((who) => turning.come(who)),
    [1, 2, 0],
  );
});

test('choose lets a client return up to hard when others are turned away at max', () => {
  const { come } = balancerOf([server(0, { max: 1, hard: 3 })]);
  assert.equal(come('::1'), 0);
  assert.equal(come('::2'), NONE);
  assert.deepEqual([come('::1'), come('::1'), come('::1')], [0, 0, NONE]);
});

test('choose finds a client another server when its own is down, full, gone or forbidden to it', () => {
  const lists = acls({ 1: [only(false, '::1')] });
  const cases: Record<string, (place: ReturnType<typeof balancerOf>) => void> = {
    down: ({ table }) => table.failed(1, 0),
    full: ({ table }) => table.take(1, false),
    gone: ({ balancer }) => balancer.configure(configuration([server(0), emptySlot, server(2)])),
    'out of the table': ({ balancer }) => balancer.configure(configuration([server(0)])),
    forbidden: ({ balancer }) => {
      balancer.configure(configuration([server(0), server(1, { acl: 1 }), server(2)], {}, { acls: lists }));
    },
  };
  for (const [name, happen] of Object.entries(cases)) {
    const place = balancerOf(row(3).with(1, server(1, { max: 2 })));
    assert.equal(place.come('::1'), 1, name);
    happen(place);
    const next = place.come('::1');
    assert.ok(next === 0 || next === 2, `${name}: ${next}`);
    assert.equal(place.come('::1'), next, `${name}: stays there`);
  }
});

test('choose takes the emergency server when no other takes the client, and does not return to it', () => {
  const { come, go, table } = balancerOf(row(2, { max: 1 }), {}, { emergency: server(9) });
  assert.deepEqual(
    ['::1', '::2', '::3', '::3'].map((who) => come(who)),
    [1, 0, EMERGENCY_SLOT, EMERGENCY_SLOT],
  );
  assert.equal(table.state.connections(EMERGENCY_SLOT), 2);
  go(0);
  assert.equal(come('::3'), 0);
});

test('choose sends those whom client_acl denies to the abuse server, or nowhere', () => {
  const lists = acls({ 2: [only(false, '192.0.2.1')] });
  const guarded = balancerOf(row(2), { clientAcl: 2 }, { acls: lists, abuse: server(9), emergency: server(8) });
  assert.deepEqual([guarded.come('192.0.2.1'), guarded.come('192.0.2.2')], [ABUSE_SLOT, 1]);
  assert.equal(guarded.balancer.admits(home, false), false);
  assert.equal(guarded.balancer.choose(NONE, home, 0, true, 0), 0, 'Unix clients are always admitted');
  assert.equal(guarded.balancer.failover(ABUSE_SLOT, ABUSE_SLOT, home, false, 0), NONE);
  const plain = balancerOf(row(2), { clientAcl: 2 }, { acls: lists, emergency: server(8) });
  assert.equal(plain.come('192.0.2.1'), NONE);
});

test('failover walks from the failed server once round, then to the emergency server, then ends', () => {
  for (const blacklistSec of [30, 0]) {
    const settings = { blacklistSec, roundRobin: true };
    assert.deepEqual(balancerOf(row(4), settings).allFail(), [1, 2, 3, 0], `blacklist ${blacklistSec}`);
    const withEmergency = balancerOf(row(3), settings, { emergency: server(9) });
    assert.deepEqual(withEmergency.allFail(), [1, 2, 0, EMERGENCY_SLOT]);
    assert.deepEqual(balancerOf([emptySlot, server(1)], settings).allFail(), [1]);
  }
});

test('failover passes over servers that do not take the client', () => {
  const lists = acls({ 3: [only(false, '192.0.2.1')] });
  const servers = [server(0), server(1), emptySlot, server(3, { acl: 3 }), server(4, { max: 1 }), server(5)];
  const { table, allFail } = balancerOf(servers, {}, { acls: lists });
  table.take(4, false);
  table.failed(0, 0);
  assert.deepEqual(allFail(0, 1), [1, 5]);
});

test('failover leaves all counts as they were when every server fails', () => {
  const { table, allFail } = balancerOf(row(3), {}, { emergency: server(9) });
  allFail();
  for (const slot of [0, 1, 2, EMERGENCY_SLOT]) {
    assert.deepEqual([table.state.connections(slot), table.state.pending(slot)], [0, 0], `slot ${slot}`);
    assert.equal(table.state.failures(slot), 1);
  }
});

test('failover ends when the table changes under way', () => {
  for (const size of [0, 1, 3, 9]) {
    const { balancer, table, go } = balancerOf(row(6), { blacklistSec: 0 });
    for (let i = 0; i < 4; i++) go(balancer.choose(NONE, home, 1, false, 0));
    balancer.configure(configuration(row(size), { blacklistSec: 0 }));
    const tried = new Set<number>();
    for (let slot = balancer.failover(4, 4, home, false, 0); slot !== NONE; ) {
      assert.ok(slot < table.length && !tried.has(slot), `size ${size}: ${slot} after ${[...tried]}`);
      tried.add(slot);
      slot = balancer.failover(slot, 4, home, false, 0);
    }
    assert.equal(tried.size, size === 9 ? 8 : size);
  }
});

test('stubborn never fails over: not after a failed connect, not from the own server, not to the emergency one', () => {
  const { balancer, table, come, allFail } = balancerOf(row(3), { stubborn: true }, { emergency: server(9) });
  assert.equal(come('::1'), 1);
  assert.deepEqual(allFail(0, 1), [1]);
  assert.equal(come('::1'), NONE);
  for (const slot of [0, 2]) table.failed(slot, 0);
  assert.equal(come('::2'), NONE);
  assert.equal(come('::1', 30_000), 1, 'its server is back');
  balancer.configure(configuration([server(0), emptySlot, server(2)], { stubborn: true }));
  assert.notEqual(come('::1', 30_000), NONE, 'a server that is no more is nobody to wait for');
});

test('configure makes room for as many clients as it says, and does not take it back', () => {
  const { balancer, clients } = balancerOf(row(1), { clientsMax: 10 });
  assert.equal(clients.capacity, 10);
  balancer.configure(configuration(row(1), { clientsMax: 5 }));
  assert.equal(clients.capacity, 10);
});
