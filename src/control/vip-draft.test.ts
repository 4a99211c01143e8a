import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../core/address.js';
import { ADDRESS_BITS, type VipSpec } from '../core/vip.js';
import { VipDraft } from './vip-draft.js';

const ip = (text: string) => parseIp(text) ?? assert.fail(text);
const server = (text: string, weight = 1) => ({ address: ip(text), weight, encap: 'none' as const });
const spec: VipSpec = {
  address: ip('192.0.2.80'),
  bits: ADDRESS_BITS,
  port: 80,
  protocol: 'tcp',
  roundRobin: undefined,
  servers: [server('10.0.0.1'), server('2001:db8::2'), server('10.0.0.3')],
};

test('VipDraft gives back what it began with while nothing is changed', () => {
  const draft = new VipDraft(spec);
  assert.equal(draft.has(ip('2001:db8::2')), true);
  assert.equal(draft.has(ip('10.0.0.9')), false);
  assert.equal(draft.isChanged, false);
  assert.equal(draft.spec, spec);
});

test('VipDraft changes a server in its place and adds others behind; what is not given stays', () => {
  const draft = new VipDraft(spec);
  draft.setServer(ip('2001:db8::2'), { weight: 5 });
  draft.setServer(ip('2001:db8::2'), { encap: 'gue' });
  draft.setServer(ip('10.0.0.4'), {});
  draft.removeServer(ip('10.0.0.1'));
  draft.choose(true);
  assert.deepEqual(draft.spec, {
    ...spec,
    roundRobin: true,
    servers: [{ ...server('2001:db8::2', 5), encap: 'gue' }, server('10.0.0.3'), server('10.0.0.4')],
  });
  assert.equal(draft.isChanged, true);
});
