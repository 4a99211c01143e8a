import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { needsBpf, openDescriptors } from './kernel.suite.js';
import { BpfMap } from './map.js';
import { type MapSpec, possibleCpus, sumOf } from './map-spec.js';
import { bytes, struct, u16be, u32, u64 } from './struct.js';

const flow = struct('flow', { client: bytes(4, 4), port: u16be, portBe: u16be });
const traffic = struct('traffic', { packets: u64, bytes: u64 });

let descriptors = 0;
before(() => {
  descriptors = needsBpf.skip === false ? openDescriptors() : 0;
});
after(() => {
  if (needsBpf.skip === false) assert.equal(openDescriptors(), descriptors, 'descriptors are left open');
});

/** Runs `use` with a map that is closed afterwards. */
function withMap<K, V>(spec: MapSpec<K, V>, use: (map: BpfMap<K, V>) => void): void {
  const map = BpfMap.create(spec);
  try {
    use(map);
  } finally {
    map.close();
  }
}

const key = (n: number) => ({ client: Uint8Array.of(192, 0, 2, n & 255), port: n & 0xffff, portBe: n >>> 16 });

for (const type of ['hash', 'lruHash'] as const) {
  const spec = { name: 'flows', type, key: flow, value: u64, maxEntries: 100_000 } as const;

  test(`a ${type} map keeps values by key`, needsBpf, () => {
    withMap(spec, (map) => {
      assert.equal(map.get(key(1)), undefined);
      assert.equal(map.set(key(1), 11n), true);
      assert.equal(map.set(key(1), 12n, 'new'), false);
      assert.equal(map.set(key(2), 22n, 'existing'), false);
      assert.equal(map.set(key(2), 22n, 'new'), true);
      assert.equal(map.set(key(1), 13n, 'existing'), true);
      assert.equal(map.get(key(1)), 13n);
      assert.deepEqual(
        new Map(map.entries().map(([{ port }, value]) => [port, value])),
        new Map([
          [1, 13n],
          [2, 22n],
        ]),
      );
      assert.equal(map.delete(key(1)), true);
      assert.equal(map.delete(key(1)), false);
      assert.deepEqual(map.keys(), [key(2)]);
    });
  });

  test(`a ${type} map takes, gives and forgets many entries at once`, needsBpf, () => {
    withMap(spec, (map) => {
      const count = 10_000;
      map.setMany(Array.from({ length: count }, (_, n) => [key(n), BigInt(n)] as const));
      const found = map.entries();
      assert.equal(found.length, count);
      assert.equal(map.count(), count);
      assert.ok(found.every(([{ port, portBe }, value]) => BigInt(portBe * 65_536 + port) === value));
      // Some of them twice, and some that are not there: neither is an error.
      map.deleteMany(Array.from({ length: count + 10 }, (_, n) => key(n < 5 ? 3 : n + 5)));
      assert.deepEqual(
        map
          .entries()
          .map(([{ port }]) => port)
          .sort((a, b) => a - b),
        [0, 1, 2, 4, 5, 6, 7, 8, 9],
      );
    });
  });
}

test('a full hash says so', needsBpf, () => {
  withMap({ name: 'small', type: 'hash', key: u32, value: u32, maxEntries: 2 }, (map) => {
    map.set(1, 1);
    map.set(2, 2);
    const full = {
      name: 'BpfError',
      code: 'E2BIG',
      message: "cannot write to map 'small': E2BIG (it is full or has no such entry, 2 are the most)",
    };
    assert.throws(() => map.set(3, 3), full);
    assert.throws(
      () =>
        map.setMany([
          [1, 5],
          [3, 3],
        ]),
      full,
    );
    assert.equal(map.get(1), 5);
  });
});

test('an LRU hash with lists per CPU gives the oldest up', needsBpf, () => {
  const spec = { name: 'lru', type: 'lruHash', key: u32, value: u32, maxEntries: 1024, perCpuLists: true } as const;
  withMap(spec, (map) => {
    for (let i = 0; i < 10_000; i++) map.set(i, i);
    const left = map.entries();
    assert.ok(left.length > 0 && left.length <= 1024, `${left.length} entries`);
    assert.equal(map.get(9999), 9999);
    assert.equal(map.get(0), undefined);
  });
});

