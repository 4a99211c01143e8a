import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IpWords } from '../core/address.js';
import { arp } from '../frame/arp.js';
import { ethernet, formatMac } from '../frame/ethernet.js';
import { ipv6 } from '../frame/ipv6.js';
import { neighbourAdvertisement, SOLICITED } from '../frame/ndp.js';
import { BROADCAST, ip, mac, OWN_MAC, wire } from './fixtures/stage.js';
import { addressName, Neighbours } from './neighbours.js';

const www1 = ip('10.0.0.1');
const www2 = ip('fd00::2');
const MAC1 = mac('02:00:00:00:01:01');
const MAC2 = mac('02:00:00:00:01:02');

function stage() {
  const sent: Uint8Array[] = [];
  const send = (frame: Uint8Array) => void sent.push(frame.slice());
  const news: string[] = [];
  const changed = (name: string) => void news.push(name);
  const neighbours = new Neighbours({ mac: () => OWN_MAC, sourceV6: () => wire(ip('fe80::1')), send, changed });
  for (const address of [www1, www2]) neighbours.add(addressName(address), address);
  /** Whether the frame was news. */
  const received = (frame: Uint8Array) => {
    neighbours.received(frame);
    return news.splice(0).length > 0;
  };
  const tick = (nowMs: number) => {
    neighbours.tick(nowMs);
    return news.splice(0).length > 0;
  };
  return { neighbours, sent, received, tick, at: (address: IpWords) => neighbours.at(addressName(address)) };
}

function reply(from = MAC1, address = www1): Uint8Array {
  const packet = arp({
    operation: 2,
    senderMac: from,
    senderIp: wire(address),
    targetMac: OWN_MAC,
    targetIp: new Uint8Array(4),
  });
  return ethernet({ destination: OWN_MAC, source: from }, packet);
}

function advertisement(from = MAC2): Uint8Array {
  const message = neighbourAdvertisement({ target: wire(www2), mac: from, flags: SOLICITED });
  return ethernet(
    { destination: OWN_MAC, source: from },
    ipv6({ source: wire(www2), destination: wire(ip('fe80::1')), hopLimit: 255 }, message),
  );
}

test('neighbours asks every server at once, by ARP or NDP, and learns where it is', () => {
  const { sent, received, tick, at } = stage();
  tick(1000);
  assert.equal(sent.length, 2);
  assert.equal(at(www1)?.isAlive, false);
  assert.equal(received(reply()), true);
  assert.equal(received(advertisement()), true);
  assert.equal(formatMac(at(www1)?.mac ?? new Uint8Array(6)), formatMac(MAC1));
  assert.equal(formatMac(at(www2)?.mac ?? new Uint8Array(6)), formatMac(MAC2));
  assert.equal(received(reply()), false, 'the same again is no news');
});

test('neighbours goes on asking a server that is idle, and it alone', () => {
  const { sent, received, tick } = stage();
  tick(1000);
  received(reply());
  tick(1100);
  assert.equal(sent.length, 2, 'not before its time');
  tick(1300);
  assert.deepEqual(sent[2].slice(0, 6), MAC1);
  tick(1600);
  assert.deepEqual(
    sent
      .filter((frame) => frame[12] === 8)
      .at(-1)
      ?.slice(0, 6),
    BROADCAST,
    'everybody, once it has not answered',
  );
});

test('neighbours gives a server up that leaves three questions unanswered, within two seconds', () => {
  const { received, tick, at } = stage();
  tick(1000);
  received(reply());
  let goneMs = 0;
  for (let nowMs = 1050; goneMs === 0 && nowMs < 9000; nowMs += 50) if (tick(nowMs)) goneMs = nowMs;
  assert.ok(goneMs > 1600 && goneMs <= 2250, `it was given up after ${goneMs - 1000} ms`);
  assert.equal(at(www1)?.isAlive, false);
  assert.equal(received(reply()), true, 'and it comes back with its first answer');
  assert.equal(at(www1)?.isAlive, true);
});

