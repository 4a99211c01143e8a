/**
 * A program that the kernel's verifier refused, with its log made readable: which instruction, under which of our
 * labels, and what the verifier said. A log looks like this (level 1, kernel/bpf/verifier.c):
 *
 *     0: R1=ctx() R10=fp0
 *     0: (61) r2 = *(u32 *)(r1 +0)          ; R1=ctx() R2_w=pkt(r=0)
 *     1: (71) r0 = *(u8 *)(r2 +0)
 *     invalid access to packet, off=0 size=1, R2(id=0,off=0,r=0)
 *     R2 offset is outside of the packet
 *     processed 2 insns (limit 1000000) max_states_per_insn 0 ...
 */
import { type Code, describe, isLabel, slotsOf } from './asm/index.js';
import { BpfError } from './errors.js';

/** Where in our program the verifier stopped. */
export interface FailingInstruction {
  /** As the verifier counts: in slots of eight bytes. */
  readonly slot: number;
  readonly text: string;
  /** The last label at or before it, and how many slots after that it lies. */
  readonly label: string | undefined;
  readonly distance: number;
}

export class VerifierError extends BpfError {
  /** The whole log. */
  readonly log: readonly string[];
  /** What the verifier objected to: its last words. */
  readonly reason: string;
  /** undefined if it refused the program before looking at its instructions. */
  readonly at: FailingInstruction | undefined;

  /** `errno` is that of BPF_PROG_LOAD, `log` what it wrote, `code` the program. */
  constructor(name: string, errno: number, log: string, code: Code) {
    const lines = log.split('\n').filter((line) => line.trim() !== '');
    const { reason, slot } = parseLog(lines);
    const at = slot === undefined ? undefined : locateSlot(code, slot);
    super(`load program '${name}'`, errno, messageOf(reason, at, lines.length));
    this.name = 'VerifierError';
    this.log = lines;
    this.reason = reason;
    this.at = at;
  }
}

const INSTRUCTION = /^(?:; .*)?(\d+): \([0-9a-f]{2}\)/;
/** Lines that say nothing about why. */
const CHATTER =
  /^(processed \d+ insns|verification time|stack depth|max_states|-- BEGIN|-- END|from \d+ to \d+|\d+: R\d)/;

/** The last useful line, and the instruction it is about. */
export function parseLog(lines: readonly string[]): { readonly reason: string; readonly slot: number | undefined } {
  let slot: number | undefined;
  const objections: string[] = [];
  for (const line of lines) {
    const [, number] = INSTRUCTION.exec(line) ?? [];
    if (number !== undefined) {
      slot = Number(number);
      objections.length = 0;
    } else if (!CHATTER.test(line)) objections.push(line.trim());
  }
  // Some objections name another instruction than the last one that was looked at: a jump that leads nowhere.
  const [, named] = /(?:insn|at insn|from insn|unreachable insn) (\d+)/.exec(objections.at(-1) ?? '') ?? [];
  return {
    reason: objections.at(-1) ?? lines.at(-1) ?? 'no reason given',
    slot: slot ?? (named === undefined ? undefined : Number(named)),
  };
}

function locateSlot(code: Code, wanted: number): FailingInstruction | undefined {
  let slot = 0;
  let label: string | undefined;
  let labelSlot = 0;
  for (const item of code) {
    if (isLabel(item)) {
      label = item.label;
      labelSlot = slot;
      continue;
    }
    if (wanted < slot + slotsOf(item)) return { slot, text: describe(item), label, distance: slot - labelSlot };
    slot += slotsOf(item);
  }
  return undefined;
}

function messageOf(reason: string, at: FailingInstruction | undefined, lines: number): string {
  const rest = `${lines} lines of log`;
  if (at === undefined) return `${reason}; ${rest}`;
  const place = at.label === undefined ? '' : `${at.label}${at.distance === 0 ? '' : `+${at.distance}`}, `;
  return `${reason}; at ${place}instruction ${at.slot}: ${at.text}; ${rest}`;
}
