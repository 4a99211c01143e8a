import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IpWords } from '../core/address.js';
import { ethernet, type Packet } from '../frame/ethernet.js';
import { FRAGMENTATION_NEEDED, icmp, icmpv6 } from '../frame/icmp.js';
import { ipv4 } from '../frame/ipv4.js';
import { ipv6 } from '../frame/ipv6.js';
import { tunnelled } from '../frame/tunnel.js';
import { ip, mac, OWN_MAC, wire } from './fixtures/stage.js';
import { type FarServer, farName, Tunnels, type Way } from './tunnels.js';

const ROUTER = ip('192.0.2.1');
const ROUTER_MAC = mac('02:00:00:00:00:fe');
const OWN = { 4: ip('192.0.2.2'), 6: ip('2001:db8::2') };
const FAR = ip('198.51.100.21');
const FAR6 = ip('2001:db8:5::21');
const VIP = ip('192.0.2.80');
const VIP6 = ip('2001:db8::80');
const TOKEN = 0xfedc_ba98;

const nameOf = ({ address, encap }: FarServer) => farName(address, encap);

/** Tunnels by a router that answers; what is sent is kept. */
function stage(servers: readonly FarServer[]) {
  const sent: Uint8Array[] = [];
  const changed: string[] = [];
  const world = { routerIsThere: true, way: { nextHop: ROUTER, mtu: undefined } as Way, mtu: 1500 };
  const tunnels = new Tunnels({
    mac: () => OWN_MAC,
    token: TOKEN,
    macOf: () => (world.routerIsThere ? ROUTER_MAC : undefined),
    source: (family) => OWN[family],
    interfaceMtu: () => world.mtu,
    way: () => world.way,
    send: (frame) => void sent.push(frame),
    changed: (name) => void changed.push(name),
  });
  for (const one of servers) tunnels.add(nameOf(one), one);
  /** Whether anything has changed since the last time. */
  const news = () => changed.splice(0).length > 0;
  return { tunnels, sent, world, news };
}

/** What a server of `vip` answers to the packet in the tunnel. */
function answer(question: Uint8Array, innerAt: number, vip: IpWords, changes: { token?: number } = {}): Uint8Array {
  const isV4 = vip[2] === 0xffff;
  const message = question.slice(innerAt + (isV4 ? 20 : 40));
  const body = message.slice(8);
  if (changes.token !== undefined) new DataView(body.buffer).setUint32(0, changes.token);
  const word = new DataView(message.buffer).getUint32(4);
  const packet = isV4
    ? ipv4({ source: wire(vip), destination: wire(OWN[4]) }, icmp({ type: 0, word }, body))
    : ipv6({ source: wire(vip), destination: wire(OWN[6]) }, icmpv6({ type: 129, word }, body));
  return ethernet({ destination: OWN_MAC, source: ROUTER_MAC }, packet);
}

const toUs = (packet: Packet) => ethernet({ destination: OWN_MAC, source: ROUTER_MAC }, packet);

/** A router's message about a packet in a tunnel, of which it quotes so many bytes. */
function tooBig(mtu: number, quoted: Packet, quoteBytes = quoted.etherType === 0x0800 ? 28 : 200): Uint8Array {
  const quote = quoted.bytes.slice(0, quoteBytes);
  return quoted.etherType === 0x0800
    ? toUs(
        ipv4(
          { source: wire(ROUTER), destination: wire(OWN[4]) },
          icmp({ type: 3, code: FRAGMENTATION_NEEDED, word: mtu }, quote),
        ),
      )
    : toUs(ipv6({ source: wire(FAR6), destination: wire(OWN[6]) }, icmpv6({ type: 2, word: mtu }, quote)));
}

/** The packet in a frame that was sent. */
function packetIn(frame: Uint8Array): Packet {
  return { etherType: (frame[12] << 8) | frame[13], bytes: frame.slice(14) };
}

function sentTo(address: IpWords, encap: 'ipip' | 'gue', source: IpWords): Packet {
  const inner = ipv4(
    { source: wire(ip('10.0.0.1')), destination: wire(VIP) },
    { protocol: 6, bytes: new Uint8Array(1400) },
  );
  return tunnelled({ encap, source: wire(source), destination: wire(address) }, inner);
}

const server = (changes: Partial<FarServer> = {}): FarServer => ({ address: FAR, encap: 'ipip', vip: VIP, ...changes });

