import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as asm from './index.js';

const { r0, r1, r2, r3, r6, r7, r9, r10 } = asm;

// Opcodes worked out by hand from instruction-set.rst: class, source and operation, or size and mode.
const table: ReadonlyArray<readonly [string, asm.Instruction, string]> = [
  ['r1 += 22', asm.add.imm(r1, 22), '07 01 0000 16000000'],
  ['r1 += r2', asm.add.reg(r1, r2), '0f 21 0000 00000000'],
  ['w1 += -1', asm.add32.imm(r1, -1), '04 01 0000 ffffffff'],
  ['w1 += w2', asm.add32.reg(r1, r2), '0c 21 0000 00000000'],
  ['r1 -= 1', asm.sub.imm(r1, 1), '17 01 0000 01000000'],
  ['r9 *= r1', asm.mul.reg(r9, r1), '2f 19 0000 00000000'],
  ['r1 /= 10', asm.div.imm(r1, 10), '37 01 0000 0a000000'],
  ['r1 s/= 10', asm.sdiv.imm(r1, 10), '37 01 0100 0a000000'],
  ['w1 s%= w2', asm.smod32.reg(r1, r2), '9c 21 0100 00000000'],
  ['r1 |= 64', asm.or.imm(r1, 64), '47 01 0000 40000000'],
  ['r1 &= r2', asm.and.reg(r1, r2), '5f 21 0000 00000000'],
  ['w1 &= -1', asm.and32.imm(r1, 0xffff_ffff), '54 01 0000 ffffffff'],
  ['r1 <<= 8', asm.lsh.imm(r1, 8), '67 01 0000 08000000'],
  ['w1 >>= w2', asm.rsh32.reg(r1, r2), '7c 21 0000 00000000'],
  ['r1 = -r1', asm.neg(r1), '87 01 0000 00000000'],
  ['w1 = -w1', asm.neg32(r1), '84 01 0000 00000000'],
  ['r1 %= 7', asm.mod.imm(r1, 7), '97 01 0000 07000000'],
  ['r1 ^= r1', asm.xor.reg(r1, r1), 'af 11 0000 00000000'],
  ['r0 = 2', asm.mov.imm(r0, 2), 'b7 00 0000 02000000'],
  ['w0 = 2', asm.mov32.imm(r0, 2), 'b4 00 0000 02000000'],
  ['r6 = r1', asm.mov.reg(r6, r1), 'bf 16 0000 00000000'],
  ['r6 = (s16)r1', asm.movSigned(r6, r1, 16), 'bf 16 1000 00000000'],
  ['w6 = (s8)w1', asm.movSigned32(r6, r1, 8), 'bc 16 0800 00000000'],
  ['r1 s>>= 63', asm.arsh.imm(r1, 63), 'c7 01 0000 3f000000'],
  ['r1 = le64 r1', asm.toLe(r1, 64), 'd4 01 0000 40000000'],
  ['r1 = be16 r1', asm.toBe(r1, 16), 'dc 01 0000 10000000'],
  ['r1 = bswap32 r1', asm.bswap(r1, 32), 'd7 01 0000 20000000'],
  ['r1 = *(u8 *)(r6 +9)', asm.load(r1, r6, 9, 1), '71 61 0900 00000000'],
  ['r1 = *(u16 *)(r6 +12)', asm.load(r1, r6, 12, 2), '69 61 0c00 00000000'],
  ['r1 = *(u32 *)(r6 +0)', asm.load(r1, r6, 0, 4), '61 61 0000 00000000'],
  ['r1 = *(u64 *)(r10 -8)', asm.load(r1, r10, -8, 8), '79 a1 f8ff 00000000'],
  ['r1 = *(s16 *)(r6 +2)', asm.loadSigned(r1, r6, 2, 2), '89 61 0200 00000000'],
  ['*(u32 *)(r10 -4) = r1', asm.store(r10, -4, r1, 4), '63 1a fcff 00000000'],
  ['*(u8 *)(r6 +1) = 255', asm.storeImm(r6, 1, 255, 1), '72 06 0100 ff000000'],
  ['*(u64 *)(r10 -8) = 0', asm.storeImm(r10, -8, 0, 8), '7a 0a f8ff 00000000'],
  ['*(u32 *)(r10 -4) = -1', asm.storeImm(r10, -4, 0xffff_ffff, 4), '62 0a fcff ffffffff'],
  ['lock *(u64 *)(r1 +8) += r2', asm.atomicAdd.on(r1, 8, r2, 8), 'db 21 0800 00000000'],
  ['r2 = atomic_fetch_or((u32 *)(r1 +0), r2)', asm.atomicOr.fetch(r1, 0, r2, 4), 'c3 21 0000 41000000'],
  ['r2 = atomic64_xchg((u64 *)(r1 +0), r2)', asm.atomicExchange(r1, 0, r2, 8), 'db 21 0000 e1000000'],
  ['r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)', asm.atomicCompareExchange(r1, 0, r2, 8), 'db 21 0000 f1000000'],
  ['r3 = 0x123456789abcdef0', asm.loadImm64(r3, 0x123456789abcdef0n), '18 03 0000 f0debc9a 00 00 0000 78563412'],
  ['r3 = 0xffffffffffffffff', asm.loadImm64(r3, -1n), '18 03 0000 ffffffff 00 00 0000 ffffffff'],
  ['call map_lookup_elem#1', asm.callHelper('map_lookup_elem'), '85 00 0000 01000000'],
  ['call ktime_get_ns#5', asm.callHelper('ktime_get_ns'), '85 00 0000 05000000'],
  ['exit', asm.exit(), '95 00 0000 00000000'],
];

