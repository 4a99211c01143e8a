/**
 * What a program is made of: instructions and labels, as values. Nothing here knows the kernel.
 *
 *   63               32 31         16 15   12 11    8 7         0
 *   │    immediate     │   offset    │  src  │  dst  │  opcode   │      struct bpf_insn, little-endian
 *
 * An instruction with a 64-bit immediate takes two such slots; the second has only the upper half.
 */

/** r0 (results) to r10 (the read-only frame pointer). */
export interface Register {
  readonly index: number;
}

const register = (index: number): Register => Object.freeze({ index });

export const r0 = register(0);
export const r1 = register(1);
export const r2 = register(2);
export const r3 = register(3);
export const r4 = register(4);
export const r5 = register(5);
export const r6 = register(6);
export const r7 = register(7);
export const r8 = register(8);
export const r9 = register(9);
export const r10 = register(10);

export interface Instruction {
  readonly opcode: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  /** Signed 32 bits; 0 where `wide` holds it. */
  readonly immediate: number;
  /** The 64-bit immediate of an instruction of two slots, unsigned. */
  readonly wide?: bigint;
  /** The label that a jump or call leads to; its distance is worked out at assembly. */
  readonly target?: string;
  /** The map whose descriptor is put in at assembly. */
  readonly map?: string;
}

/** A place that jumps lead to: before the instruction that follows. */
export interface Label {
  readonly label: string;
}

export type Item = Instruction | Label;

/** A program in the order in which it will lie in memory. */
export type Code = readonly Item[];

export function label(name: string): Label {
  return { label: name };
}

export function isLabel(item: Item): item is Label {
  return 'label' in item;
}

/** 8-byte slots that the instruction takes. */
export function slotsOf(instruction: Instruction): number {
  return instruction.wide === undefined ? 1 : 2;
}

/** An instruction from those fields that are not zero; throws a RangeError for what has no room in its field. */
export function instruction(
  opcode: number,
  fields: {
    readonly dst?: Register;
    readonly src?: Register;
    readonly offset?: number;
    readonly immediate?: number;
    readonly target?: string;
  },
): Instruction {
  const { offset = 0, immediate = 0, target } = fields;
  if (!Number.isInteger(offset) || offset < -0x8000 || offset > 0x7fff)
    throw new RangeError(`offset ${offset} does not fit 16 bits`);
  if (!Number.isInteger(immediate) || immediate < -0x8000_0000 || immediate > 0x7fff_ffff)
    throw new RangeError(`immediate ${immediate} does not fit 32 bits (signed; loadImm64 takes 64)`);
  const base = { opcode, dst: fields.dst?.index ?? 0, src: fields.src?.index ?? 0, offset, immediate };
  return target === undefined ? base : { ...base, target };
}
