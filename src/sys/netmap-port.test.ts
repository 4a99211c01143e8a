import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { SystemError } from './errno.js';
import { SimulatedNetmapKernel } from './netmap-port.suite.js';
import { nmreq, openNetmap } from './open-netmap.js';
import { NETMAP_DEVICE, NIOCCTRL, NMREQ_HEADER } from './uapi/netmap.js';

const frameOf = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => i * 31 + seed);

function take({ port }: SimulatedNetmapKernel): Uint8Array {
  assert.ok(port.next());
  return port.frame.slice(0, port.length);
}

test('a netmap port sends, passes and drops without copying, round and round, and no buffer is lost', () => {
  const kernel = new SimulatedNetmapKernel();
  const { port } = kernel;
  for (let turn = 0; turn < 50; turn++) {
    const [sent, passed, dropped, own] = [0, 1, 2, 3].map((i) => frameOf(60 + turn * 7 + i, turn + i));
    for (const frame of [sent, dropped, passed]) assert.ok(kernel.receive(frame));
    assert.ok(kernel.hostSends(own));
    assert.deepEqual(take(kernel), sent);
    port.transmit(port.length);
    assert.deepEqual(take(kernel), dropped);
    assert.deepEqual(take(kernel), passed);
    port.pass();
    assert.ok(!port.next());
    port.flush();
    port.wait();
    assert.deepEqual(kernel.sent.splice(0), [sent, own]);
    assert.deepEqual(kernel.passed.splice(0), [passed]);
  }
  assert.equal(new Set(kernel.buffers()).size, kernel.buffers().length);
  assert.equal(port.lost, 0);
});

test('a netmap port counts what a full transmit ring does not take, and goes on when it has room', () => {
  const kernel = new SimulatedNetmapKernel();
  const { port } = kernel;
  kernel.isSending = false;
  for (let i = 0; i < 20; i++) {
    kernel.receive(frameOf(60, i));
    take(kernel);
    port.transmit(60);
    port.flush();
    port.wait();
  }
  assert.equal(port.lost, 5);
  kernel.isSending = true;
  port.wait();
  assert.equal(kernel.sent.length, 15);
  port.send(frameOf(99, 9));
  port.flush();
  port.wait();
  assert.deepEqual(kernel.sent.at(-1), frameOf(99, 9));
});

test('a netmap port drops frames of several slots whole, and counts them', () => {
  const kernel = new SimulatedNetmapKernel();
  kernel.receive(frameOf(6000, 1), 3);
  kernel.receive(frameOf(60, 2));
  assert.deepEqual(take(kernel), frameOf(60, 2));
  assert.equal(kernel.port.tooLong, 1);
  assert.ok(!kernel.port.next());
});

test('the request that registers an interface is laid out as <net/netmap.h> has it', () => {
  const bytes = nmreq('em0', 0x1234_5678_9abc);
  assert.equal(bytes.length, 88);
  const expected = new Uint8Array(88);
  // API 14, NETMAP_REQ_REGISTER.
  expected.set([14, 0, 1, 0]);
  expected.set(new TextEncoder().encode('em0'), 8);
  expected.set([0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12], 80);
  assert.deepEqual(bytes, expected);
  // IOC_INOUT, the length of the structure, 'i', 151.
  assert.equal(NIOCCTRL, 0xc000_0000 + NMREQ_HEADER.bytes * 0x1_0000 + 0x69 * 0x100 + 151);
});

test('openNetmap says that there is no netmap', { skip: existsSync(NETMAP_DEVICE) && 'there is' }, () => {
  assert.throws(
    () => openNetmap('lo'),
    (error) => error instanceof SystemError && error.message === "cannot open '/dev/netmap': ENOENT",
  );
});