for (const [text, instruction, bytes] of table) {
  test(`\`${text}\` has the bytes of instruction-set.rst`, () => {
    assert.equal(hex(asm.assemble([instruction]).bytes), bytes.replaceAll(' ', ''));
    assert.equal(asm.describe(instruction), text);
  });
}

// To the next but one instruction: a distance of 1.
const jumps: ReadonlyArray<readonly [string, asm.Instruction, string]> = [
  ['goto end', asm.ja('end'), '05 00 0100 00000000'],
  ['if r1 == 0x5 goto end', asm.jeq.imm(r1, 5, 'end'), '15 01 0100 05000000'],
  ['if r1 > r2 goto end', asm.jgt.reg(r1, r2, 'end'), '2d 21 0100 00000000'],
  ['if r1 >= 0x1 goto end', asm.jge.imm(r1, 1, 'end'), '35 01 0100 01000000'],
  ['if r1 & 0x1 goto end', asm.jset.imm(r1, 1, 'end'), '45 01 0100 01000000'],
  ['if r1 != r7 goto end', asm.jne.reg(r1, r7, 'end'), '5d 71 0100 00000000'],
  ['if r1 s> -0x1 goto end', asm.jsgt.imm(r1, -1, 'end'), '65 01 0100 ffffffff'],
  ['if r1 s>= 0x0 goto end', asm.jsge.imm(r1, 0, 'end'), '75 01 0100 00000000'],
  ['if r1 < 0x3 goto end', asm.jlt.imm(r1, 3, 'end'), 'a5 01 0100 03000000'],
  ['if r1 <= r2 goto end', asm.jle.reg(r1, r2, 'end'), 'bd 21 0100 00000000'],
  ['if r1 s< r2 goto end', asm.jslt.reg(r1, r2, 'end'), 'cd 21 0100 00000000'],
  ['if r1 s<= 0x9 goto end', asm.jsle.imm(r1, 9, 'end'), 'd5 01 0100 09000000'],
  ['if w1 == -0x1 goto end', asm.jeq32.imm(r1, 0xffff_ffff, 'end'), '16 01 0100 ffffffff'],
  ['if w1 < w2 goto end', asm.jlt32.reg(r1, r2, 'end'), 'ae 21 0100 00000000'],
  ['call end', asm.call('end'), '85 10 0000 01000000'],
];

for (const [text, instruction, bytes] of jumps) {
  test(`\`${text}\` has the bytes of instruction-set.rst`, () => {
    const assembly = asm.assemble([instruction, asm.exit(), asm.label('end'), asm.exit()]);
    assert.equal(hex(assembly.bytes.subarray(0, 8)), bytes.replaceAll(' ', ''));
    assert.equal(asm.describe(instruction), text);
  });
}

test('maps are referred to by descriptor, or by the address of their only value', () => {
  const code = [asm.loadMap(r1, 'flows'), asm.loadMapValue(r2, 'settings', 12)];
  assert.equal(
    hex(asm.assemble(code, { flows: 7, settings: 9 }).bytes),
    '181100000700000000000000000000001822000009000000000000000c000000',
  );
  assert.equal(asm.listing(code), '    0  r1 = map[flows]\n    2  r2 = map[settings].value +12\n');
});

test('what has no room in its field is refused where it is written', () => {
  assert.throws(() => asm.add.imm(r1, 0x8000_0000), {
    name: 'RangeError',
    message: 'immediate 2147483648 does not fit 32 bits (signed; loadImm64 takes 64)',
  });
  assert.throws(() => asm.add32.imm(r1, 0x1_0000_0000), /does not fit 32 bits/);
  assert.throws(() => asm.mov.imm(r1, 0.5), /immediate 0.5 does not fit/);
  assert.throws(() => asm.load(r1, r6, 0x8000, 4), { message: 'offset 32768 does not fit 16 bits' });
  assert.throws(() => asm.loadImm64(r1, 1n << 64n), /does not fit 64 bits/);
});

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
