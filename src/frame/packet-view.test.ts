import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFrame } from './describe.js';
import { ETHER_TYPE, ethernet, parseMac } from './ethernet.js';
import { type Flow, flowOf, quotedFlowOf } from './flow.js';
import { icmp, icmpv6 } from './icmp.js';
import { ipv4, ipv4Fragments, isIpv4HeaderIntact } from './ipv4.js';
import { fragmentHeader, ipv6, ipv6Fragments } from './ipv6.js';
import { PacketView, REST } from './packet-view.js';
import { PROTOCOL } from './protocol.js';
import { tcp } from './tcp.js';
import { udp } from './udp.js';

const client = Uint8Array.from([10, 0, 0, 1]);
const server = Uint8Array.from([192, 0, 2, 80]);
const client6 = Uint8Array.from([0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 1]);
const server6 = Uint8Array.from([0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 0x80]);
const link = { destination: new Uint8Array(6).fill(2), source: new Uint8Array(6).fill(4) };
const segment = tcp({ sourcePort: 1234, destinationPort: 80, flags: 2 }, Uint8Array.from([1, 2, 3]));
const datagram = udp({ sourcePort: 53, destinationPort: 5353 }, new Uint8Array(40));

// 10.0.0.1:1234 to 192.0.2.80:80, SYN, three bytes: put together with struct.pack of Python.
const V4_TCP = '4500002b000000004006ae7c0a000001c000025004d2005000000000000000005002ffffda6a0000010203';

test('ipv4 and tcp build what is on the wire, checksums included', () => {
  const { bytes } = ipv4({ source: client, destination: server }, segment);
  assert.ok(isIpv4HeaderIntact(bytes, 0));
  assert.equal(Buffer.from(bytes).toString('hex'), V4_TCP);
});

test('udp sends a checksum of zero as ones, and none where none is wanted', () => {
  const at = 20 + 6;
  const none = ipv4(
    { source: client, destination: server },
    udp({ sourcePort: 1, destinationPort: 2, hasChecksum: false }),
  ).bytes;
  assert.deepEqual([none[at], none[at + 1]], [0, 0]);
  // A word of payload that brings the sum to ones.
  const plain = ipv4(
    { source: client, destination: server },
    udp({ sourcePort: 1, destinationPort: 2 }, new Uint8Array(2)),
  ).bytes;
  const zero = ipv4(
    { source: client, destination: server },
    udp({ sourcePort: 1, destinationPort: 2 }, plain.slice(at, at + 2)),
  ).bytes;
  assert.deepEqual([zero[at], zero[at + 1]], [0xff, 0xff]);
});

test('flowOf reads the five-tuple behind tags, options and extension headers', () => {
  const options = new Uint8Array(12).fill(1);
  const padding = {
    protocol: PROTOCOL.destinationOptions,
    bytes: Uint8Array.from([0, 1, 1, 12, ...new Uint8Array(12)]),
  };
  const tags = [
    { type: ETHER_TYPE.provider, control: 5 },
    { type: ETHER_TYPE.vlan, control: 6 },
  ];
  const v4 = {
    family: 4,
    protocol: 6,
    source: client,
    destination: server,
    sourcePort: 1234,
    destinationPort: 80,
    isFragment: false,
  } as const;
  const v6 = { ...v4, family: 6, source: client6, destination: server6 } as const;
  const rows: readonly [name: string, frame: Uint8Array, want: Flow | undefined][] = [
    ['IPv4', ethernet(link, ipv4({ source: client, destination: server }, segment)), v4],
    [
      'two tags and options',
      ethernet({ ...link, tags }, ipv4({ source: client, destination: server, options }, segment)),
      v4,
    ],
    ['IPv6', ethernet(link, ipv6({ source: client6, destination: server6 }, segment)), v6],
    [
      'extension headers',
      ethernet(
        link,
        ipv6({ source: client6, destination: server6, extensions: [padding, fragmentHeader(0, false, 1)] }, segment),
      ),
      v6,
    ],
    [
      'a first fragment',
      ethernet(link, ipv4Fragments({ source: client, destination: server }, datagram, 24)[0]),
      { ...v4, protocol: 17, sourcePort: 53, destinationPort: 5353, isFragment: true },
    ],
    [
      'a later fragment',
      ethernet(link, ipv4Fragments({ source: client, destination: server }, datagram, 24)[1]),
      { ...v4, protocol: 17, sourcePort: 0, destinationPort: 0, isFragment: true },
    ],
    [
      'a later IPv6 fragment',
      ethernet(link, ipv6Fragments({ source: client6, destination: server6 }, datagram, { bytesEach: 24, id: 9 })[1]),
      { ...v6, protocol: 17, sourcePort: 0, destinationPort: 0, isFragment: true },
    ],
    [
      'another protocol',
      ethernet(link, ipv4({ source: client, destination: server }, { protocol: 47, bytes: new Uint8Array(8) })),
      { ...v4, protocol: 47, sourcePort: 0, destinationPort: 0 },
    ],
    ['no IP', ethernet(link, { etherType: 0x88cc, bytes: new Uint8Array(46) }), undefined],
    ['nothing', new Uint8Array(0), undefined],
  ];
  for (const [name, frame, want] of rows) {
    const got = flowOf(frame);
    assert.deepEqual(
      got && { ...got, source: [...got.source], destination: [...got.destination] },
      want && { ...want, source: [...want.source], destination: [...want.destination] },
      name,
    );
  }
});

