/**
 * What arithmetic and jumps do, in the kernel and in a model here: every operation on the same operands in one
 * program, many operands. What the assembler calls `sdiv` is thereby known to be signed division.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { XDP_MD, XDP_PASS } from '../sys/uapi/bpf.js';
import * as asm from './asm/index.js';
import { needsBpf } from './kernel.suite.js';
import { Program } from './program.js';
import { seededRandom } from './random.suite.js';
import { TestRun } from './test-run.js';

const { r0, r1, r2, r3, r4, r5, r6 } = asm;

type Model = (a: bigint, b: bigint) => bigint;
const u64 = (value: bigint) => BigInt.asUintN(64, value);
const s64 = (value: bigint) => BigInt.asIntN(64, value);
const s32 = (value: bigint) => BigInt.asIntN(32, value);
const u32 = (value: bigint) => BigInt.asUintN(32, value);

/** On signed operands and of any width: results are cut to it. */
const arithmetic: ReadonlyArray<readonly [string, asm.AluOperation, asm.AluOperation, (bits: number) => Model]> = [
  ['add', asm.add, asm.add32, () => (a, b) => a + b],
  ['sub', asm.sub, asm.sub32, () => (a, b) => a - b],
  ['mul', asm.mul, asm.mul32, () => (a, b) => a * b],
  ['div', asm.div, asm.div32, (n) => (a, b) => (b === 0n ? 0n : BigInt.asUintN(n, a) / BigInt.asUintN(n, b))],
  ['mod', asm.mod, asm.mod32, (n) => (a, b) => (b === 0n ? a : BigInt.asUintN(n, a) % BigInt.asUintN(n, b))],
  ['sdiv', asm.sdiv, asm.sdiv32, () => (a, b) => (b === 0n ? 0n : a / b)],
  ['smod', asm.smod, asm.smod32, () => (a, b) => (b === 0n ? a : a % b)],
  ['or', asm.or, asm.or32, () => (a, b) => a | b],
  ['and', asm.and, asm.and32, () => (a, b) => a & b],
  ['xor', asm.xor, asm.xor32, () => (a, b) => a ^ b],
  ['lsh', asm.lsh, asm.lsh32, (n) => (a, b) => a << (b & BigInt(n - 1))],
  ['rsh', asm.rsh, asm.rsh32, (n) => (a, b) => BigInt.asUintN(n, a) >> (b & BigInt(n - 1))],
  ['arsh', asm.arsh, asm.arsh32, (n) => (a, b) => a >> (b & BigInt(n - 1))],
  ['mov', asm.mov, asm.mov32, () => (_, b) => b],
];

const swap = (value: bigint, bytes: number) =>
  Array.from({ length: bytes }, (_, i) => ((value >> BigInt(8 * i)) & 255n) << BigInt(8 * (bytes - 1 - i))).reduce(
    (sum, byte) => sum | byte,
    0n,
  );

const unary: ReadonlyArray<readonly [string, (register: asm.Register) => asm.Instruction, (a: bigint) => bigint]> = [
  ['neg', asm.neg, (a) => u64(-a)],
  ['neg32', asm.neg32, (a) => u32(-a)],
  ['movSigned 8', (r) => asm.movSigned(r, r, 8), (a) => u64(BigInt.asIntN(8, a))],
  ['movSigned 16', (r) => asm.movSigned(r, r, 16), (a) => u64(BigInt.asIntN(16, a))],
  ['movSigned 32', (r) => asm.movSigned(r, r, 32), (a) => u64(s32(a))],
  ['movSigned32 8', (r) => asm.movSigned32(r, r, 8), (a) => u32(BigInt.asIntN(8, a))],
  ['movSigned32 16', (r) => asm.movSigned32(r, r, 16), (a) => u32(BigInt.asIntN(16, a))],
  ['toBe 16', (r) => asm.toBe(r, 16), (a) => swap(a, 2)],
  ['toBe 32', (r) => asm.toBe(r, 32), (a) => swap(a, 4)],
  ['toBe 64', (r) => asm.toBe(r, 64), (a) => swap(a, 8)],
  ['toLe 16', (r) => asm.toLe(r, 16), (a) => a & 0xffffn],
  ['toLe 32', (r) => asm.toLe(r, 32), (a) => u32(a)],
  ['toLe 64', (r) => asm.toLe(r, 64), (a) => a],
  ['bswap 16', (r) => asm.bswap(r, 16), (a) => swap(a, 2)],
  ['bswap 32', (r) => asm.bswap(r, 32), (a) => swap(a, 4)],
  ['bswap 64', (r) => asm.bswap(r, 64), (a) => swap(a, 8)],
];

type Predicate = (a: bigint, b: bigint) => boolean;
const jumps: ReadonlyArray<readonly [string, asm.JumpOperation, asm.JumpOperation, 'signed' | 'unsigned', Predicate]> =
  [
    ['jeq', asm.jeq, asm.jeq32, 'unsigned', (a, b) => a === b],
    ['jne', asm.jne, asm.jne32, 'unsigned', (a, b) => a !== b],
    ['jgt', asm.jgt, asm.jgt32, 'unsigned', (a, b) => a > b],
    ['jge', asm.jge, asm.jge32, 'unsigned', (a, b) => a >= b],
    ['jlt', asm.jlt, asm.jlt32, 'unsigned', (a, b) => a < b],
    ['jle', asm.jle, asm.jle32, 'unsigned', (a, b) => a <= b],
    ['jset', asm.jset, asm.jset32, 'unsigned', (a, b) => (a & b) !== 0n],
    ['jsgt', asm.jsgt, asm.jsgt32, 'signed', (a, b) => a > b],
    ['jsge', asm.jsge, asm.jsge32, 'signed', (a, b) => a >= b],
    ['jslt', asm.jslt, asm.jslt32, 'signed', (a, b) => a < b],
    ['jsle', asm.jsle, asm.jsle32, 'signed', (a, b) => a <= b],
  ];

