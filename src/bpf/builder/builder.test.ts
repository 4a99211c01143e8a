import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XDP_DROP, XDP_MD, XDP_PASS } from '../../sys/uapi/bpf.js';
import * as asm from '../asm/index.js';
import { needsBpf } from '../kernel.suite.js';
import { BpfMap } from '../map.js';
import { Program } from '../program.js';
import { bytes, packed, struct, u16be, u32, u64 } from '../struct.js';
import { TestRun } from '../test-run.js';
import { above, anyBit, Builder, Cursor, equal, equal32, unequal } from './index.js';

const { r0, r1, r2, r3, r6, r7, r10 } = asm;

const ethernet = packed('ethernet', { destination: bytes(6), source: bytes(6), type: u16be });
const traffic = struct('traffic', { frames: u64, octets: u64 });
const counts = { name: 'counts', type: 'array', key: u32, value: traffic, maxEntries: 2 } as const;

/** Counts IPv4 frames apart from others and swaps nothing: small, but with all that a stage has. */
function countingProgram(options: { readonly dropsOthers: boolean }): asm.Code {
  const b = new Builder();
  const key = b.reserve('key', 4);
  const frame = new Cursor(b, 'frame', r6, r7);
  b.stage('parse', () => {
    b.emit(asm.load(r6, r1, XDP_MD.data, 4), asm.load(r7, r1, XDP_MD.dataEnd, 4));
    frame.need(ethernet.bytes, r2, 'pass');
    frame.load(r3, ethernet.field.type);
    b.if(
      equal(r3, 0x0008),
      () => key.store({ offset: 0, bytes: 4 }, 1),
      () => {
        if (options.dropsOthers) b.goto('drop');
        else key.clear();
      },
    );
  });
  b.stage('count', () => {
    const value = b.lookup(counts, key, 'pass');
    value.increase(traffic.field.frames, 1, r1);
    b.emit(asm.mov.reg(r2, r7), asm.sub.reg(r2, r6));
    value.increase(traffic.field.octets, r2, r1);
  });
  b.stage('pass', () => b.return(XDP_PASS));
  if (options.dropsOthers) b.stage('drop', () => b.return(XDP_DROP));
  return b.code;
}

test('`Builder` emits what it says, and nothing for what is off', () => {
  assert.equal(
    asm.listing(countingProgram({ dropsOthers: false })),
    `parse:
    0  r6 = *(u32 *)(r1 +0)
    1  r7 = *(u32 *)(r1 +4)
    2  r2 = r6
    3  r2 += 14
    4  if r2 > r7 goto pass
    5  r3 = *(u16 *)(r6 +12)
    6  if r3 != 0x8 goto parse.else
    7  *(u32 *)(r10 -8) = 1
    8  goto parse.endif
parse.else:
    9  *(u32 *)(r10 -8) = 0
parse.endif:
count:
   10  r1 = map[counts]
   12  r2 = r10
   13  r2 += -8
   14  call map_lookup_elem#1
   15  if r0 == 0x0 goto pass
   16  r1 = *(u64 *)(r0 +0)
   17  r1 += 1
   18  *(u64 *)(r0 +0) = r1
   19  r2 = r7
   20  r2 -= r6
   21  r1 = *(u64 *)(r0 +8)
   22  r1 += r2
   23  *(u64 *)(r0 +8) = r1
pass:
   24  w0 = 2
   25  exit
`,
  );
  const dropping = asm.listing(countingProgram({ dropsOthers: true }));
  assert.match(dropping, /parse.else:\n {4}9 {2}goto drop\n/);
  assert.match(dropping, /drop:\n +\d+ {2}w0 = 1\n +\d+ {2}exit\n$/);
});

test('a program written in stages does what they say', needsBpf, () => {
  const map = BpfMap.create(counts);
  const program = Program.load(
    { name: 'count', code: countingProgram({ dropsOthers: false }) },
    { maps: { counts: map } },
  );
  const run = new TestRun(program);
  try {
    run.input.set([0x08, 0x00], 12);
    assert.equal(run.run(60), XDP_PASS);
    assert.equal(run.run(100), XDP_PASS);
    run.input.set([0x86, 0xdd], 12);
    assert.equal(run.run(70), XDP_PASS);
    assert.deepEqual(
      [map.get(0), map.get(1)],
      [
        { frames: 1n, octets: 70n },
        { frames: 2n, octets: 160n },
      ],
    );
  } finally {
    run.close();
    program.close();
    map.close();
  }
});

