import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { XDP_MD, XDP_PASS } from '../sys/uapi/bpf.js';
import * as asm from './asm/index.js';
import { needsBpf, openDescriptors } from './kernel.suite.js';
import { BpfMap } from './map.js';
import { Program } from './program.js';
import { u32, u64 } from './struct.js';
import { TestRun } from './test-run.js';
import { VerifierError } from './verifier-error.js';

const { r0, r1, r2, r10 } = asm;

let descriptors = 0;
before(() => {
  descriptors = needsBpf.skip === false ? openDescriptors() : 0;
});
after(() => {
  if (needsBpf.skip === false) assert.equal(openDescriptors(), descriptors, 'descriptors are left open');
});

/** The verdict of a program on a frame of 64 zeros. */
function verdictOf(code: asm.Code, maps: Record<string, { fd: number }> = {}): number {
  const program = Program.load({ name: 'test', code }, { maps });
  const run = new TestRun(program);
  try {
    return run.run(64);
  } finally {
    run.close();
    program.close();
  }
}

test('a program that calls its own functions and jumps far runs', needsBpf, () => {
  // Different constants, or the verifier would find the way through them already walked.
  const filling = Array.from({ length: 40_000 }, () => asm.add.imm(r0, 0));
  const code = [
    asm.mov.imm(r0, 0),
    asm.call('five'),
    asm.ja('end'),
    ...filling,
    asm.label('end'),
    asm.add.imm(r0, 1),
    asm.exit(),
    asm.label('five'),
    asm.mov.imm(r0, 5),
    asm.exit(),
  ];
  // Dead code is refused, so the filling is led to as well.
  code.splice(2, 0, asm.jeq.imm(r0, 77, 'filling'));
  code.splice(4, 0, asm.label('filling'));
  assert.equal(verdictOf(code), 6);
});

test('a program writes to its maps, atomically too', needsBpf, () => {
  const map = BpfMap.create({ name: 'counts', type: 'array', key: u32, value: u64, maxEntries: 2 });
  try {
    const code = [
      asm.storeImm(r10, -4, 1, 4),
      asm.loadMap(r1, 'counts'),
      asm.mov.reg(r2, r10),
      asm.add.imm(r2, -4),
      asm.callHelper('map_lookup_elem'),
      asm.jeq.imm(r0, 0, 'end'),
      asm.mov.imm(r1, 7),
      asm.atomicAdd.on(r0, 0, r1, 8),
      asm.label('end'),
      asm.mov.imm(r0, XDP_PASS),
      asm.exit(),
    ];
    assert.equal(verdictOf(code, { counts: map }), XDP_PASS);
    assert.equal(verdictOf(code, { counts: map }), XDP_PASS);
    assert.deepEqual([map.get(0), map.get(1)], [0n, 14n]);
  } finally {
    map.close();
  }
});

test('an array of one entry is reached by its address', needsBpf, () => {
  const map = BpfMap.create({ name: 'settings', type: 'array', key: u32, value: u64, maxEntries: 1 });
  try {
    map.set(0, 0x2_0000_0000n);
    assert.equal(
      verdictOf([asm.loadMapValue(r1, 'settings', 4), asm.load(r0, r1, 0, 4), asm.exit()], { settings: map }),
      2,
    );
  } finally {
    map.close();
  }
});

const unsafe: asm.Code = [
  asm.load(r2, r1, XDP_MD.data, 4),
  asm.label('ethernet'),
  asm.mov.imm(r0, 2),
  asm.load(r1, r2, 12, 2),
  asm.exit(),
];

test('a refused program says which instruction, under which label, and why', needsBpf, () => {
  assert.throws(
    () => Program.load({ name: 'unsafe', code: unsafe }),
    (error) => {
      assert.ok(error instanceof VerifierError);
      assert.equal(error.code, 'EACCES');
      assert.deepEqual(error.at, { slot: 2, text: 'r1 = *(u16 *)(r2 +12)', label: 'ethernet', distance: 1 });
      assert.match(error.reason, /outside of the packet/);
      assert.match(
        error.message,
        /^cannot load program 'unsafe': EACCES \(R2 offset is outside of the packet; at ethernet\+1, instruction 2: r1 = \*\(u16 \*\)\(r2 \+12\); \d+ lines of log\)$/,
      );
      return true;
    },
  );
});

test('a program without an end is refused with a reason', needsBpf, () => {
  assert.throws(() => Program.load({ name: 'endless', code: [asm.mov.imm(r0, 2)] }), /last insn is not an exit or jmp/);
  assert.throws(() => Program.load({ name: 'empty', code: [] }), /cannot load program 'empty': E/);
});

test('a program for a card that runs none is refused', needsBpf, () => {
  assert.throws(() => Program.load({ name: 'card', code: [asm.mov.imm(r0, 2), asm.exit()] }, { deviceIndex: 1 }), {
    name: /^(BpfError|VerifierError)$/,
    message: /^cannot load program 'card': E(INVAL|OPNOTSUPP)/,
  });
});

test('`info` tells name, tag and size', needsBpf, () => {
  const program = Program.load({ name: 'pass', code: [asm.mov.imm(r0, 2), asm.exit()] });
  const { id, name, tag, translatedBytes } = program.info;
  program.close();
  program.close();
  assert.ok(id > 0);
  assert.match(tag, /^[0-9a-f]{16}$/);
  assert.deepEqual([name, translatedBytes], ['pass', 16]);
  assert.throws(() => program.info, { message: "'pass' has been closed" });
});

test('`TestRun` gives the frame as the program left it, and the time it took', needsBpf, () => {
  const code = [
    asm.load(r2, r1, XDP_MD.dataEnd, 4),
    asm.load(r1, r1, XDP_MD.data, 4),
    asm.mov.reg(r0, r1),
    asm.add.imm(r0, 14),
    asm.jgt.reg(r0, r2, 'end'),
    asm.storeImm(r1, 2, 0xab, 1),
    asm.label('end'),
    asm.mov.imm(r0, 3),
    asm.exit(),
  ];
  const program = Program.load({ name: 'mark', code });
  const run = new TestRun(program);
  try {
    run.input.fill(0x11, 0, 60);
    assert.equal(run.run(60, 1000), 3);
    assert.equal(run.outputBytes, 60);
    const want = new Uint8Array(60).fill(0x11);
    want[2] = 0xab;
    assert.deepEqual(run.output.subarray(0, 60), want);
    assert.ok(run.nanoseconds < 10_000, `${run.nanoseconds} ns`);
    assert.throws(() => run.run(13), {
      code: 'EINVAL',
      message: /^cannot run program 'mark' on a frame of 13 bytes: EINVAL \(a frame has 14 to/,
    });
  } finally {
    run.close();
    run.close();
    program.close();
  }
  assert.throws(() => run.run(60), { message: 'the test run has been closed' });
});