test('an array has every entry from the beginning, and keeps it', needsBpf, () => {
  withMap({ name: 'slots', type: 'array', key: u32, value: u32, maxEntries: 65_537 }, (map) => {
    assert.equal(map.get(65_536), 0);
    assert.equal(map.get(65_537), undefined);
    map.setMany(Array.from({ length: 65_537 }, (_, slot) => [slot, slot * 3] as const));
    assert.equal(map.get(65_536), 196_608);
    assert.equal(map.entries().length, 65_537);
    assert.throws(() => map.delete(1), {
      code: 'EINVAL',
      message: "cannot delete from map 'slots': EINVAL (an array keeps its entries)",
    });
    assert.throws(() => map.set(65_537, 1), { code: 'E2BIG' });
  });
});

test('an array of large values is written and read whole', needsBpf, () => {
  const table = bytes(131_080);
  withMap({ name: 'tables', type: 'array', key: u32, value: table, maxEntries: 20 }, (map) => {
    const filled = (n: number) => new Uint8Array(table.bytes).fill(n);
    map.setMany(Array.from({ length: 20 }, (_, n) => [n, filled(n + 1)] as const));
    assert.deepEqual(map.get(19), filled(20));
    const entries = map.entries();
    assert.deepEqual(
      entries.map(([n, value]) => [n, value[131_079]]),
      entries.map((_, n) => [n, n + 1]),
    );
  });
});

test('an array per CPU has a value for each, which can be summed', needsBpf, () => {
  const spec = { name: 'traffic', type: 'perCpuArray', key: u32, value: traffic, maxEntries: 4 } as const;
  const map = BpfMap.createPerCpu(spec);
  try {
    const cpus = possibleCpus();
    const values = Array.from({ length: cpus }, (_, cpu) => ({ packets: BigInt(cpu + 1), bytes: 60n }));
    map.set(2, values);
    assert.deepEqual(map.get(2), values);
    const total = sumOf(map.get(2) as typeof values);
    assert.deepEqual(total, { packets: BigInt((cpus * (cpus + 1)) / 2), bytes: BigInt(60 * cpus) });
    assert.equal(map.entries().length, 4);
    assert.throws(() => map.set(1, values.slice(1)), { message: `${cpus - 1} values for ${cpus} CPUs` });
  } finally {
    map.close();
  }
  assert.throws(() => BpfMap.create(spec), { message: "'traffic' has a value per CPU (createPerCpu)" });
});

test('a trie finds the longest prefix', needsBpf, () => {
  const prefix = struct('prefix', { bits: u32, address: bytes(4) });
  withMap({ name: 'acl', type: 'lpmTrie', key: prefix, value: u32, maxEntries: 100 }, (map) => {
    const at = (bits: number, ...address: number[]) => ({ bits, address: Uint8Array.from(address) });
    map.setMany([
      [at(0, 0, 0, 0, 0), 1],
      [at(8, 10, 0, 0, 0), 2],
      [at(24, 10, 1, 2, 0), 3],
    ]);
    assert.equal(map.get(at(32, 192, 0, 2, 1)), 1);
    assert.equal(map.get(at(32, 10, 9, 9, 9)), 2);
    assert.equal(map.get(at(32, 10, 1, 2, 255)), 3);
    assert.equal(map.entries().length, 3);
    map.deleteMany([at(8, 10, 0, 0, 0), at(24, 10, 1, 2, 0)]);
    assert.equal(map.get(at(32, 10, 1, 2, 255)), 1);
  });
});

test('`info` tells what the kernel has', needsBpf, () => {
  withMap({ name: 'a-name.with_all', type: 'hash', key: flow, value: u64, maxEntries: 10 }, (map) => {
    const { id, ...info } = map.info;
    assert.ok(id > 0);
    assert.deepEqual(info, {
      name: 'a_name.with_all',
      kernelType: 1,
      keyBytes: 8,
      valueBytes: 8,
      maxEntries: 10,
      flags: 0,
    });
  });
});

test('`close` can be called twice, and what comes after says so', needsBpf, () => {
  const map = BpfMap.create({ name: 'gone', type: 'hash', key: u32, value: u32, maxEntries: 1 });
  map.close();
  map.close();
  assert.equal(map.isClosed, true);
  for (const use of [() => map.get(1), () => map.set(1, 1), () => map.entries(), () => map.info])
    assert.throws(use, { message: "'gone' has been closed" });
});

test('a map of impossible size is refused', needsBpf, () => {
  assert.throws(() => BpfMap.create({ name: 'huge', type: 'hash', key: bytes(1000), value: u32, maxEntries: 0 }), {
    code: 'EINVAL',
    message:
      "cannot create hash 'huge' of 0 x (1000 + 4) bytes: EINVAL (this kernel has no such map, or its sizes are out of range)",
  });
});