test('Tunnels asks through the tunnel for the VIP, by the router, until that answers', () => {
  const { tunnels, sent, news } = stage([server()]);
  const name = nameOf(server());
  tunnels.tick(0);
  const mark = new Uint8Array(8);
  new DataView(mark.buffer).setUint32(0, TOKEN);
  const echo = ipv4({ source: wire(OWN[4]), destination: wire(VIP) }, icmp({ type: 8, word: 1 }, mark));
  const tunnel = { encap: 'ipip', source: wire(OWN[4]), destination: wire(FAR) } as const;
  assert.deepEqual(sent, [ethernet({ destination: ROUTER_MAC, source: OWN_MAC }, tunnelled(tunnel, echo))]);
  assert.equal(tunnels.at(name), undefined);
  tunnels.received(answer(sent[0], 34, VIP, { token: 1 }), 10);
  assert.equal(news(), false, 'not to a question of ours');
  tunnels.received(answer(sent[0], 34, ip('192.0.2.81')), 10);
  assert.equal(news(), false, 'not by the VIP');
  assert.equal(tunnels.isComplete, false);
  tunnels.received(answer(sent[0], 34, VIP), 10);
  assert.equal(news(), true);
  assert.equal(tunnels.isComplete, true);
  assert.deepEqual(tunnels.at(name), { mac: ROUTER_MAC, innerMtu: 1480 });
  assert.equal(tunnels.describe(name), 'by 192.0.2.1 mtu 1480');
});

test('Tunnels asks over and for IPv6, and by GUE', () => {
  const far = server({ address: FAR6, encap: 'gue', vip: VIP6 });
  const { tunnels, sent } = stage([far]);
  tunnels.tick(0);
  tunnels.received(answer(sent[0], 14 + 48, VIP6), 10);
  assert.deepEqual(tunnels.at(nameOf(far)), { mac: ROUTER_MAC, innerMtu: 1452 });
});

test('Tunnels gives a server up after three questions without answer, and takes it back', () => {
  const { tunnels, sent, news } = stage([server()]);
  const name = nameOf(server());
  tunnels.tick(0);
  tunnels.received(answer(sent[0], 34, VIP), 1);
  news();
  const changes = [300, 600, 900, 1200].map((nowMs) => {
    tunnels.tick(nowMs);
    return news();
  });
  assert.deepEqual(changes, [false, false, false, true]);
  assert.equal(tunnels.at(name), undefined);
  assert.equal(tunnels.hint(name), 'does it take ipip apart, hold 192.0.2.80 on lo, and have a way to us?');
  tunnels.received(answer(sent[4], 34, VIP), 1201);
  assert.equal(news(), true);
  assert.notEqual(tunnels.at(name), undefined);
});

test('Tunnels reaches nobody when the router is silent or the way is closed', () => {
  const { tunnels, sent, world, news } = stage([server()]);
  const name = nameOf(server());
  tunnels.tick(0);
  tunnels.received(answer(sent[0], 34, VIP), 1);
  world.routerIsThere = false;
  assert.equal(tunnels.at(name), undefined);
  assert.equal(tunnels.hint(name), 'the router 192.0.2.1 does not answer');
  world.routerIsThere = true;
  world.way = 'no route';
  news();
  tunnels.tick(1000);
  assert.equal(news(), true);
  assert.equal(tunnels.at(name), undefined);
  assert.equal(tunnels.describe(name), 'no route');
  assert.equal(tunnels.nextHopOf(name), undefined);
  world.way = { nextHop: FAR, mtu: 1400 };
  tunnels.tick(2000);
  assert.deepEqual(tunnels.nextHopOf(name), FAR);
  tunnels.received(answer(sent.at(-1) as Uint8Array, 34, VIP), 2001);
  assert.equal(tunnels.at(name)?.innerMtu, 1380, "the route's own MTU counts");
  world.mtu = 1300;
  news();
  tunnels.tick(3000);
  assert.equal(news(), true);
  assert.equal(tunnels.at(name)?.innerMtu, 1280, "the interface's counts");
});

test('Tunnels learns the path MTU from routers that quote its questions, for ten minutes', () => {
  const far = [
    server(),
    server({ encap: 'gue' }),
    server({ address: FAR6 }),
    server({ address: FAR6, vip: VIP6, encap: 'gue' }),
  ];
  const { tunnels, sent, news } = stage(far);
  const answerAll = (nowMs: number) => {
    for (const [i, [innerAt, vip]] of (
      [
        [34, VIP],
        [42, VIP],
        [54, VIP],
        [62, VIP6],
      ] as const
    ).entries())
      tunnels.received(answer(sent[i], innerAt, vip), nowMs);
  };
  tunnels.tick(0);
  answerAll(1);
  const mtus = () => far.map((one) => tunnels.at(nameOf(one))?.innerMtu);
  const learns = (mtu: number, question: number, change: (packet: Packet) => void = () => {}) => {
    const quoted = packetIn(sent[question]);
    change(quoted);
    news();
    tunnels.received(tooBig(mtu, quoted, 200), 5);
    return news();
  };
  assert.deepEqual(mtus(), [1480, 1472, 1460, 1452]);
  const foreign = ({ bytes }: Packet) => void bytes.set(wire(ip('192.0.2.3')), 12);
  const nobody = ({ bytes }: Packet) => void bytes.set(wire(ip('198.51.100.9')), 16);
  assert.equal(learns(1400, 0, foreign), false, 'not from us');
  assert.equal(learns(1400, 0, nobody), false, 'to nobody');
  assert.equal(learns(1600, 0), false, 'no news');
  assert.equal(learns(1400, 0), true);
  assert.deepEqual(mtus(), [1380, 1472, 1460, 1452]);
  assert.equal(learns(1450, 0), false, 'a wider one');
  assert.equal(learns(1300, 1), true);
  assert.equal(learns(1350, 2), true);
  assert.equal(learns(1360, 3), true);
  assert.deepEqual(mtus(), [1380, 1272, 1310, 1312]);
  for (const [mtu, question] of [
    [68, 0],
    [0, 1],
    [68, 2],
  ])
    learns(mtu, question);
  assert.deepEqual(mtus(), [556, 1252, 1240, 1312], 'none so small that it must be forged; none named is 1,280');
  for (let nowMs = 300; nowMs < 600_005; nowMs += 300) {
    sent.length = 0;
    tunnels.tick(nowMs);
    answerAll(nowMs);
  }
  news();
  tunnels.tick(600_006);
  assert.equal(news(), true);
  assert.deepEqual(mtus(), [1480, 1472, 1460, 1452]);
});

