/** Comparisons as values, so that a block can be entered when one holds or left when it does not. */
import * as asm from '../asm/index.js';

/** A comparison of a register with a number or another register. */
export interface Condition {
  /** Jumps to `target` if it holds. */
  readonly jump: (target: string) => asm.Instruction;
  /** Jumps to `target` if it does not; there is none for bits (`anyBit`). */
  readonly jumpUnless?: (target: string) => asm.Instruction;
}

type Operand = asm.Register | number;
type Comparison = (left: asm.Register, right: Operand) => Condition;

function comparison(holds: asm.JumpOperation, fails?: asm.JumpOperation): Comparison {
  const jump = (operation: asm.JumpOperation, left: asm.Register, right: Operand) => (target: string) =>
    typeof right === 'number' ? operation.imm(left, right, target) : operation.reg(left, right, target);
  return (left, right) => ({
    jump: jump(holds, left, right),
    ...(fails === undefined ? {} : { jumpUnless: jump(fails, left, right) }),
  });
}

export const equal = comparison(asm.jeq, asm.jne);
export const unequal = comparison(asm.jne, asm.jeq);
export const above = comparison(asm.jgt, asm.jle);
export const below = comparison(asm.jlt, asm.jge);
export const atLeast = comparison(asm.jge, asm.jlt);
export const atMost = comparison(asm.jle, asm.jgt);
/** Any of the bits in `right` is set in `left`. */
export const anyBit = comparison(asm.jset);

// On the lower halves of the registers, unsigned.
export const equal32 = comparison(asm.jeq32, asm.jne32);
export const unequal32 = comparison(asm.jne32, asm.jeq32);
export const above32 = comparison(asm.jgt32, asm.jle32);
export const below32 = comparison(asm.jlt32, asm.jge32);
export const atLeast32 = comparison(asm.jge32, asm.jlt32);
export const atMost32 = comparison(asm.jle32, asm.jgt32);
