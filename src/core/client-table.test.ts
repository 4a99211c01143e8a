import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClientRecord, ClientTable } from './client-table.js';
import { MAX_CLIENTS, NONE } from './configuration.js';
import { ip, randomFrom } from './tables.suite.js';
import { onThreads } from './threads.worker.js';

const client = (n: number) => [0, 0, 0xffff, n] as const;
const recent = (table: ClientTable, sinceMs: number): ClientRecord[] =>
  Array.from(table.recentSlots(sinceMs), (slot) => table.at(slot) as ClientRecord);
const numbers = (table: ClientTable, sinceMs = 0) => recent(table, sinceMs).map(({ address }) => address[3]);

function tableFor(capacity: number, seed = 1): ClientTable {
  const table = new ClientTable(ClientTable.allocate(seed));
  table.grow(capacity);
  return table;
}

test('ClientTable finds a client where it was put when it comes again', () => {
  const table = tableFor(10);
  assert.equal(table.find(client(1)), NONE);
  const slot = table.visit(client(1), 100, 0);
  assert.notEqual(table.visit(client(2), 100, 0), slot);
  assert.equal(table.visit(client(1), 200, 0), slot);
  assert.equal(table.find(client(1)), slot);
  assert.equal(table.size(), 2);
  assert.equal(table.server(slot), NONE);
  table.assign(slot, 7);
  assert.equal(table.server(slot), 7);
  assert.deepEqual(table.at(slot), {
    slot,
    address: client(1),
    connects: 0,
    sent: 0,
    received: 0,
    server: 7,
    lastSeenMs: 200,
  });
});

test('ClientTable tells clients apart by every word of the address', () => {
  const table = tableFor(10);
  const addresses = ['2001:db8::1', '2001:db9::1', '2001:db8:0:1::1', '2001:db8::1:0:1', '2001:db8::2', '0.0.0.1'];
  const slots = new Set(addresses.map((address) => table.visit(ip(address), 0, 0)));
  assert.equal(slots.size, addresses.length);
  assert.equal(table.visit(Int32Array.from(ip('::ffff:0.0.0.1')), 0, 0), table.find(ip('0.0.0.1')));
});

test('ClientTable puts out the least recently seen client when it is full', () => {
  const table = tableFor(3);
  for (const n of [1, 2, 3, 1, 4]) table.visit(client(n), n, 0);
  assert.equal(table.find(client(2)), NONE);
  assert.equal(table.size(), 3);
  for (const n of [1, 3, 4]) assert.notEqual(table.find(client(n)), NONE, `client ${n}`);
});

test('ClientTable gives a slot clean, under another generation, when it changes hands', () => {
  const table = tableFor(1);
  const slot = table.visit(client(1), 0, 0);
  const generation = table.visitGeneration;
  assert.equal(table.generation(slot), generation);
  table.assign(slot, 3);
  table.addConnect(slot);
  table.addTraffic(slot, generation, 2 ** 40, 5);
  assert.deepEqual([table.at(slot)?.connects, table.at(slot)?.sent, table.at(slot)?.received], [1, 2 ** 40, 5]);
  assert.equal(table.visit(client(2), 0, 0), slot);
  assert.notEqual(table.generation(slot), generation);
  // The first client's connection goes on and reports what no longer has a place.
  table.addTraffic(slot, generation, 9, 9);
  table.addConnect(slot, generation);
  table.assign(slot, 3, generation);
  const { connects, sent, received, server } = table.at(slot) ?? {};
  assert.deepEqual([connects, sent, received, server], [0, 0, 0, NONE]);
});

test('ClientTable ignores a slot that it does not have', () => {
  const table = tableFor(1);
  table.addTraffic(NONE, 0, 1, 1);
  table.addConnect(NONE);
  table.assign(NONE, 1);
  table.addConnect(0);
  assert.equal(table.at(NONE), undefined);
  assert.equal(table.at(0), undefined);
  const slot = table.visit(client(1), 0, 0);
  assert.deepEqual([table.server(slot), table.at(slot)?.connects], [NONE, 0]);
});

test('ClientTable forgets the server when the client was away for longer than the tracking time', () => {
  const table = tableFor(2);
  const slot = table.visit(client(1), 1000, 500);
  table.assign(slot, 4);
  table.visit(client(1), 1500, 500);
  assert.equal(table.server(slot), 4);
  table.visit(client(1), 1_000_000, 0);
  assert.equal(table.server(slot), 4, 'tracked for ever');
  table.visit(client(1), 1_000_501, 500);
  assert.equal(table.server(slot), NONE);
});