/** One server that answers its short questions; `passes`: the largest outer packet that gets there. */
function claimStage() {
  const made = stage([server()]);
  const { tunnels, sent, news } = made;
  const name = nameOf(server());
  const world = { passes: 1500, quotes: false };
  /** What becomes of what has been sent. */
  const deliver = (nowMs: number) => {
    for (const frame of sent.splice(0)) {
      if (frame.length - 14 <= world.passes) tunnels.received(answer(frame, 34, VIP), nowMs);
      else if (world.quotes) tunnels.received(tooBig(world.passes, packetIn(frame), 100), nowMs);
    }
  };
  let nowMs = 0;
  const pass = (ms: number) => {
    for (const end = nowMs + ms; nowMs < end; nowMs += 100) {
      tunnels.tick(nowMs);
      deliver(nowMs);
    }
  };
  const claim = (mtu: number) => tunnels.received(tooBig(mtu, sentTo(FAR, 'ipip', OWN[4])), nowMs);
  const innerMtu = () => tunnels.at(name)?.innerMtu;
  pass(400);
  news();
  return { ...made, world, deliver, pass, claim, innerMtu, now: () => nowMs };
}

test('Tunnels believes no message that quotes no question while longer packets pass', () => {
  const { claim, pass, innerMtu, news, sent, tunnels, now } = claimStage();
  for (let n = 0; n < 50; n++) {
    for (const mtu of [576, 68, 1400, 1499, 0]) claim(mtu);
    pass(100);
    assert.equal(innerMtu(), 1480);
  }
  assert.equal(news(), false);
  pass(1000);
  for (let n = 0; n < 1000; n++) claim(576);
  assert.equal(sent.length, 1, 'a thousand of them cost one question');
  assert.equal(sent[0].length, 14 + 577, 'that is just too long');
  // An answer to that is none to a claim of more.
  const early = answer(sent[0], 34, VIP);
  claim(1400);
  tunnels.received(early, now());
  sent.length = 0;
  tunnels.tick(now() + 300);
  assert.deepEqual(
    sent.map(({ length }) => length),
    [14 + 56, 14 + 1401],
  );
});

test('Tunnels believes a path that has become narrow at once if its router quotes, else within two seconds', () => {
  for (const quotes of [true, false]) {
    const { world, claim, deliver, pass, innerMtu, news, now } = claimStage();
    Object.assign(world, { passes: 1400, quotes });
    claim(1400);
    deliver(now());
    assert.equal(innerMtu(), quotes ? 1380 : 1480);
    pass(1500);
    assert.equal(innerMtu(), 1380);
    assert.equal(news(), true);
    claim(1300);
    pass(2000);
    assert.equal(innerMtu(), 1380, 'and what is narrower still is put to the test again');
  }
});

test('Tunnels believes nothing of a server that does not answer', () => {
  const { world, claim, pass, innerMtu } = claimStage();
  claim(576);
  world.passes = 0;
  pass(3000);
  claim(576);
  pass(3000);
  assert.equal(innerMtu(), undefined);
  world.passes = 1500;
  pass(1000);
  assert.equal(innerMtu(), 1480);
});

test('aim asks for another VIP, and what is known stays until that has not answered', () => {
  const { tunnels, sent, news } = stage([server()]);
  const name = nameOf(server());
  tunnels.tick(0);
  tunnels.received(answer(sent[0], 34, VIP), 1);
  news();
  tunnels.aim(name, ip('192.0.2.81'));
  assert.notEqual(tunnels.at(name), undefined);
  for (const nowMs of [300, 600, 900, 1200]) {
    tunnels.received(answer(sent.at(-1) as Uint8Array, 34, VIP), nowMs);
    tunnels.tick(nowMs);
  }
  assert.equal(news(), true, 'the VIP that is no longer asked for counts for nothing');
  tunnels.remove(name);
  tunnels.remove(name);
  assert.equal(tunnels.describe(name), '');
  assert.equal(tunnels.isComplete, true);
});