test('quotedFlowOf reads what an ICMP error is about, and nothing else', () => {
  const quoted = ipv4(
    { source: server, destination: client },
    tcp({ sourcePort: 80, destinationPort: 1234, flags: 16 }),
  ).bytes;
  const quoted6 = ipv6(
    { source: server6, destination: client6 },
    tcp({ sourcePort: 80, destinationPort: 1234, flags: 16 }),
  ).bytes;
  const about = (type: number, quote: Uint8Array) =>
    ethernet(link, ipv4({ source: client, destination: server }, icmp({ type, code: 4 }, quote)));
  const found = quotedFlowOf(about(3, quoted.slice(0, 28)));
  assert.deepEqual([found?.sourcePort, found?.destinationPort, [...(found?.source ?? [])]], [80, 1234, [...server]]);
  const found6 = quotedFlowOf(
    ethernet(link, ipv6({ source: client6, destination: server6 }, icmpv6({ type: 2, word: 1280 }, quoted6))),
  );
  assert.deepEqual([found6?.family, found6?.sourcePort], [6, 80]);
  assert.equal(quotedFlowOf(about(8, quoted)), undefined, 'an echo request quotes nothing');
  assert.equal(quotedFlowOf(about(3, quoted.slice(0, 19))), undefined, 'a quote cut in its header');
  assert.equal(quotedFlowOf(about(3, quoted6)), undefined, 'a quote of another family');
});

test('PacketView says where a packet is malformed', () => {
  const view = new PacketView();
  const good = ipv4({ source: client, destination: server }, segment).bytes;
  const read = (bytes: Uint8Array, isQuote = false) =>
    view.readHeader(bytes, ETHER_TYPE.ipv4, 0, bytes.length)
      ? view.readRest(bytes, bytes.length, isQuote, 4)
      : undefined;
  const patched = (at: number, ...values: number[]) => {
    const copy = good.slice();
    copy.set(values, at);
    return copy;
  };
  assert.equal(read(good), REST.whole);
  assert.equal(read(good.slice(0, 19)), undefined);
  assert.equal(read(patched(0, 0x65)), undefined);
  assert.equal(read(patched(0, 0x44)), REST.malformed);
  assert.equal(read(patched(2, 0, 19)), REST.malformed);
  assert.equal(read(patched(2, 0xff, 0xff)), REST.malformed);
  assert.equal(read(patched(2, 0xff, 0xff), true), REST.whole, 'a quote may be shorter than what it quotes');
});

test('describeFrame and flowOf take bytes of every kind', () => {
  const given = ethernet(link, ipv6({ source: client6, destination: server6 }, segment));
  for (let length = 0; length <= given.length; length++) {
    assert.match(describeFrame(given.slice(0, length)), /bytes/);
    flowOf(given.slice(0, length));
  }
  assert.match(describeFrame(given), /tcp 1234 to 80 flags 2/);
});

test('parseMac takes six bytes in hexadecimal and nothing else', () => {
  assert.deepEqual([...(parseMac('02:00:5e:10:aB:ff') ?? [])], [2, 0, 0x5e, 0x10, 0xab, 0xff]);
  for (const text of [
    '',
    '02:00:5e:10:ab',
    '02:00:5e:10:ab:ff:00',
    '2:0:5e:10:ab:ff',
    '02-00-5e-10-ab-ff',
    '02:00:5e:10:ab:fg',
  ]) {
    assert.equal(parseMac(text), undefined, text);
  }
});
