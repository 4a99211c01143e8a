/** Programs as text, in the notation of the kernel's verifier log, so that the two can be read side by side. */
import * as uapi from '../../sys/uapi/bpf.js';
import { type Code, type Instruction, isLabel, slotsOf } from './instruction.js';

const ALU_SIGNS = new Map([
  [uapi.BPF_ADD, '+='],
  [uapi.BPF_SUB, '-='],
  [uapi.BPF_MUL, '*='],
  [uapi.BPF_DIV, '/='],
  [uapi.BPF_OR, '|='],
  [uapi.BPF_AND, '&='],
  [uapi.BPF_LSH, '<<='],
  [uapi.BPF_RSH, '>>='],
  [uapi.BPF_MOD, '%='],
  [uapi.BPF_XOR, '^='],
  [uapi.BPF_MOV, '='],
  [uapi.BPF_ARSH, 's>>='],
]);

const JUMP_SIGNS = new Map([
  [uapi.BPF_JEQ, '=='],
  [uapi.BPF_JGT, '>'],
  [uapi.BPF_JGE, '>='],
  [uapi.BPF_JSET, '&'],
  [uapi.BPF_JNE, '!='],
  [uapi.BPF_JSGT, 's>'],
  [uapi.BPF_JSGE, 's>='],
  [uapi.BPF_JLT, '<'],
  [uapi.BPF_JLE, '<='],
  [uapi.BPF_JSLT, 's<'],
  [uapi.BPF_JSLE, 's<='],
]);

const ATOMIC_NAMES = new Map([
  [uapi.BPF_ADD, ['add', '+=']],
  [uapi.BPF_OR, ['or', '|=']],
  [uapi.BPF_AND, ['and', '&=']],
  [uapi.BPF_XOR, ['xor', '^=']],
]);

const WIDTHS = new Map([
  [uapi.BPF_B, 8],
  [uapi.BPF_H, 16],
  [uapi.BPF_W, 32],
  [uapi.BPF_DW, 64],
]);

const helperNames = new Map<number, string>(Object.entries(uapi.BPF_FUNC).map(([name, id]) => [id, name]));

/** The program, a line an instruction, numbered in slots as the verifier does; labels on lines of their own. */
export function listing(code: Code): string {
  const lines: string[] = [];
  let slot = 0;
  for (const item of code) {
    if (isLabel(item)) {
      lines.push(`${item.label}:`);
      continue;
    }
    lines.push(`${String(slot).padStart(5)}  ${describe(item)}`);
    slot += slotsOf(item);
  }
  return `${lines.join('\n')}\n`;
}

/** One instruction; undefined if no instruction has that opcode. */
export function describeKnown(item: Instruction): string | undefined {
  switch (item.opcode & 0x07) {
    case uapi.BPF_ALU:
    case uapi.BPF_ALU64:
      return alu(item);
    case uapi.BPF_JMP:
    case uapi.BPF_JMP32:
      return jump(item);
    default:
      return memory(item);
  }
}

/** One instruction as text. */
export function describe(item: Instruction): string {
  return describeKnown(item) ?? `unknown opcode ${hex(item.opcode)}`;
}

function alu(item: Instruction): string | undefined {
  const is32 = (item.opcode & 0x07) === uapi.BPF_ALU;
  const letter = is32 ? 'w' : 'r';
  const dst = `${letter}${item.dst}`;
  const code = item.opcode & 0xf0;
  const fromRegister = (item.opcode & uapi.BPF_X) !== 0;
  if (code === uapi.BPF_NEG) return fromRegister ? undefined : `${dst} = -${dst}`;
  if (code === uapi.BPF_END) {
    if (!is32 && fromRegister) return undefined;
    const name = is32 ? (fromRegister ? 'be' : 'le') : 'bswap';
    return `r${item.dst} = ${name}${item.immediate} r${item.dst}`;
  }
  const sign = ALU_SIGNS.get(code);
  if (sign === undefined) return undefined;
  const operand = fromRegister ? `${letter}${item.src}` : `${item.immediate}`;
  if (code === uapi.BPF_MOV && fromRegister && item.offset !== 0) return `${dst} = (s${item.offset})${operand}`;
  const signed = (code === uapi.BPF_DIV || code === uapi.BPF_MOD) && item.offset === 1 ? 's' : '';
  return `${dst} ${signed}${sign} ${operand}`;
}

