import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XDP_MD } from '../sys/uapi/bpf.js';
import * as asm from './asm/index.js';
import { needsBpf, openDescriptors } from './kernel.suite.js';
import { BpfMap } from './map.js';
import { ringBufferSpec } from './map-spec.js';
import { Program } from './program.js';
import { RingBufferReader } from './ring-buffer.js';
import { TestRun } from './test-run.js';

const { r0, r1, r2, r3, r5, r6, r7 } = asm;

/** Appends the first 24 bytes of the frame; where the first byte is 1, the record is discarded. Gives -1 if there is no room. */
const code: asm.Code = [
  asm.load(r6, r1, XDP_MD.data, 4),
  asm.load(r7, r1, XDP_MD.dataEnd, 4),
  asm.mov.imm(r0, 0),
  asm.mov.reg(r5, r6),
  asm.add.imm(r5, 24),
  asm.jgt.reg(r5, r7, 'end'),
  asm.loadMap(r1, 'events'),
  asm.mov.imm(r2, 24),
  asm.mov.imm(r3, 0),
  asm.callHelper('ringbuf_reserve'),
  asm.jeq.imm(r0, 0, 'full'),
  ...[0, 8, 16].flatMap((at) => [asm.load(r3, r6, at, 8), asm.store(r0, at, r3, 8)]),
  asm.mov.reg(r1, r0),
  asm.mov.imm(r2, 0),
  asm.load(r3, r6, 0, 1),
  asm.jeq.imm(r3, 1, 'discard'),
  asm.callHelper('ringbuf_submit'),
  asm.mov.imm(r0, 0),
  asm.label('end'),
  asm.exit(),
  asm.label('discard'),
  asm.callHelper('ringbuf_discard'),
  asm.mov.imm(r0, 0),
  asm.exit(),
  asm.label('full'),
  asm.mov.imm(r0, -1),
  asm.exit(),
];

test('a ring buffer gives every record once, in order, round and round', needsBpf, () => {
  const descriptors = openDescriptors();
  const size = 4096;
  const map = BpfMap.create(ringBufferSpec('events', size));
  const program = Program.load({ name: 'events', code }, { maps: { events: map } });
  const reader = new RingBufferReader(map);
  const run = new TestRun(program);
  const taken: number[] = [];
  const take = (record: Uint8Array) => {
    assert.equal(record.length, 24);
    taken.push(new DataView(record.buffer, record.byteOffset).getUint32(4, true));
  };
  const write = (n: number, kind = 0) => {
    run.input[0] = kind;
    new DataView(run.input.buffer, run.input.byteOffset).setUint32(4, n, true);
    return run.run(64) | 0;
  };
  try {
    assert.equal(reader.drain(take), 0);
    let next = 0;
    for (let round = 0; round < 300; round++) {
      const before = next;
      for (let i = 0; i <= round % 7; i++) {
        write(0, 1);
        assert.equal(write(next++), 0);
      }
      assert.equal(reader.drain(take), next - before);
    }
    assert.deepEqual(
      taken,
      Array.from({ length: next }, (_, n) => n),
    );

    // A record takes 32 bytes with its header. When the ring is full the program is told, and nothing is lost before.
    taken.length = 0;
    let written = 0;
    while (write(written) === 0) written++;
    assert.equal(written, size / 32 - 1);
    assert.equal(reader.drain(take), written);
    assert.equal(write(0), 0);

    // A reader that throws does not get the same record again.
    write(1);
    assert.throws(() => reader.drain(() => assert.fail('no')), { message: 'no' });
    taken.length = 0;
    reader.drain(take);
    assert.deepEqual(taken, [1]);
  } finally {
    run.close();
    reader.close();
    reader.close();
    program.close();
    map.close();
  }
  assert.throws(() => reader.drain(take), { message: 'the ring buffer reader has been closed' });
  assert.equal(openDescriptors(), descriptors, 'descriptors are left open');
});