test('neighbours follows a server to another MAC address once the one it had is silent, within a second', () => {
  for (const [address, at] of [
    [www1, (from: Uint8Array) => reply(from)],
    [www2, (from: Uint8Array) => advertisement(from)],
  ] as const) {
    const { neighbours, received, tick } = stage();
    const macNow = () => formatMac(neighbours.at(addressName(address))?.mac ?? new Uint8Array(6));
    tick(1000);
    received(at(MAC1));
    tick(1300);
    assert.equal(received(at(MAC2)), false, 'the one it had may answer yet');
    assert.equal(macNow(), formatMac(MAC1));
    tick(1600);
    assert.equal(received(at(MAC2)), true);
    assert.equal(macNow(), formatMac(MAC2));
    assert.equal(neighbours.at(addressName(address))?.isAlive, true);
  }
});

test('neighbours leaves a server that answers where it is, however often others claim its address', () => {
  for (const [address, at] of [
    [www1, (from: Uint8Array) => reply(from)],
    [www2, (from: Uint8Array) => advertisement(from)],
  ] as const) {
    const { neighbours, received, tick } = stage();
    tick(1000);
    received(at(MAC1));
    for (let nowMs = 1050; nowMs < 10_000; nowMs += 50) {
      tick(nowMs);
      // Before and after its own answer, which comes only to every other look.
      assert.equal(received(at(MAC2)), false, `${nowMs} ms`);
      if (nowMs % 100 === 0) received(at(MAC1));
      assert.equal(received(at(MAC2)), false, `${nowMs} ms`);
    }
    assert.equal(formatMac(neighbours.at(addressName(address))?.mac ?? new Uint8Array(6)), formatMac(MAC1));
  }
});

test('neighbours gives up a server that is silent whatever others claim before it is asked in vain', () => {
  const { received, tick, at } = stage();
  tick(1000);
  received(reply());
  tick(1300);
  for (let n = 0; n < 5; n++) received(reply(MAC2));
  let goneMs = 0;
  for (let nowMs = 1350; goneMs === 0 && nowMs < 9000; nowMs += 50) if (tick(nowMs)) goneMs = nowMs;
  assert.ok(goneMs > 1600 && goneMs <= 2250, `it was given up after ${goneMs - 1000} ms`);
  assert.equal(at(www1)?.isAlive, false);
});

test('neighbours believes no request, no stranger, no group, and nobody with our own MAC address', () => {
  const { received } = stage();
  const request = reply();
  request[21] = 1;
  const rows: readonly [string, Uint8Array][] = [
    ['a request', request],
    ['a stranger', reply(MAC1, ip('10.0.0.9'))],
    ['a group', reply(BROADCAST)],
    ['ourselves', reply(OWN_MAC)],
    ['a router', Uint8Array.from(advertisement(), (byte, i) => (i === 21 ? 64 : byte))],
    ['a cut answer', reply().slice(0, 41)],
    ['nothing', new Uint8Array(0)],
  ];
  for (const [name, frame] of rows) assert.equal(received(frame), false, name);
});

test('neighbours asks 10,000 servers no more than 2,000 times a second', () => {
  const { neighbours, sent, tick } = stage();
  for (let i = 0; i < 10_000; i++) neighbours.add(`${i}`, ip(`10.1.${i >> 8}.${i & 255}`));
  for (let nowMs = 1000; nowMs < 11_000; nowMs += 50) tick(nowMs);
  assert.ok(sent.length >= 10_000 && sent.length <= 22_000, `${sent.length} questions in 10 s`);
});

test('neighbours takes no advertisement with a wrong checksum, code or length, and no MAC address of zeros', () => {
  const { received } = stage();
  const changed = (at: number, by: number) => {
    const frame = advertisement();
    frame[at] ^= by;
    return frame;
  };
  // A bit of the MAC address, of the checksum, of the code, of the length.
  for (const at of [85, 57, 55, 19]) assert.equal(received(changed(at, 8)), false, `byte ${at}`);
  assert.equal(received(advertisement().subarray(0, 80)), false);
  const nobody = new Uint8Array(6);
  assert.equal(received(reply(nobody)), false);
  assert.equal(received(advertisement(nobody)), false);
  assert.equal(received(advertisement()), true);
});
