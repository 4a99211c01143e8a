/** From instructions with labels to the kernel's bytes, in two passes: where labels lie, then how far jumps go. */
import { BPF_CALL, BPF_INSN_BYTES, BPF_JA, BPF_JMP, BPF_JMP32 } from '../../sys/uapi/bpf.js';
import { type Code, type Instruction, isLabel, slotsOf } from './instruction.js';

/** A program that cannot be put together: a mistake of whoever wrote it, never of the kernel. */
export class AssemblyError extends Error {
  readonly code = 'ERR_PEN_BPF_ASSEMBLY';

  constructor(message: string) {
    super(`cannot assemble: ${message}`);
    this.name = 'AssemblyError';
  }
}

export interface Assembly {
  /** What BPF_PROG_LOAD takes. */
  readonly bytes: Uint8Array;
  /** Slot numbers of the labels, the way the verifier counts instructions. */
  readonly labels: ReadonlyMap<string, number>;
}

/** Descriptors for the names of maps. */
export type MapDescriptors = Readonly<Record<string, number>>;

const CALL = BPF_JMP | BPF_CALL;
const JUMP = BPF_JMP | BPF_JA;
const JUMP_FAR = BPF_JMP32 | BPF_JA;

/**
 * The bytes of a program. Throws an AssemblyError that names the instruction: a label that is missing or there
 * twice, a conditional jump over more than 32,767 slots, a map without a descriptor.
 */
export function assemble(code: Code, maps: MapDescriptors = {}): Assembly {
  const labels = locate(code);
  const slots = code.reduce((sum, item) => sum + (isLabel(item) ? 0 : slotsOf(item)), 0);
  const view = new DataView(new ArrayBuffer(slots * BPF_INSN_BYTES));
  let slot = 0;
  for (const item of code) {
    if (isLabel(item)) continue;
    const resolved = item.target === undefined ? item : aim(item, slot, labels);
    write(view, slot, resolved, item.map === undefined ? undefined : descriptor(item.map, slot, maps));
    slot += slotsOf(item);
  }
  return { bytes: new Uint8Array(view.buffer), labels };
}

/** Where each label lies, in slots. */
export function locate(code: Code): Map<string, number> {
  const labels = new Map<string, number>();
  let slot = 0;
  for (const item of code) {
    if (!isLabel(item)) slot += slotsOf(item);
    else if (labels.has(item.label))
      throw new AssemblyError(`label '${item.label}' at ${slot} is there already, at ${labels.get(item.label)}`);
    else labels.set(item.label, slot);
  }
  return labels;
}

function aim(item: Instruction, slot: number, labels: ReadonlyMap<string, number>): Instruction {
  const to = labels.get(item.target as string);
  if (to === undefined)
    throw new AssemblyError(`instruction ${slot} leads to '${item.target}', a label that is not there`);
  const distance = to - slot - 1;
  if (item.opcode === CALL || item.opcode === JUMP_FAR) return { ...item, immediate: distance };
  if (distance >= -0x8000 && distance <= 0x7fff) return { ...item, offset: distance };
  if (item.opcode === JUMP) return { ...item, opcode: JUMP_FAR, immediate: distance };
  throw new AssemblyError(
    `instruction ${slot} jumps to '${item.target}', ${distance} slots away (at most 32,767 with a condition)`,
  );
}

function descriptor(name: string, slot: number, maps: MapDescriptors): number {
  const fd = maps[name];
  if (fd === undefined)
    throw new AssemblyError(`instruction ${slot} uses map '${name}', for which no descriptor is given`);
  return fd;
}

function write(view: DataView, slot: number, item: Instruction, fd: number | undefined): void {
  const at = slot * BPF_INSN_BYTES;
  view.setUint8(at, item.opcode);
  view.setUint8(at + 1, (item.src << 4) | item.dst);
  view.setInt16(at + 2, item.offset, true);
  if (item.wide === undefined) {
    view.setInt32(at + 4, item.immediate, true);
    return;
  }
  view.setUint32(at + 4, fd ?? Number(item.wide & 0xffff_ffffn), true);
  view.setUint32(at + 12, Number(item.wide >> 32n), true);
}
