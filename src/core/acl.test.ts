import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Acl, type AclEntry } from './acl.js';
import { type IpWords, isV4 } from './address.js';
import { ip, randomFrom } from './tables.suite.js';

/** `permit 10.0.0.0 255.0.0.0`, `deny 2001:db8::/32`, `permit 10.0.0.1`. */
function entry(text: string): AclEntry {
  const [word, address, mask] = text.split(/[ /]/);
  const words = ip(address);
  const bits = isV4(words) ? [-1, -1, -1, mask ? ip(mask)[3] : -1] : prefix(Number(mask ?? 128));
  return { kind: 'network', permit: word === 'permit', address: words, mask: bits as unknown as IpWords };
}

function prefix(length: number): number[] {
  return [0, 32, 64, 96].map((start) => {
    const ones = Math.max(0, Math.min(32, length - start));
    return ones === 0 ? 0 : -1 << (32 - ones);
  });
}

const cases: { name: string; list: string[]; permitted: string[]; denied: string[] }[] = [
  { name: 'permits all when it is empty', list: [], permitted: ['10.0.0.1', '::1'], denied: [] },
  {
    name: 'denies the rest when the last entry permits',
    list: ['deny 10.0.0.1', 'permit 10.0.0.0 255.255.255.0'],
    permitted: ['10.0.0.2', '10.0.0.255'],
    denied: ['10.0.0.1', '10.0.1.2', '2001:db8::1'],
  },
  {
    name: 'permits the rest when the last entry denies',
    list: ['permit 10.0.0.1', 'deny 10.0.0.0 255.0.0.0'],
    permitted: ['10.0.0.1', '11.0.0.1', '::1'],
    denied: ['10.0.0.2', '10.255.255.255'],
  },
  {
    name: 'takes the first match when a later entry is more specific',
    list: ['permit 10.0.0.0 255.0.0.0', 'deny 10.0.0.1', 'permit 12.0.0.1'],
    permitted: ['10.0.0.1', '12.0.0.1'],
    denied: ['12.0.0.2'],
  },
  {
    name: 'takes the first of two entries when they are equal but for the word',
    list: ['deny 10.0.0.1', 'permit 10.0.0.1', 'deny 10.0.0.2'],
    permitted: ['10.0.0.3'],
    denied: ['10.0.0.1', '10.0.0.2'],
  },
  {
    name: 'ignores host bits when an address has more than its mask',
    list: ['permit 10.0.0.77 255.255.255.0', 'permit 2001:db8:1:2::9/64'],
    permitted: ['10.0.0.1', '2001:db8:1:2::1'],
    denied: ['10.0.1.1', '2001:db8:1:3::1'],
  },
  {
    name: 'obeys a mask that is not contiguous',
    list: ['permit 10.0.0.1 255.0.0.255'],
    permitted: ['10.9.8.1', '10.0.0.1'],
    denied: ['10.9.8.2', '11.9.8.1'],
  },
  {
    name: 'keeps the families apart when a prefix covers everything (as C Pen does)',
    list: ['permit ::/0'],
    permitted: ['::1', '2001:db8::1'],
    denied: ['10.0.0.1', '0.0.0.0'],
  },
  {
    name: 'keeps the families apart when an IPv4 mask covers everything',
    list: ['deny 0.0.0.0 0.0.0.0'],
    permitted: ['::1', '::1.2.3.4'],
    denied: ['10.0.0.1', '255.255.255.255'],
  },
  {
    name: 'matches by odd prefix lengths',
    list: ['permit 2001:db8::/29', 'permit fe80::/10', 'permit 2001:dd0::80/121'],
    permitted: ['2001:dbf::1', 'fe80::1', 'febf::1', '2001:dd0::ff'],
    denied: ['2001:dc0::1', 'fec0::1', '2001:dd0::1:80', '2001:dd0::7f'],
  },
];

for (const { name, list, permitted, denied } of cases) {
  test(`Acl ${name}`, () => {
    const acl = new Acl(list.map(entry));
    for (const address of permitted) assert.equal(acl.permits(ip(address)), true, address);
    for (const address of denied) assert.equal(acl.permits(Int32Array.from(ip(address))), false, address);
  });
}

test('Acl ignores a country but for what the end of the list means', () => {
  const country: AclEntry = { kind: 'country', permit: false, country: 'SE' };
  assert.equal(new Acl([country]).permits(ip('10.0.0.1')), true);
  const acl = new Acl([country, entry('permit 10.0.0.1')]);
  assert.equal(acl.permits(ip('10.0.0.1')), true);
  assert.equal(acl.permits(ip('10.0.0.2')), false);
});

test('Acl decides like a walk through the list when lists are random', () => {
  const seed = 11;
  const random = randomFrom(seed);
  const matches = (item: AclEntry, address: IpWords) =>
    item.kind === 'network' &&
    (!isV4(address) || isV4(item.address)) &&
    item.mask.every((mask, i) => (item.address[i] & mask) === (address[i] & mask));
  const address = () => ip(random(2) ? `10.0.${random(4)}.${random(8)}` : `2001:db8::${random(4)}:${random(8)}`);
  for (let round = 0; round < 200; round++) {
    const list = Array.from({ length: random(12) }, (): AclEntry => {
      const words = address();
      const mask = isV4(words) ? [-1, -1, -1, -1 << random(12)] : prefix(100 + random(29));
      return { kind: 'network', permit: random(2) === 1, address: words, mask: mask as unknown as IpWords };
    });
    const acl = new Acl(list);
    for (let i = 0; i < 30; i++) {
      const client = address();
      const hit = list.find((item) => matches(item, client));
      const want = hit ? hit.permit : list.length === 0 || !list[list.length - 1].permit;
      assert.equal(acl.permits(client), want, `seed ${seed}, round ${round}: ${client}`);
    }
  }
});

test('Acl costs no more when the list is a thousand times longer', () => {
  const list = Array.from({ length: 100_000 }, (_, i) => entry(`deny 10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`));
  const long = new Acl(list);
  const short = new Acl(list.slice(0, 100));
  const stranger = ip('11.0.0.1');
  const nanoseconds = (acl: Acl) => {
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 5; round++) {
      const start = process.hrtime.bigint();
      for (let i = 0; i < 20_000; i++) acl.permits(stranger);
      best = Math.min(best, Number(process.hrtime.bigint() - start) / 20_000);
    }
    return best;
  };
  nanoseconds(short);
  const [few, many] = [nanoseconds(short), nanoseconds(long)];
  // A walk would be a thousand times slower; ten leaves room for a busy machine and colder caches.
  assert.ok(many < few * 10 + 1000, `${many} ns with 100,000 entries, ${few} ns with 100`);
  assert.equal(long.permits(ip('10.1.134.159')), false);
  assert.equal(long.permits(ip('10.1.134.160')), true);
});