/** What a body emits, without the label of its stage. */
function emitted(body: (b: Builder) => void): string {
  const b = new Builder();
  body(b);
  return asm.listing(b.code).replaceAll(/^ +\d+ {2}/gm, '');
}

const blocks: ReadonlyArray<readonly [string, (b: Builder) => void, string]> = [
  ['if', (b) => b.if(above(r1, 5), () => b.emit(asm.exit())), 'if r1 <= 0x5 goto start.endif\nexit\nstart.endif:\n'],
  [
    'unless',
    (b) => b.unless(above(r1, r2), () => b.emit(asm.exit())),
    'if r1 > r2 goto start.endif\nexit\nstart.endif:\n',
  ],
  [
    'if any bit',
    (b) => b.if(anyBit(r1, 6), () => b.emit(asm.exit())),
    'if r1 & 0x6 goto start.then\ngoto start.endif\nstart.then:\nexit\nstart.endif:\n',
  ],
  [
    'two ifs',
    (b) => {
      b.if(equal32(r1, 5), () => b.goto('x'));
      b.if(unequal(r1, 5), () => b.goto('y'));
    },
    'if w1 != 0x5 goto start.endif\ngoto x\nstart.endif:\nif r1 == 0x5 goto start.endif2\ngoto y\nstart.endif2:\n',
  ],
  [
    'if with a body that leaves',
    (b) =>
      b.if(
        equal(r1, 5),
        () => b.goto('x'),
        () => b.emit(asm.mov.imm(r0, 1)),
      ),
    'if r1 != 0x5 goto start.else\ngoto x\nstart.else:\nr0 = 1\nstart.endif:\n',
  ],
  [
    'switch',
    (b) =>
      b.switch(
        r1,
        [
          [6, 'tcp'],
          [17, 'udp'],
        ],
        'other',
      ),
    'if r1 == 0x6 goto tcp\nif r1 == 0x11 goto udp\ngoto other\n',
  ],
  [
    'copy',
    (b) => b.reserve('mac', 6).copy({ offset: 0, bytes: 6 }, b.reserve('other', 16), { offset: 8, bytes: 6 }, r1),
    'r1 = *(u32 *)(r10 -16)\n*(u32 *)(r10 -8) = r1\nr1 = *(u16 *)(r10 -12)\n*(u16 *)(r10 -4) = r1\n',
  ],
  ['clear', (b) => b.reserve('key', 13).clear(), '*(u64 *)(r10 -16) = 0\n*(u32 *)(r10 -8) = 0\n*(u8 *)(r10 -4) = 0\n'],
  [
    'update',
    (b) => b.update(counts, b.reserve('key', 4), b.reserve('value', 16)),
    'r1 = map[counts]\nr2 = r10\nr2 += -8\nr3 = r10\nr3 += -24\nr4 = 0\ncall map_update_elem#2\n',
  ],
];

for (const [name, body, want] of blocks) {
  test(`\`${name}\` emits what its comment says`, () => assert.equal(emitted(body), want));
}

test('what would touch memory that nobody checked is refused while building', () => {
  const b = new Builder();
  const frame = new Cursor(b, 'frame', r6, r7);
  const beyond = { name: 'RangeError', message: "bytes 12 to 14 of 'frame' are not within 0" };
  assert.throws(() => frame.load(r1, ethernet.field.type), beyond);
  frame.need(20, r2, 'end');
  frame.load(r1, ethernet.field.type);
  frame.advance(14);
  assert.equal(frame.bytes, 6);
  assert.throws(() => frame.load(r1, { offset: 4, bytes: 4 }), { message: "bytes 4 to 8 of 'frame' are not within 6" });
  frame.advanceBy(r3);
  assert.throws(() => frame.load(r1, { offset: 0, bytes: 1 }), /not within 0/);
  assert.throws(() => frame.load(r1, ethernet.field.source), { message: 'a field of 6 bytes fits no register' });
});

test('what does not fit is refused while building', () => {
  const b = new Builder();
  const key = b.reserve('key', 8);
  assert.throws(() => b.lookup(counts, key, 'x'), { message: "a key of 'counts' has 4 bytes, not 8" });
  const value = b.reserve('value', 8);
  assert.throws(() => b.update(counts, b.reserve('key', 4), value), {
    message: "a value of 'counts' has 16 bytes, not 8",
  });
  assert.throws(() => b.reserve('everything', 500), {
    message: "no room on the stack for 'everything': 528 bytes of 512",
  });
  assert.equal(key.base, r10);
});