test('recentSlots gives who was seen since then, most recent first, also within a millisecond', () => {
  const table = tableFor(1000);
  for (let n = 0; n < 600; n++) table.visit(client(n), n >> 2, 0);
  table.visit(client(5), 150, 0);
  assert.deepEqual(numbers(table, 149), [5, 599, 598, 597, 596]);
  assert.equal(table.recentSlots(151).length, 0);
  assert.equal(table.recentSlots(0).length, 600);
});

test('grow makes room and never shrinks', () => {
  const table = tableFor(2);
  for (const n of [1, 2, 3]) table.visit(client(n), n, 0);
  table.grow(4);
  table.grow(1);
  assert.equal(table.capacity, 4);
  for (const n of [4, 5, 6]) table.visit(client(n), n, 0);
  assert.deepEqual(numbers(table), [6, 5, 4, 3]);
  table.grow(2_000_000_000);
  assert.equal(table.capacity, MAX_CLIENTS);
});

test('ClientTable has no place for anybody when its capacity is 0', () => {
  const table = new ClientTable(ClientTable.allocate(1));
  assert.equal(table.visit(client(1), 0, 0), NONE);
  assert.equal(table.size(), 0);
});

test('ClientTable agrees with a Map in order of use when it is used at random', () => {
  for (const seed of [1, 2, 3]) {
    const random = randomFrom(seed);
    const table = tableFor(20, seed);
    const model = new Map<number, number>();
    for (let step = 0; step < 5000; step++) {
      const n = random(40);
      const where = `seed ${seed}, step ${step}`;
      const slot = table.visit(client(n), step, 0);
      assert.equal(table.server(slot), model.get(n) ?? NONE, where);
      const server = random(2) ? random(5) : (model.get(n) ?? NONE);
      model.delete(n);
      model.set(n, server);
      if (model.size > 20) model.delete(model.keys().next().value as number);
      table.assign(slot, server);
      if (step % 50 === 0) assert.deepEqual(numbers(table), [...model.keys()].reverse(), where);
    }
  }
});

test('ClientTable holds a million clients, each visit costing the same as with few', () => {
  const table = tableFor(MAX_CLIENTS);
  const nanosecondsEach = (from: number, to: number) => {
    const address = new Int32Array(4);
    const start = process.hrtime.bigint();
    for (let n = from; n < to; n++) {
      address[3] = n;
      table.visit(address, n, 0);
    }
    return Number(process.hrtime.bigint() - start) / (to - from);
  };
  nanosecondsEach(0, 50_000);
  const few = nanosecondsEach(50_000, 150_000);
  nanosecondsEach(150_000, MAX_CLIENTS);
  assert.equal(table.size(), MAX_CLIENTS);
  const full = nanosecondsEach(MAX_CLIENTS, MAX_CLIENTS + 100_000);
  assert.equal(table.size(), MAX_CLIENTS);
  assert.equal(table.find([0, 0, 0, 99_999]), NONE);
  assert.notEqual(table.find([0, 0, 0, 100_000]), NONE);
  // Full means an eviction as well, and colder caches; a scan would be some 1000 times dearer.
  assert.ok(full < few * 20 + 2000, `${full} ns when full, ${few} ns before`);
});

test('ClientTable stays consistent when four threads fight over it', async () => {
  for (const [capacity, clients] of [
    [50, 200],
    [500, 100],
  ]) {
    const memory = ClientTable.allocate(5);
    const table = new ClientTable(memory);
    table.grow(capacity);
    const times = 15_000;
    const done = onThreads(4, 'visit', (thread) => ({ memory, times, clients, seed: thread + 1 }));
    let ended = false;
    done.finally(() => {
      ended = true;
    });
    while (!ended) {
      for (const { address, sent, received, server, connects } of recent(table, 0)) {
        assert.equal(sent % Math.max(address[3], 1), 0, 'a whole record');
        assert.equal(received, 2 * sent);
        assert.ok(server === NONE || server === address[3]);
        assert.ok(connects * address[3] >= sent);
      }
      await new Promise(setImmediate);
    }
    await done;
    const all = recent(table, 0);
    assert.equal(all.length, Math.min(capacity, clients));
    assert.equal(new Set(all.map(({ address }) => address[3])).size, all.length, 'no client twice');
    for (const { slot, address } of all) assert.equal(table.find(address), slot);
    const connects = all.reduce((sum, record) => sum + record.connects, 0);
    if (capacity >= clients) assert.equal(connects, 4 * times, 'no visit lost');
    for (const { address, connects, sent } of all) assert.equal(sent, connects * address[3]);
    // The list by age is whole: new clients push out exactly the oldest.
    for (let n = 0; n < capacity; n++) table.visit(client(1_000_000 + n), times + n, 0);
    assert.deepEqual(
      numbers(table),
      Array.from({ length: capacity }, (_, n) => 1_000_000 + capacity - 1 - n),
    );
  }
});
