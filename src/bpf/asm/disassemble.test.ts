import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../random.suite.js';
import * as asm from './index.js';

const { r0, r1, r2, r3, r6, r10 } = asm;

const sample: asm.Code = [
  asm.mov.reg(r6, r1),
  asm.load(r2, r6, 0, 4),
  asm.load(r3, r6, 4, 4),
  asm.jgt.reg(r2, r3, 'drop'),
  asm.storeImm(r10, -8, 0, 8),
  asm.loadMap(r1, 'flows'),
  asm.mov.reg(r2, r10),
  asm.add.imm(r2, -8),
  asm.callHelper('map_lookup_elem'),
  asm.jeq.imm(r0, 0, 'drop'),
  asm.mov.imm(r1, 1),
  asm.atomicAdd.on(r0, 0, r1, 8),
  asm.call('verdict'),
  asm.exit(),
  asm.label('drop'),
  asm.mov32.imm(r0, 1),
  asm.exit(),
  asm.label('verdict'),
  asm.loadImm64(r0, 0x1_0000_0003n),
  asm.toLe(r0, 16),
  asm.exit(),
];

test('`listing` shows a program as the verifier would', () => {
  assert.equal(
    asm.listing(sample),
    `    0  r6 = r1
    1  r2 = *(u32 *)(r6 +0)
    2  r3 = *(u32 *)(r6 +4)
    3  if r2 > r3 goto drop
    4  *(u64 *)(r10 -8) = 0
    5  r1 = map[flows]
    7  r2 = r10
    8  r2 += -8
    9  call map_lookup_elem#1
   10  if r0 == 0x0 goto drop
   11  r1 = 1
   12  lock *(u64 *)(r0 +0) += r1
   13  call verdict
   14  exit
drop:
   15  w0 = 1
   16  exit
verdict:
   17  r0 = 0x100000003
   19  r0 = le16 r0
   20  exit
`,
  );
});

test('`disassemble` gives back what was assembled, labels by their place', () => {
  const { bytes } = asm.assemble(sample, { flows: 5 });
  const code = asm.disassemble(bytes);
  assert.deepEqual(asm.assemble(code).bytes, bytes);
  const renamed = asm
    .listing(sample)
    .replaceAll('drop', 'L15')
    .replaceAll('verdict', 'L17')
    .replace('map[flows]', 'map[fd 5]');
  assert.equal(asm.listing(code), renamed);
});

const refused: ReadonlyArray<readonly [string, string, string]> = [
  ['half an instruction', '95000000', '4 bytes are no whole number of instructions'],
  ['an unknown opcode', 'ff00000000000000', 'instruction 0 has the unknown opcode 0xff'],
  ['half of a wide load', '1801000001000000', 'instruction 0 lacks its second half'],
  [
    'a wide load with something else behind it',
    '18010000010000009500000000000000',
    'instruction 0 has a second half that is not one',
  ],
  ['a jump out of the program', '0500050000000000', 'instruction 0 leads to 6, where none begins'],
  ['a jump before the program', '0500f0ff00000000', 'instruction 0 leads to -15, where none begins'],
  [
    'a jump into a wide load',
    '0500010000000000180100000100000000000000000000009500000000000000',
    'instruction 0 leads to 2, where none begins',
  ],
];

for (const [name, bytes, message] of refused) {
  test(`\`disassemble\` refuses ${name}`, () => {
    assert.throws(() => asm.disassemble(Buffer.from(bytes, 'hex')), {
      name: 'DisassemblyError',
      message: `cannot disassemble: ${message}`,
    });
  });
}

test('`disassemble` of any bytes either refuses them or gives them back', () => {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 1e9);
  const random = seededRandom(seed);
  const { bytes: known } = asm.assemble(sample, { flows: 5 });
  let accepted = 0;
  for (let round = 0; round < 10_000; round++) {
    // Half of them noise, half a good program with a few bytes changed.
    const bytes = round % 2 === 0 ? new Uint8Array(8 * (1 + random(3))).map(() => random(256)) : known.slice();
    if (round % 2 === 1) for (let i = random(4); i >= 0; i--) bytes[random(bytes.length)] = random(256);
    const context = `seed ${seed}, round ${round}: ${Buffer.from(bytes).toString('hex')}`;
    let code: asm.Code;
    try {
      code = asm.disassemble(bytes);
    } catch (error) {
      assert.ok(error instanceof asm.DisassemblyError, `${context}: ${error}`);
      continue;
    }
    accepted++;
    assert.ok(!asm.listing(code).includes('unknown'), context);
    assert.equal(Buffer.compare(asm.assemble(code).bytes, bytes), 0, context);
  }
  assert.ok(accepted > 500, `only ${accepted} of 10,000 were programs (seed ${seed})`);
});
