import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseVip, type Vip } from '../../core/vip.js';
import { defaultDimensions } from '../layout.js';
import { VipEntries } from '../vips.js';
import { RingTables, type Write } from './ring-tables.js';
import { VipPrefixes } from './vip-prefixes.js';

/** `10.1.0.0/24`, `[fd00::1]:80`, as a service with that number. */
function service(text: string, index: number) {
  const parsed = parseVip(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  const vip: Vip = { ...parsed, port: Number(parsed.port ?? 0), protocol: 'tcp' };
  return { index, vip, hashesPorts: false };
}

/** What the kernel would be told once these are the services. */
async function stage() {
  const posted: Write[][] = [];
  const size = { ...defaultDimensions, flows: 16, fragments: 16 };
  const tables = new RingTables({ size, threads: 1, random: () => 1 }, (writes) => posted.push([...writes]));
  const entries = new VipEntries(tables);
  const prefixes = new VipPrefixes();
  return {
    prefixes,
    async serve(vips: readonly string[], isSilent = false) {
      entries.apply(vips.map(service), { acl: 0, isSilent });
      await Promise.resolve();
      const isChanged = posted.map((writes) => prefixes.apply(writes)).some(Boolean);
      posted.length = 0;
      return isChanged;
    },
    names: () =>
      Array.from(
        prefixes.all.values(),
        ({ family, bits, address }) => `${family} ${Buffer.from(address).toString('hex')}/${bits}`,
      ).sort(),
    tables,
  };
}

test('VipPrefixes has each address and prefix once, whatever its services, until the last of them goes', async () => {
  const { serve, names } = await stage();
  assert.equal(
    await serve(['10.0.0.1:80', '10.0.0.1:443', '10.0.1.0/24', '10.0.1.9:80', '[fd00::/64]:53', 'fd00::1']),
    true,
  );
  const six = ['6 fd000000000000000000000000000000/64', '6 fd000000000000000000000000000001/128'];
  assert.deepEqual(names(), ['4 0a000001/32', '4 0a000100/24', '4 0a000109/32', ...six]);
  await serve(['10.0.0.1:443', '10.0.1.9:80', 'fd00::1']);
  assert.deepEqual(names(), ['4 0a000001/32', '4 0a000109/32', six[1]]);
  await serve(['10.0.1.0/24', '10.0.0.0/16', '0.0.0.0/0']);
  assert.deepEqual(names(), ['4 00000000/0', '4 0a000000/16', '4 0a000100/24']);
  await serve([]);
  assert.deepEqual(names(), []);
});

test('VipPrefixes knows whether Pen is silent, and what is not about addresses', async () => {
  const { prefixes, serve, tables } = await stage();
  await serve(['10.0.0.1:80', '10.0.1.0/24']);
  assert.equal(prefixes.areSilent, false);
  assert.equal(await serve(['10.0.0.1:80', '10.0.1.0/24'], true), true);
  assert.equal(prefixes.areSilent, true);
  await serve(['10.0.0.1:80', '10.0.1.0/24']);
  assert.equal(prefixes.areSilent, false);
  assert.equal(prefixes.all.size, 2);
  tables.setSlots(0, new Uint16Array(7));
  assert.equal(await serve(['10.0.0.1:80', '10.0.1.0/24']), false);
});
