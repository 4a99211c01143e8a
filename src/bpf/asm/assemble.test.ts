import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as asm from './index.js';

const { r0, r1 } = asm;

/** So many instructions that do nothing of note. */
function filling(count: number): asm.Code {
  return Array.from({ length: count }, () => asm.mov.imm(r0, 0));
}

test('`assemble` resolves labels forwards, backwards and over double slots', () => {
  const code = [
    asm.label('start'),
    asm.jeq.imm(r1, 0, 'end'),
    asm.loadImm64(r0, 1n),
    asm.label('middle'),
    asm.ja('start'),
    asm.label('end'),
    asm.label('same place'),
    asm.exit(),
  ];
  const { bytes, labels } = asm.assemble(code);
  const view = new DataView(bytes.buffer);
  assert.deepEqual(Object.fromEntries(labels), { start: 0, middle: 3, end: 4, 'same place': 4 });
  assert.equal(view.getInt16(2, true), 3);
  assert.equal(view.getInt16(3 * 8 + 2, true), -4);
  assert.equal(bytes.length, 5 * 8);
});

const mistakes: ReadonlyArray<readonly [string, asm.Code, string]> = [
  [
    'a label is missing',
    [asm.ja('nowhere')],
    "cannot assemble: instruction 0 leads to 'nowhere', a label that is not there",
  ],
  [
    'a called label is missing',
    [asm.exit(), asm.call('f')],
    "cannot assemble: instruction 1 leads to 'f', a label that is not there",
  ],
  [
    'a label is there twice',
    [asm.label('a'), asm.exit(), asm.label('a')],
    "cannot assemble: label 'a' at 1 is there already, at 0",
  ],
  [
    'a map has no descriptor',
    [asm.loadMap(r1, 'flows')],
    "cannot assemble: instruction 0 uses map 'flows', for which no descriptor is given",
  ],
  [
    'a conditional jump is too far',
    [asm.jeq.imm(r1, 0, 'end'), ...filling(0x8000), asm.label('end'), asm.exit()],
    "cannot assemble: instruction 0 jumps to 'end', 32768 slots away (at most 32,767 with a condition)",
  ],
];

for (const [name, code, message] of mistakes) {
  test(`\`assemble\` refuses when ${name}`, () => {
    assert.throws(() => asm.assemble(code), { name: 'AssemblyError', code: 'ERR_PEN_BPF_ASSEMBLY', message });
  });
}

test('`assemble` reaches 32,767 slots with 16 bits and farther with 32', () => {
  for (const [distance, opcode] of [
    [0x7fff, 0x05],
    [0x8000, 0x06],
    [100_000, 0x06],
  ]) {
    const { bytes } = asm.assemble([asm.ja('end'), ...filling(distance), asm.label('end'), asm.exit()]);
    const view = new DataView(bytes.buffer);
    assert.equal(bytes[0], opcode, `${distance}`);
    assert.equal(opcode === 0x05 ? view.getInt16(2, true) : view.getInt32(4, true), distance);
    const back = asm.assemble([asm.label('start'), ...filling(distance), asm.ja('start')]).bytes;
    const last = new DataView(back.buffer, distance * 8);
    const want = -distance - 1;
    assert.equal(want >= -0x8000 ? last.getInt16(2, true) : last.getInt32(4, true), want);
  }
});
