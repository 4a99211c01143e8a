import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as asm from './index.js';

const { r0, r1 } = asm;

test('`prune` takes out what no way leads to, and nothing else', () => {
  const code = [
    asm.label('start'),
    asm.jeq.imm(r1, 0, 'used'),
    asm.call('function'),
    asm.ja('end'),
    asm.mov.imm(r0, 1),
    asm.label('unused'),
    asm.mov.imm(r0, 2),
    asm.ja('only from unused'),
    asm.label('used'),
    asm.mov.imm(r0, 3),
    asm.label('end'),
    asm.exit(),
    asm.label('only from unused'),
    asm.exit(),
    asm.label('function'),
    asm.mov.imm(r0, 4),
    asm.exit(),
  ];
  assert.equal(
    asm.listing(asm.prune(code)),
    `start:
    0  if r1 == 0x0 goto used
    1  call function
    2  goto end
used:
    3  r0 = 3
end:
    4  exit
function:
    5  r0 = 4
    6  exit
`,
  );
  const pruned = asm.prune(code);
  assert.deepEqual(asm.prune(pruned), pruned);
});

test('`prune` follows loops once, and leaves a missing label to `assemble`', () => {
  const code = [asm.label('loop'), asm.jne.imm(r0, 0, 'loop'), asm.ja('nowhere'), asm.exit()];
  assert.deepEqual(asm.prune(code), code.slice(0, 3));
  assert.throws(() => asm.assemble(asm.prune(code)), /leads to 'nowhere'/);
});