function jump(item: Instruction): string | undefined {
  const is32 = (item.opcode & 0x07) === uapi.BPF_JMP32;
  const fromRegister = (item.opcode & uapi.BPF_X) !== 0;
  const code = item.opcode & 0xf0;
  const target = (distance: number) => item.target ?? `pc${distance < 0 ? '' : '+'}${distance}`;
  if (code === uapi.BPF_JA && !fromRegister)
    return is32 ? `gotol ${target(item.immediate)}` : `goto ${target(item.offset)}`;
  if (code === uapi.BPF_CALL && !is32 && !fromRegister) {
    if (item.src === uapi.BPF_PSEUDO_CALL) return `call ${target(item.immediate)}`;
    return `call ${helperNames.get(item.immediate) ?? 'helper'}#${item.immediate}`;
  }
  if (code === uapi.BPF_EXIT && !is32 && !fromRegister) return 'exit';
  const sign = JUMP_SIGNS.get(code);
  if (sign === undefined) return undefined;
  const letter = is32 ? 'w' : 'r';
  const operand = fromRegister ? `${letter}${item.src}` : hex(item.immediate);
  return `if ${letter}${item.dst} ${sign} ${operand} goto ${target(item.offset)}`;
}

function memory(item: Instruction): string | undefined {
  const mode = item.opcode & 0xe0;
  const width = WIDTHS.get(item.opcode & 0x18) as number;
  const kind = item.opcode & 0x07;
  const at = (base: number, sign = 'u') =>
    `(${sign}${width} *)(r${base} ${item.offset < 0 ? '-' : '+'}${Math.abs(item.offset)})`;
  if (kind === uapi.BPF_LD) return mode === uapi.BPF_IMM && width === 64 ? wide(item) : undefined;
  if (kind === uapi.BPF_LDX && mode === uapi.BPF_MEM) return `r${item.dst} = *${at(item.src)}`;
  if (kind === uapi.BPF_LDX && mode === uapi.BPF_MEMSX && width < 64) return `r${item.dst} = *${at(item.src, 's')}`;
  if (kind === uapi.BPF_ST && mode === uapi.BPF_MEM) return `*${at(item.dst)} = ${item.immediate}`;
  if (kind === uapi.BPF_STX && mode === uapi.BPF_MEM) return `*${at(item.dst)} = r${item.src}`;
  if (kind === uapi.BPF_STX && mode === uapi.BPF_ATOMIC && width >= 32) return atomic(item, at(item.dst), width);
  return undefined;
}

function atomic(item: Instruction, place: string, width: number): string | undefined {
  const prefix = width === 64 ? 'atomic64' : 'atomic';
  if (item.immediate === uapi.BPF_XCHG) return `r${item.src} = ${prefix}_xchg(${place}, r${item.src})`;
  if (item.immediate === uapi.BPF_CMPXCHG) return `r0 = ${prefix}_cmpxchg(${place}, r0, r${item.src})`;
  const names = ATOMIC_NAMES.get(item.immediate & ~uapi.BPF_FETCH);
  if (names === undefined) return undefined;
  if ((item.immediate & uapi.BPF_FETCH) === 0) return `lock *${place} ${names[1]} r${item.src}`;
  return `r${item.src} = ${prefix}_fetch_${names[0]}(${place}, r${item.src})`;
}

function wide(item: Instruction): string {
  const value = item.wide ?? 0n;
  const map = item.map ?? `fd ${value & 0xffff_ffffn}`;
  if (item.src === uapi.BPF_PSEUDO_MAP_FD) return `r${item.dst} = map[${map}]`;
  if (item.src === uapi.BPF_PSEUDO_MAP_VALUE) return `r${item.dst} = map[${map}].value +${value >> 32n}`;
  return `r${item.dst} = ${hex(value)}`;
}

function hex(value: number | bigint): string {
  return value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}
