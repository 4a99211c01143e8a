import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as asm from './asm/index.js';
import { parseLog, VerifierError } from './verifier-error.js';

// Beginnings and ends of logs of kernel 6.18.
const table = [
  {
    name: 'an access beyond the packet',
    log: `0: R1=ctx() R10=fp0
0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2=pkt(r=0)
1: (b7) r0 = 2                        ; R0=2
2: (69) r1 = *(u16 *)(r2 +12)
invalid access to packet, off=12 size=2, R2(id=0,off=12,r=0)
R2 offset is outside of the packet
processed 3 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
`,
    want: { reason: 'R2 offset is outside of the packet', slot: 2 },
  },
  {
    name: 'an unreachable instruction',
    log: 'unreachable insn 2\nprocessed 0 insns (limit 1000000) max_states_per_insn 0 total_states 0\n',
    want: { reason: 'unreachable insn 2', slot: 2 },
  },
  {
    name: 'a helper that takes other arguments',
    log: `0: R1=ctx() R10=fp0
0: (85) call bpf_map_lookup_elem#1
R1 type=ctx expected=map_ptr
processed 1 insns (limit 1000000)
`,
    want: { reason: 'R1 type=ctx expected=map_ptr', slot: 0 },
  },
  { name: 'nothing', log: '', want: { reason: 'no reason given', slot: undefined } },
];

for (const { name, log, want } of table) {
  test(`\`parseLog\` finds what the verifier objected to in the log of ${name}`, () => {
    assert.deepEqual(parseLog(log.split('\n').filter((line) => line !== '')), want);
  });
}

test('`VerifierError` counts double slots as the verifier does', () => {
  const code = [
    asm.loadImm64(asm.r1, 1n),
    asm.label('later'),
    asm.loadImm64(asm.r2, 1n),
    asm.mov.imm(asm.r0, 0),
    asm.exit(),
  ];
  const error = new VerifierError('p', -22, '4: (b7) r0 = 0\nR0 is wrong\n', code);
  assert.deepEqual(error.at, { slot: 4, text: 'r0 = 0', label: 'later', distance: 2 });
  assert.equal(
    error.message,
    "cannot load program 'p': EINVAL (R0 is wrong; at later+2, instruction 4: r0 = 0; 2 lines of log)",
  );
});
