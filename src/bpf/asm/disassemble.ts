/** From the kernel's bytes back to instructions with labels: `assemble(disassemble(bytes))` gives the same bytes. */
import {
  BPF_CALL,
  BPF_DW,
  BPF_EXIT,
  BPF_IMM,
  BPF_INSN_BYTES,
  BPF_JA,
  BPF_JMP,
  BPF_JMP32,
  BPF_LD,
  BPF_PSEUDO_CALL,
} from '../../sys/uapi/bpf.js';
import { type Code, type Instruction, type Item, label } from './instruction.js';
import { describeKnown } from './listing.js';

/** Bytes that are no program. */
export class DisassemblyError extends Error {
  readonly code = 'ERR_PEN_BPF_DISASSEMBLY';

  constructor(message: string) {
    super(`cannot disassemble: ${message}`);
    this.name = 'DisassemblyError';
  }
}

const LOAD_WIDE = BPF_LD | BPF_DW | BPF_IMM;

/** Labels are called `L` and the slot they lie at. Throws a DisassemblyError for an unknown opcode or a jump to nowhere. */
export function disassemble(bytes: Uint8Array): Code {
  if (bytes.length % BPF_INSN_BYTES !== 0)
    throw new DisassemblyError(`${bytes.length} bytes are no whole number of instructions`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const slots = bytes.length / BPF_INSN_BYTES;
  const instructions = new Map<number, Instruction>();
  for (let slot = 0; slot < slots; ) {
    const item = read(view, slot, slots);
    instructions.set(slot, item);
    slot += item.wide === undefined ? 1 : 2;
  }
  const targets = new Set<number>();
  const aimed = new Map<number, Instruction>();
  for (const [slot, item] of instructions) {
    const distance = distanceOf(item);
    if (distance === undefined) {
      aimed.set(slot, item);
      continue;
    }
    const to = slot + 1 + distance;
    // A label may lie at the end, where no instruction is; the verifier refuses that, we can still show it.
    if (!instructions.has(to) && to !== slots)
      throw new DisassemblyError(`instruction ${slot} leads to ${to}, where none begins`);
    targets.add(to);
    const isFar = item.opcode === (BPF_JMP32 | BPF_JA) || item.opcode === (BPF_JMP | BPF_CALL);
    aimed.set(slot, { ...item, ...(isFar ? { immediate: 0 } : { offset: 0 }), target: `L${to}` });
  }
  const code: Item[] = [];
  for (const [slot, item] of aimed) {
    if (targets.has(slot)) code.push(label(`L${slot}`));
    code.push(item);
  }
  if (targets.has(slots)) code.push(label(`L${slots}`));
  return code;
}

function read(view: DataView, slot: number, slots: number): Instruction {
  const at = slot * BPF_INSN_BYTES;
  const registers = view.getUint8(at + 1);
  const opcode = view.getUint8(at);
  const item = {
    opcode,
    dst: registers & 0x0f,
    src: registers >> 4,
    offset: view.getInt16(at + 2, true),
    immediate: view.getInt32(at + 4, true),
  };
  if (describeKnown(item) === undefined)
    throw new DisassemblyError(`instruction ${slot} has the unknown opcode 0x${opcode.toString(16)}`);
  if (opcode !== LOAD_WIDE) return item;
  if (slot + 1 === slots) throw new DisassemblyError(`instruction ${slot} lacks its second half`);
  if (view.getUint32(at + 8, true) !== 0)
    throw new DisassemblyError(`instruction ${slot} has a second half that is not one`);
  const wide = (BigInt(view.getUint32(at + 12, true)) << 32n) | BigInt(view.getUint32(at + 4, true));
  return { ...item, immediate: 0, wide };
}

/** How far a jump or call goes; undefined for what does not go anywhere. */
function distanceOf(item: Instruction): number | undefined {
  const kind = item.opcode & 0x07;
  if (kind !== BPF_JMP && kind !== BPF_JMP32) return undefined;
  const code = item.opcode & 0xf0;
  if (code === BPF_EXIT) return undefined;
  if (code === BPF_CALL) return item.src === BPF_PSEUDO_CALL ? item.immediate : undefined;
  return item.opcode === (BPF_JMP32 | BPF_JA) ? item.immediate : item.offset;
}
