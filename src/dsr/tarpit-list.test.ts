import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Acl, type AclEntry } from '../core/acl.js';
import { type IpWords, ipEndpoint, parseIp } from '../core/address.js';
import { type Configuration, emptyConfiguration, emptySlot } from '../core/configuration.js';
import { hasTarpit, requireTarpitApart, tarpitEntries } from './tarpit-list.js';

const ip = (text: string) => parseIp(text) as IpWords;
const network = (permit: boolean, text: string, bits: number): AclEntry => ({
  permit,
  kind: 'network',
  address: ip(text),
  mask: [-1, -1, -1, bits === 0 ? 0 : -1 << (32 - bits)],
});
const listen = { address: ip('10.7.0.80'), bits: 128, port: 80, protocol: 'tcp' } as const;

function configurationOf(...entries: AclEntry[]): Configuration {
  const acls: AclEntry[][] = [];
  acls[3] = entries;
  const settings = { ...emptyConfiguration.settings, tarpitAcl: 3 };
  const servers = [{ ...emptySlot, endpoint: ipEndpoint(ip('10.7.0.21'), 80) }];
  return { ...emptyConfiguration, settings, acls, servers };
}

const listed = (configuration: Configuration, address: string) =>
  new Acl(tarpitEntries(configuration, listen, [ip('10.7.0.2')])).permits(ip(address));

test('the tarpit has what its list permits, but nobody who is there', () => {
  const configuration = configurationOf(network(false, '10.7.0.200', 32), network(true, '10.7.0.0', 24));
  assert.ok(hasTarpit(configuration));
  for (const [address, want] of [
    ['10.7.0.100', true],
    ['10.7.0.200', false],
    ['10.7.0.21', false],
    ['10.7.0.2', false],
    ['10.7.0.80', false],
    ['10.8.0.1', false],
    ['fd07::1', false],
  ] as const)
    assert.equal(listed(configuration, address), want, address);
});

test('the end of a tarpit list is not the rest of the world, and an empty list has nobody', () => {
  const configuration = configurationOf(network(false, '10.7.0.200', 32));
  assert.equal(listed(configuration, '10.7.0.100'), false);
  assert.ok(!hasTarpit(configurationOf()));
  assert.deepEqual(tarpitEntries(configurationOf(), listen, []), []);
  assert.ok(!hasTarpit(emptyConfiguration));
});

test('a tarpit list that has the VIP is refused, with what to do', () => {
  const all = network(true, '10.7.0.0', 24);
  assert.throws(() => requireTarpitApart(configurationOf(all), listen), {
    message:
      'tarpit_acl 3: the list has the VIP 10.7.0.80 (deny that first: no acl 3, acl 3 deny 10.7.0.80, then the rest)',
  });
  requireTarpitApart(configurationOf(network(false, '10.7.0.80', 32), all), listen);
  requireTarpitApart(emptyConfiguration, listen);
});
