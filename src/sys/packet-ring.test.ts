import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SystemError } from './errno.js';
import { type OpenPacketRing, openPacketRing } from './open-packet-ring.js';
import { GEOMETRY, SimulatedPacketKernel } from './packet-ring.suite.js';
import { TP_STATUS_CSUMNOTREADY } from './uapi/packet.js';

function frameOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i === 12 ? 8 : (i * 31 + seed) & 0xff));
}

/** Takes all that has come, and sends it back as it is. */
function echo({ ring }: SimulatedPacketKernel): Uint8Array[] {
  const seen: Uint8Array[] = [];
  while (ring.next()) {
    seen.push(ring.frame.slice(0, ring.length));
    ring.transmit(ring.length);
  }
  ring.flush();
  return seen;
}

test('the packet ring hands over frames of every length, in order, round and round', () => {
  const kernel = new SimulatedPacketKernel();
  for (let turn = 0; turn < 20; turn++) {
    const frames = Array.from({ length: 12 }, (_, i) => frameOf(14 + ((turn * 97 + i * 131) % 1500), turn + i));
    assert.ok(kernel.receive(frames.map((frame) => ({ frame }))));
    assert.deepEqual(echo(kernel), frames);
    assert.deepEqual(kernel.sent.splice(0), frames);
  }
});

test('the packet ring puts the tag back that the kernel took out, and tells of checksums and of its own frames', () => {
  const kernel = new SimulatedPacketKernel();
  const tagged = frameOf(100, 3);
  tagged.set([0x88, 0xa8, 0x60, 0x64], 12);
  const own = { frame: frameOf(60, 1), isOutgoing: true };
  kernel.receive([own, { frame: tagged }, { frame: frameOf(61, 2), status: TP_STATUS_CSUMNOTREADY }, own]);
  const { ring } = kernel;
  assert.ok(ring.next());
  assert.deepEqual([ring.frame.slice(0, ring.length), ring.isUnfinished], [tagged, false]);
  assert.ok(ring.next());
  assert.deepEqual([ring.length, ring.isUnfinished], [61, true]);
  assert.ok(!ring.next());
});

test('a long frame has room of its own, one that is longer still is lost', () => {
  const kernel = new SimulatedPacketKernel();
  const { ring } = kernel;
  const long = frameOf(60_000, 5);
  kernel.receive([{ frame: long }]);
  assert.ok(ring.next());
  assert.ok(ring.isLong);
  assert.deepEqual(ring.frame.slice(0, ring.length), long);
  const slot = ring.spare();
  slot?.set(long.subarray(0, 100));
  ring.transmit(100);
  ring.flush();
  assert.deepEqual(kernel.sent, [long.slice(0, 100)]);
});

test('frames for which no slot is free are lost and counted; the ring goes on when the kernel has room again', () => {
  const kernel = new SimulatedPacketKernel();
  kernel.room = 0;
  const frames = Array.from({ length: GEOMETRY.slots + 5 }, (_, i) => frameOf(60, i));
  kernel.receive(frames.map((frame) => ({ frame })));
  assert.equal(echo(kernel).length, GEOMETRY.slots);
  assert.equal(kernel.ring.lost, 5);
  kernel.room = Infinity;
  kernel.ring.flush();
  assert.deepEqual(kernel.sent.splice(0), frames.slice(0, GEOMETRY.slots));
  kernel.receive([{ frame: frames[0] }]);
  assert.deepEqual(echo(kernel), [frames[0]]);
});

test('the packet ring goes on when the interface was down while all slots were filled', () => {
  const kernel = new SimulatedPacketKernel();
  const frames = Array.from({ length: GEOMETRY.slots + 5 }, (_, i) => frameOf(60, i));
  kernel.isDown = true;
  kernel.receive(frames.map((frame) => ({ frame })));
  assert.equal(echo(kernel).length, GEOMETRY.slots);
  kernel.isDown = false;
  kernel.receive([{ frame: frames[0] }, { frame: frames[1] }]);
  assert.deepEqual(echo(kernel), frames.slice(0, 2));
  assert.deepEqual(kernel.sent, [...frames.slice(0, GEOMETRY.slots), ...frames.slice(0, 2)]);
  assert.equal(kernel.ring.lost, 5);
});

test('the packet ring asks again soon for what the kernel left over when it sent the first frames', () => {
  const kernel = new SimulatedPacketKernel();
  const frames = Array.from({ length: 8 }, (_, i) => frameOf(60, i));
  kernel.room = 3;
  kernel.receive(frames.map((frame) => ({ frame })));
  echo(kernel);
  kernel.ring.wait();
  assert.equal(kernel.waitedMs, 1, 'nobody else wakes it');
  kernel.room = Infinity;
  kernel.ring.flush();
  assert.deepEqual(kernel.sent, frames);
  kernel.ring.wait();
  assert.equal(kernel.waitedMs, -1);
});

const isRoot = process.platform === 'linux' && process.getuid?.() === 0;

test('openPacketRing says what it cannot get', { skip: !isRoot && 'needs root and Linux' }, () => {
  const open = (interfaceName: string, receiveBytes: number): OpenPacketRing =>
    openPacketRing({ interfaceName, mtu: 1500, receiveBytes, transmitBytes: 1 << 20 });
  assert.throws(
    () => open('pen-nowhere', 1 << 20),
    (error) => error instanceof SystemError && error.code === 'ENODEV',
  );
  // More than there is; the kernel gives back what it had got so far.
  assert.throws(() => open('lo', 2 ** 40), {
    message: /^cannot get 1048576 MB of ring memory for 'lo': (ENOMEM|EINVAL)/,
  });
});
