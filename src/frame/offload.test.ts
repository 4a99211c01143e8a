import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ethernet, type Packet } from './ethernet.js';
import { ipv4 } from './ipv4.js';
import { ipv6 } from './ipv6.js';
import { Offload } from './offload.js';
import type { Transport } from './protocol.js';
import { TCP_FLAG, tcp } from './tcp.js';
import { udp } from './udp.js';

const macs = { destination: new Uint8Array(6).fill(2), source: new Uint8Array(6).fill(4) };
const tags = [{ type: 0x8100, control: 7 }];
const address = (bytes: number, last: number) => new Uint8Array(bytes).fill(last);
const families: Record<string, (transport: Transport) => Packet> = {
  IPv4: (transport) => ipv4({ source: address(4, 1), destination: address(4, 9), id: 0xfffe }, transport),
  'IPv4 with options': (transport) =>
    ipv4({ source: address(4, 1), destination: address(4, 9), options: new Uint8Array(8).fill(1) }, transport),
  IPv6: (transport) => ipv6({ source: address(16, 1), destination: address(16, 9) }, transport),
};
const data = Uint8Array.from({ length: 4001 }, (_, i) => i * 7);
const ports = { sourcePort: 5000, destinationPort: 80 };

for (const [name, packet] of Object.entries(families)) {
  test(`Offload computes checksums of TCP and UDP over ${name}, whatever stood there`, () => {
    for (const transport of [tcp({ ...ports, flags: 16 }, data.slice(0, 101)), udp(ports, data.slice(0, 100))]) {
      for (const link of [macs, { ...macs, tags }]) {
        const expected = ethernet(link, packet(transport));
        const frame = expected.slice();
        const at = frame.length - transport.bytes.length + (transport.checksumAt ?? 0);
        frame.set([0x12, 0x34], at);
        new Offload().complete(frame, frame.length);
        assert.deepEqual(frame, expected);
      }
    }
  });

  test(`Offload cuts a long TCP packet over ${name} into ones that fit`, () => {
    const flags = TCP_FLAG.ack | TCP_FLAG.psh | TCP_FLAG.fin | TCP_FLAG.cwr;
    const options = Uint8Array.from([1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
    const sequence = 0xffff_fff0;
    const header = { ...ports, sequence, acknowledgement: 77, options };
    const long = ethernet({ ...macs, tags }, packet(tcp({ ...header, flags }, data)));
    const offload = new Offload();
    const mtu = 1500;
    offload.begin(long, long.length, mtu);
    const headers = long.length - data.length;
    const each = mtu - (headers - 18);
    assert.equal(offload.segments, Math.ceil(data.length / each));
    for (let number = 0; number < offload.segments; number++) {
      const to = new Uint8Array(2048).fill(0xa5);
      const length = offload.segment(number, long, to);
      const isLast = number === offload.segments - 1;
      const ours = [TCP_FLAG.ack, isLast ? TCP_FLAG.psh | TCP_FLAG.fin : 0, number === 0 ? TCP_FLAG.cwr : 0].reduce(
        (a, b) => a | b,
      );
      const part = data.slice(number * each, (number + 1) * each);
      const expected = ethernet(
        { ...macs, tags },
        packet(tcp({ ...header, sequence: (sequence + number * each) >>> 0, flags: ours }, part)),
      );
      // Each has the next number (RFC 6864 asks for none of them to be the same).
      if (name !== 'IPv6') {
        const id = ((expected[18 + 4] << 8) | expected[18 + 5]) + number;
        expected.set([(id >>> 8) & 0xff, id & 0xff], 18 + 4);
        expected.set([0, 0], 18 + 10);
        let sum = 0;
        const headerEnd = 18 + (expected[18] & 15) * 4;
        for (let at = 18; at < headerEnd; at += 2) sum += (expected[at] << 8) | expected[at + 1];
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
        expected.set([(~sum >>> 8) & 0xff, ~sum & 0xff], 18 + 10);
      }
      assert.deepEqual(to.slice(0, length), expected);
    }
  });
}

test('Offload cuts nothing but TCP', () => {
  const offload = new Offload();
  for (const frame of [
    ethernet(macs, families.IPv4(udp(ports, data))),
    ethernet(
      macs,
      ipv4({ source: address(4, 1), destination: address(4, 2), fragment: 0x2000 }, tcp({ ...ports, flags: 16 }, data)),
    ),
    new Uint8Array(3000),
    ethernet(macs, families.IPv6(tcp({ ...ports, flags: 16 }, data))).slice(0, 2000),
  ]) {
    offload.begin(frame, frame.length, 1500);
    assert.equal(offload.segments, 0);
  }
});