/** An operation on r1 (and r2, or the immediate), its result to be left in r1. */
interface Case {
  readonly name: string;
  readonly code: (index: number) => asm.Code;
  readonly want: Model;
}

/** With `immediate` the second operand is that, else r2. */
function cases(immediate: number | undefined): Case[] {
  const apply = (operation: asm.AluOperation) =>
    immediate === undefined ? operation.reg(r1, r2) : operation.imm(r1, immediate);
  const isShift = (name: string) => name.endsWith('sh');
  // The verifier refuses what can be seen to be undefined elsewhere: division by zero, shifts beyond the width.
  const isAllowed = (name: string, bits: number) =>
    immediate === undefined ||
    (isShift(name) ? immediate >= 0 && immediate < bits : !/div|mod/.test(name) || immediate !== 0);
  const list: Case[] = [];
  for (const [name, wide, narrow, model] of arithmetic) {
    if (isAllowed(name, 64))
      list.push({ name, code: () => [apply(wide)], want: (a, b) => u64(model(64)(s64(a), s64(b))) });
    if (isAllowed(name, 32))
      list.push({ name: `${name}32`, code: () => [apply(narrow)], want: (a, b) => u32(model(32)(s32(a), s32(b))) });
  }
  for (const [name, wide, narrow, sign, predicate] of jumps) {
    for (const [operation, suffix, bits] of [
      [wide, '', 64],
      [narrow, '32', 32],
    ] as const) {
      const cut = (value: bigint) => (sign === 'signed' ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value));
      const jump = (target: string) =>
        immediate === undefined ? operation.reg(r1, r2, target) : operation.imm(r1, immediate, target);
      list.push({
        name: `${name}${suffix}`,
        code: (i) => [
          asm.mov.imm(r3, 1),
          jump(`taken${i}`),
          asm.mov.imm(r3, 0),
          asm.label(`taken${i}`),
          asm.mov.reg(r1, r3),
        ],
        want: (a, b) => (predicate(cut(a), cut(b)) ? 1n : 0n),
      });
    }
  }
  if (immediate === undefined)
    for (const [name, code, model] of unary) list.push({ name, code: () => [code(r1)], want: (a) => model(a) });
  return list;
}

/** Loads both operands anew for each case, so that the verifier forgets what the last jump told it of them. */
function programOf(list: readonly Case[]): asm.Code {
  const bytes = 16 + 8 * list.length;
  return [
    asm.load(r6, r1, XDP_MD.data, 4),
    asm.load(r4, r1, XDP_MD.dataEnd, 4),
    asm.mov.reg(r5, r6),
    asm.add.imm(r5, bytes),
    asm.jgt.reg(r5, r4, 'end'),
    ...list.flatMap(({ code }, i) => [
      asm.load(r1, r6, 0, 8),
      asm.load(r2, r6, 8, 8),
      ...code(i),
      asm.store(r6, 16 + 8 * i, r1, 8),
    ]),
    asm.label('end'),
    asm.mov.imm(r0, XDP_PASS),
    asm.exit(),
  ];
}

const EDGES = [0n, 1n, 2n, 31n, 32n, 63n, 64n, 0x7fn, 0x80n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn];
EDGES.push(0x1_0000_0000n, 0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn);

function compare(immediate: number | undefined, rounds: number): void {
  const seed = Number(process.env.PEN_TEST_SEED ?? Date.now() % 1e9);
  const random = seededRandom(seed);
  const operand = () =>
    random(3) === 0 ? EDGES[random(EDGES.length)] : u64((BigInt(random(2 ** 32)) << 32n) | BigInt(random(2 ** 32)));
  const list = cases(immediate);
  const program = Program.load({ name: 'semantics', code: programOf(list) });
  const run = new TestRun(program);
  try {
    const input = new DataView(run.input.buffer, run.input.byteOffset);
    const output = new DataView(run.output.buffer, run.output.byteOffset);
    for (let round = 0; round < rounds; round++) {
      const a = operand();
      const b = immediate === undefined ? operand() : BigInt(immediate);
      input.setBigUint64(0, a, true);
      input.setBigUint64(8, u64(b), true);
      assert.equal(run.run(16 + 8 * list.length), XDP_PASS);
      list.forEach(({ name, want }, i) => {
        const got = output.getBigUint64(16 + 8 * i, true);
        assert.equal(got, want(a, b), `${name} of ${a} and ${b}, seed ${seed}`);
      });
    }
  } finally {
    run.close();
    program.close();
  }
}

test('every operation on registers does in the kernel what the model says', needsBpf, () => compare(undefined, 1000));

test('every operation with an immediate does in the kernel what the model says', needsBpf, () => {
  for (const immediate of [0, 1, 5, 31, 33, 63, 255, -1, -7, 0x7fff_ffff, -0x8000_0000]) compare(immediate, 100);
});
