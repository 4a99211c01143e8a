/** Loads, stores and atomic operations: `load(r1, r6, 12, 2)` is r1 = the two bytes at r6 + 12. */
import * as uapi from '../../sys/uapi/bpf.js';
import { type Instruction, instruction, type Register } from './instruction.js';

/** Bytes that one load or store moves. */
export type Width = 1 | 2 | 4 | 8;

const SIZE: Record<Width, number> = { 1: uapi.BPF_B, 2: uapi.BPF_H, 4: uapi.BPF_W, 8: uapi.BPF_DW };

/** dst = the bytes at base + offset; what is above them becomes zero. */
export function load(dst: Register, base: Register, offset: number, width: Width): Instruction {
  return instruction(uapi.BPF_LDX | uapi.BPF_MEM | SIZE[width], { dst, src: base, offset });
}

/** dst = the bytes at base + offset with their sign; requires kernel 6.6. */
export function loadSigned(dst: Register, base: Register, offset: number, width: 1 | 2 | 4): Instruction {
  return instruction(uapi.BPF_LDX | uapi.BPF_MEMSX | SIZE[width], { dst, src: base, offset });
}

/** The bytes at base + offset = the lower ones of src. */
export function store(base: Register, offset: number, src: Register, width: Width): Instruction {
  return instruction(uapi.BPF_STX | uapi.BPF_MEM | SIZE[width], { dst: base, src, offset });
}

/** The bytes at base + offset = value (its sign extended where they are eight). */
export function storeImm(base: Register, offset: number, value: number, width: Width): Instruction {
  const immediate = width < 8 && value > 0x7fff_ffff && value <= 0xffff_ffff ? value - 0x1_0000_0000 : value;
  return instruction(uapi.BPF_ST | uapi.BPF_MEM | SIZE[width], { dst: base, offset, immediate });
}

const LOAD_WIDE = uapi.BPF_LD | uapi.BPF_DW | uapi.BPF_IMM;

/** dst = value, all 64 bits of it (signed or unsigned). */
export function loadImm64(dst: Register, value: bigint): Instruction {
  if (value < -(1n << 63n) || value >= 1n << 64n) throw new RangeError(`immediate ${value} does not fit 64 bits`);
  return { opcode: LOAD_WIDE, dst: dst.index, src: 0, offset: 0, immediate: 0, wide: BigInt.asUintN(64, value) };
}

/** dst = the map, as the helpers take it. */
export function loadMap(dst: Register, map: string): Instruction {
  return { ...loadImm64(dst, 0n), src: uapi.BPF_PSEUDO_MAP_FD, map };
}

/** dst = the address of byte `offset` of the only value of an array; requires kernel 5.2. */
export function loadMapValue(dst: Register, map: string, offset = 0): Instruction {
  return { ...loadImm64(dst, BigInt(offset) << 32n), src: uapi.BPF_PSEUDO_MAP_VALUE, map };
}

export interface AtomicOperation {
  /** The memory at base + offset op= src. */
  on(base: Register, offset: number, src: Register, width: 4 | 8): Instruction;
  /** The same, and src = what was there before; requires kernel 5.12. */
  fetch(base: Register, offset: number, src: Register, width: 4 | 8): Instruction;
}

function atomic(immediate: number): (base: Register, offset: number, src: Register, width: 4 | 8) => Instruction {
  return (dst, offset, src, width) =>
    instruction(uapi.BPF_STX | uapi.BPF_ATOMIC | SIZE[width], { dst, src, offset, immediate });
}

const atomicOperation = (code: number): AtomicOperation => ({
  on: atomic(code),
  fetch: atomic(code | uapi.BPF_FETCH),
});

export const atomicAdd = atomicOperation(uapi.BPF_ADD);
export const atomicOr = atomicOperation(uapi.BPF_OR);
export const atomicAnd = atomicOperation(uapi.BPF_AND);
export const atomicXor = atomicOperation(uapi.BPF_XOR);
/** Swaps src and the memory at base + offset; requires kernel 5.12. */
export const atomicExchange = atomic(uapi.BPF_XCHG);
/** If the memory at base + offset is r0, it becomes src; r0 = what was there before; requires kernel 5.12. */
export const atomicCompareExchange = atomic(uapi.BPF_CMPXCHG);
