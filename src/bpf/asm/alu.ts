/** Arithmetic: `add.imm(r1, 22)` is r1 += 22, `add32.reg(r1, r2)` is w1 += w2 (which zeroes the upper half of r1). */
import * as uapi from '../../sys/uapi/bpf.js';
import { type Instruction, instruction, type Register } from './instruction.js';

/** One operation on 64 bits, or on the lower 32. */
export interface AluOperation {
  /** dst op= value. 64-bit operations extend the sign of `value`; 32-bit ones take it signed or unsigned. */
  imm(dst: Register, value: number): Instruction;
  /** dst op= src. */
  reg(dst: Register, src: Register): Instruction;
}

function operation(aluClass: number, code: number, offset = 0): AluOperation {
  const is32 = aluClass === uapi.BPF_ALU;
  return {
    imm(dst, value) {
      // What a 32-bit operation works on is the same 32 bits either way.
      const immediate = is32 && value > 0x7fff_ffff && value <= 0xffff_ffff ? value - 0x1_0000_0000 : value;
      return instruction(aluClass | uapi.BPF_K | code, { dst, offset, immediate });
    },
    reg: (dst, src) => instruction(aluClass | uapi.BPF_X | code, { dst, src, offset }),
  };
}

export const add = operation(uapi.BPF_ALU64, uapi.BPF_ADD);
export const sub = operation(uapi.BPF_ALU64, uapi.BPF_SUB);
export const mul = operation(uapi.BPF_ALU64, uapi.BPF_MUL);
/** Unsigned; by zero gives 0. */
export const div = operation(uapi.BPF_ALU64, uapi.BPF_DIV);
/** Unsigned; by zero leaves dst as it is. */
export const mod = operation(uapi.BPF_ALU64, uapi.BPF_MOD);
/** Signed, towards zero; requires kernel 6.6. */
export const sdiv = operation(uapi.BPF_ALU64, uapi.BPF_DIV, 1);
/** Signed, with the dividend's sign; requires kernel 6.6. */
export const smod = operation(uapi.BPF_ALU64, uapi.BPF_MOD, 1);
export const or = operation(uapi.BPF_ALU64, uapi.BPF_OR);
export const and = operation(uapi.BPF_ALU64, uapi.BPF_AND);
export const xor = operation(uapi.BPF_ALU64, uapi.BPF_XOR);
export const lsh = operation(uapi.BPF_ALU64, uapi.BPF_LSH);
export const rsh = operation(uapi.BPF_ALU64, uapi.BPF_RSH);
export const arsh = operation(uapi.BPF_ALU64, uapi.BPF_ARSH);
export const mov = operation(uapi.BPF_ALU64, uapi.BPF_MOV);

export const add32 = operation(uapi.BPF_ALU, uapi.BPF_ADD);
export const sub32 = operation(uapi.BPF_ALU, uapi.BPF_SUB);
export const mul32 = operation(uapi.BPF_ALU, uapi.BPF_MUL);
export const div32 = operation(uapi.BPF_ALU, uapi.BPF_DIV);
export const mod32 = operation(uapi.BPF_ALU, uapi.BPF_MOD);
export const sdiv32 = operation(uapi.BPF_ALU, uapi.BPF_DIV, 1);
export const smod32 = operation(uapi.BPF_ALU, uapi.BPF_MOD, 1);
export const or32 = operation(uapi.BPF_ALU, uapi.BPF_OR);
export const and32 = operation(uapi.BPF_ALU, uapi.BPF_AND);
export const xor32 = operation(uapi.BPF_ALU, uapi.BPF_XOR);
export const lsh32 = operation(uapi.BPF_ALU, uapi.BPF_LSH);
export const rsh32 = operation(uapi.BPF_ALU, uapi.BPF_RSH);
export const arsh32 = operation(uapi.BPF_ALU, uapi.BPF_ARSH);
export const mov32 = operation(uapi.BPF_ALU, uapi.BPF_MOV);

/** dst = -dst. */
export function neg(dst: Register): Instruction {
  return instruction(uapi.BPF_ALU64 | uapi.BPF_NEG, { dst });
}

export function neg32(dst: Register): Instruction {
  return instruction(uapi.BPF_ALU | uapi.BPF_NEG, { dst });
}

/** dst = the lower `bits` of src with their sign; requires kernel 6.6. */
export function movSigned(dst: Register, src: Register, bits: 8 | 16 | 32): Instruction {
  return instruction(uapi.BPF_ALU64 | uapi.BPF_X | uapi.BPF_MOV, { dst, src, offset: bits });
}

export function movSigned32(dst: Register, src: Register, bits: 8 | 16): Instruction {
  return instruction(uapi.BPF_ALU | uapi.BPF_X | uapi.BPF_MOV, { dst, src, offset: bits });
}

/** dst = its lower `bits` from host to network order or back; the rest becomes zero. */
export function toBe(dst: Register, bits: 16 | 32 | 64): Instruction {
  return instruction(uapi.BPF_ALU | uapi.BPF_TO_BE | uapi.BPF_END, { dst, immediate: bits });
}

/** dst = its lower `bits` from host to little-endian order or back: cuts off the rest on little-endian hosts. */
export function toLe(dst: Register, bits: 16 | 32 | 64): Instruction {
  return instruction(uapi.BPF_ALU | uapi.BPF_TO_LE | uapi.BPF_END, { dst, immediate: bits });
}

/** dst = its lower `bits` with the bytes reversed, whatever the host's order; requires kernel 6.6. */
export function bswap(dst: Register, bits: 16 | 32 | 64): Instruction {
  return instruction(uapi.BPF_ALU64 | uapi.BPF_END, { dst, immediate: bits });
}
