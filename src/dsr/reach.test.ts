import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IpWords } from '../core/address.js';
import { arp } from '../frame/arp.js';
import { ethernet } from '../frame/ethernet.js';
import { icmp } from '../frame/icmp.js';
import { ipv4 } from '../frame/ipv4.js';
import { ip, macOf, OWN_MAC, wire } from './fixtures/stage.js';
import { Reach, type Target, targetName } from './reach.js';
import type { Way } from './tunnels.js';

const OWN = ip('10.7.255.1');
const VIP = ip('10.7.0.80');
const host = (n: number) => ip(`10.7.0.${n}`);
const far = (n: number) => ip(`10.8.0.${n}`);

/** A link on which every host answers ARP and every server its tunnel, but those that are silent. */
function stage() {
  const silent = new Set<string>();
  const ways = new Map<string, Way>();
  const changed: string[] = [];
  const answers: Uint8Array[] = [];
  const send = (frame: Uint8Array) => {
    const isArp = frame[12] === 8 && frame[13] === 6;
    const last = isArp ? frame[41] : frame[33];
    const address = isArp ? host(last) : far(last);
    if (silent.has(`${address}`)) return;
    const link = { destination: OWN_MAC, source: macOf(last) };
    if (isArp) {
      const fields = { senderMac: macOf(last), senderIp: wire(address), targetIp: new Uint8Array(4) };
      answers.push(ethernet(link, arp({ operation: 2, ...fields })));
      return;
    }
    const message = frame.slice(14 + 40);
    const reply = icmp({ type: 0, word: new DataView(message.buffer).getUint32(4) }, message.slice(8));
    answers.push(ethernet(link, ipv4({ source: wire(VIP), destination: wire(OWN) }, reply)));
  };
  const reach = new Reach({
    mac: () => OWN_MAC,
    sourceV6: () => undefined,
    far: {
      token: 5,
      source: () => OWN,
      interfaceMtu: () => 1500,
      way: (address) => ways.get(`${address}`) ?? { nextHop: host(1), mtu: undefined },
    },
    send,
    changed: (name) => void changed.push(name),
  });
  let nowMs = 0;
  /** Time goes by; whose names have changed. */
  const pass = (ms: number) => {
    for (const end = nowMs + ms; nowMs < end; nowMs += 50) {
      reach.tick(nowMs);
      for (const answer of answers.splice(0)) reach.received(answer, nowMs);
    }
    return changed.splice(0);
  };
  const add = (address: IpWords, encap: Target['encap']) => {
    const target = { address, encap };
    reach.add(targetName(target), target, VIP);
    return targetName(target);
  };
  return { reach, silent, ways, pass, add };
}

test('Reach reaches servers on the link and behind a router, which is no server itself', () => {
  const { reach, pass, add } = stage();
  const near = add(host(21), 'none');
  const behind = add(far(22), 'ipip');
  pass(700);
  assert.deepEqual(reach.of(near), { mac: macOf(21), tunnel: undefined });
  assert.deepEqual(reach.of(behind), { mac: macOf(1), tunnel: { encap: 'ipip', innerMtu: 1480 } });
  assert.equal(reach.isComplete, true);
  assert.equal(reach.describe(near), '');
  assert.equal(reach.describe(behind), 'encap ipip by 10.7.0.1 mtu 1480');
  assert.deepEqual(reach.lastMacOf(behind), macOf(1));
  assert.equal(reach.of(near), reach.of(near), 'the same value while nothing changes');
  assert.deepEqual(pass(2000), []);
});

test('Reach loses all servers behind a router that is silent, and finds them by another', () => {
  const { reach, silent, ways, pass, add } = stage();
  const names = [add(far(22), 'ipip'), add(far(23), 'ipip')];
  pass(700);
  silent.add(`${host(1)}`);
  assert.deepEqual([...new Set(pass(2000))].sort(), [...names].sort());
  assert.equal(reach.of(names[0]), undefined);
  ways.set(`${far(22)}`, { nextHop: host(2), mtu: 1400 });
  assert.deepEqual(pass(2000), [names[0]]);
  assert.deepEqual(reach.of(names[0]), { mac: macOf(2), tunnel: { encap: 'ipip', innerMtu: 1380 } });
  assert.equal(reach.hint(names[1]), 'the router 10.7.0.1 does not answer');
  for (const name of names) reach.remove(name);
  assert.equal(reach.isComplete, true);
  assert.deepEqual(pass(2000), []);
});

test('Reach keeps asking a server that is a router for others too, until it is neither', () => {
  const { reach, pass, add } = stage();
  const both = add(host(1), 'none');
  const behind = add(far(22), 'ipip');
  pass(700);
  reach.remove(both);
  assert.equal(reach.of(both), undefined);
  assert.deepEqual(pass(2000), []);
  assert.notEqual(reach.of(behind), undefined);
  add(host(1), 'none');
  assert.notEqual(reach.of(both), undefined, 'it is known already');
  reach.remove(behind);
  assert.deepEqual(pass(2000), [both]);
  assert.notEqual(reach.of(both), undefined);
});

test('Reach takes what another process knew of servers until they have not answered', () => {
  const { reach, silent, pass, add } = stage();
  for (const one of [host(1), host(21), far(22)]) silent.add(`${one}`);
  const [near, behind] = [add(host(21), 'none'), add(far(22), 'gue')];
  reach.assume(near, { mac: macOf(21), tunnel: undefined }, 0);
  reach.assume(behind, { mac: macOf(1), tunnel: { encap: 'gue', innerMtu: 1372 } }, 0);
  assert.deepEqual(reach.of(near), { mac: macOf(21), tunnel: undefined });
  assert.deepEqual(reach.of(behind), { mac: macOf(1), tunnel: { encap: 'gue', innerMtu: 1372 } });
  pass(2000);
  assert.deepEqual([reach.of(near), reach.of(behind)], [undefined, undefined]);
});
