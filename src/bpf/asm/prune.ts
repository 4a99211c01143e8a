/** Takes out what no way leads to, as the verifier refuses a program that has such instructions. */
import { BPF_EXIT, BPF_JA, BPF_JMP, BPF_JMP32 } from '../../sys/uapi/bpf.js';
import { type Code, isLabel } from './instruction.js';

/** Instructions after which the next one does not follow. */
const ENDS: readonly number[] = [BPF_JMP | BPF_JA, BPF_JMP32 | BPF_JA, BPF_JMP | BPF_EXIT];

/** The program without the instructions that are never reached, and without labels that nothing leads to any more. */
export function prune(code: Code): Code {
  const places = new Map(code.flatMap((item, i) => (isLabel(item) ? [[item.label, i] as const] : [])));
  const reached = new Set<number>();
  const leads = new Set<string>();
  const ways = [0];
  for (let at = ways.pop(); at !== undefined; at = ways.pop()) {
    for (let i = at; i < code.length && !reached.has(i); i++) {
      reached.add(i);
      const item = code[i];
      if (isLabel(item)) continue;
      if (item.target !== undefined) {
        leads.add(item.target);
        // A label that is not there is `assemble`'s to refuse.
        const place = places.get(item.target);
        if (place !== undefined) ways.push(place);
      }
      if (ENDS.includes(item.opcode)) break;
    }
  }
  return code.filter((item, i) => reached.has(i) || (isLabel(item) && leads.has(item.label)));
}
