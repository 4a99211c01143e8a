/** Jumps and calls: `jgt.reg(r3, r2, 'drop')` goes to the label 'drop' if r3 > r2. */
import * as uapi from '../../sys/uapi/bpf.js';
import { type Instruction, instruction, type Register } from './instruction.js';

export interface JumpOperation {
  /** Compares with `value`: its sign is extended to 64 bits; 32-bit comparisons take it signed or unsigned. */
  imm(dst: Register, value: number, target: string): Instruction;
  reg(dst: Register, src: Register, target: string): Instruction;
}

function operation(jumpClass: number, code: number): JumpOperation {
  const is32 = jumpClass === uapi.BPF_JMP32;
  return {
    imm(dst, value, target) {
      const immediate = is32 && value > 0x7fff_ffff && value <= 0xffff_ffff ? value - 0x1_0000_0000 : value;
      return instruction(jumpClass | uapi.BPF_K | code, { dst, immediate, target });
    },
    reg: (dst, src, target) => instruction(jumpClass | uapi.BPF_X | code, { dst, src, target }),
  };
}

export const jeq = operation(uapi.BPF_JMP, uapi.BPF_JEQ);
export const jne = operation(uapi.BPF_JMP, uapi.BPF_JNE);
export const jgt = operation(uapi.BPF_JMP, uapi.BPF_JGT);
export const jge = operation(uapi.BPF_JMP, uapi.BPF_JGE);
export const jlt = operation(uapi.BPF_JMP, uapi.BPF_JLT);
export const jle = operation(uapi.BPF_JMP, uapi.BPF_JLE);
/** If any of the bits is set. */
export const jset = operation(uapi.BPF_JMP, uapi.BPF_JSET);
export const jsgt = operation(uapi.BPF_JMP, uapi.BPF_JSGT);
export const jsge = operation(uapi.BPF_JMP, uapi.BPF_JSGE);
export const jslt = operation(uapi.BPF_JMP, uapi.BPF_JSLT);
export const jsle = operation(uapi.BPF_JMP, uapi.BPF_JSLE);

// On the lower halves; requires kernel 5.1.
export const jeq32 = operation(uapi.BPF_JMP32, uapi.BPF_JEQ);
export const jne32 = operation(uapi.BPF_JMP32, uapi.BPF_JNE);
export const jgt32 = operation(uapi.BPF_JMP32, uapi.BPF_JGT);
export const jge32 = operation(uapi.BPF_JMP32, uapi.BPF_JGE);
export const jlt32 = operation(uapi.BPF_JMP32, uapi.BPF_JLT);
export const jle32 = operation(uapi.BPF_JMP32, uapi.BPF_JLE);
export const jset32 = operation(uapi.BPF_JMP32, uapi.BPF_JSET);
export const jsgt32 = operation(uapi.BPF_JMP32, uapi.BPF_JSGT);
export const jsge32 = operation(uapi.BPF_JMP32, uapi.BPF_JSGE);
export const jslt32 = operation(uapi.BPF_JMP32, uapi.BPF_JSLT);
export const jsle32 = operation(uapi.BPF_JMP32, uapi.BPF_JSLE);

/** Goes to the label; one that is more than 32,767 slots away gets the 32-bit form, which requires kernel 6.6. */
export function ja(target: string): Instruction {
  return instruction(uapi.BPF_JMP | uapi.BPF_JA, { target });
}

/** Calls the function that begins at the label: r1 to r5 are its arguments and lost, r6 to r9 stay, r0 is the result. */
export function call(target: string): Instruction {
  return { ...instruction(uapi.BPF_JMP | uapi.BPF_CALL, { target }), src: uapi.BPF_PSEUDO_CALL };
}

export function exit(): Instruction {
  return instruction(uapi.BPF_JMP | uapi.BPF_EXIT, {});
}

export type HelperName = keyof typeof uapi.BPF_FUNC;

/** Calls a function of the kernel: r1 to r5 are its arguments and lost, r6 to r9 stay, r0 is the result. */
export function callHelper(name: HelperName): Instruction {
  return instruction(uapi.BPF_JMP | uapi.BPF_CALL, { immediate: uapi.BPF_FUNC[name] });
}
