import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedPacketKernel } from '../../sys/packet-ring.suite.js';
import { TP_STATUS_CSUMNOTREADY } from '../../sys/uapi/packet.js';
import { client, tcpFrame, WEB } from '../fixtures/stage.js';
import { RING_COUNT_NAMES, RING_COUNTS } from './frame-ring.js';
import { PacketFrames } from './packet-frames.js';
import { compareRing, ringSuite } from './ring.suite.js';
import { packetStage } from './stages.suite.js';

const MTU = 1500;
const FRAMES = 20_000;

ringSuite('a packet ring', packetStage);

test(`a packet ring agrees with the decision on ${FRAMES} random frames`, () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 2 ** 31);
  compareRing(packetStage(), { count: FRAMES, seed });
});

test('unfinished checksums are computed, long frames come in pieces, and both are counted', () => {
  const kernel = new SimulatedPacketKernel();
  const frames = new PacketFrames(kernel.ring, MTU);
  const whole = tcpFrame(client(), WEB);
  const unfinished = whole.slice();
  unfinished.set([0, 0], 14 + 20 + 16);
  const long = new Uint8Array(14 + 20 + 20 + 3000);
  long.set(tcpFrame(client(), WEB).subarray(0, 54));
  long.set([(long.length - 14) >>> 8, (long.length - 14) & 0xff], 16);
  const short = long.slice(0, 1600);
  short.set([(short.length - 14) >>> 8, (short.length - 14) & 0xff], 16);
  const noTcp = new Uint8Array(3000);
  kernel.receive([
    { frame: unfinished, status: TP_STATUS_CSUMNOTREADY },
    { frame: long },
    { frame: noTcp },
    // Fits a slot, but no wire.
    { frame: short },
  ]);
  const lengths: number[] = [];
  while (frames.next()) {
    if (lengths.length === 0) assert.deepEqual(frames.frame.slice(0, frames.length), whole);
    lengths.push(frames.length);
    frames.transmit(frames.length);
  }
  assert.deepEqual(lengths, [whole.length, 1514, 1514, 54 + 3000 - 2 * 1460, 1514, 1600 - 1460]);
  const counts = new Float64Array(RING_COUNT_NAMES.length);
  frames.count(counts);
  assert.equal(counts[RING_COUNTS.completed], 1);
  assert.equal(counts[RING_COUNTS.cut], 2);
  assert.equal(counts[RING_COUNTS.tooLong], 1);

  // Of a long frame that is the host's, one piece is enough to know.
  kernel.receive([{ frame: long }]);
  assert.ok(frames.next());
  frames.pass();
  assert.ok(!frames.next());
});
