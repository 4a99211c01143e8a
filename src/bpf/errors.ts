/** What can go wrong between us and bpf(2), worded for whoever started the program. */
import { hasCapability } from '../sys/capabilities.js';
import { errnoName } from '../sys/errno.js';
import { CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN } from '../sys/uapi/bpf.js';

/** A failed bpf(2) call in Node's own shape: `code`, negative `errno`, `syscall`. */
export class BpfError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall = 'bpf';

  /** `action` is what was tried, its subject quoted; `hint` says what to do about it. */
  constructor(action: string, errno: number, hint?: string) {
    const code = errnoName(errno);
    super(`cannot ${action}: ${code}${hint === undefined ? '' : ` (${hint})`}`);
    this.name = 'BpfError';
    this.code = code;
    this.errno = -Math.abs(errno);
  }
}

/** An object that was found under a name but is not what belongs there. */
export class IncompatibleError extends Error {
  readonly code = 'ERR_PEN_BPF_INCOMPATIBLE';

  constructor(action: string, reason: string) {
    super(`cannot ${action}: ${reason}`);
    this.name = 'IncompatibleError';
  }
}

const CAPABILITY_NAMES = new Map([
  [CAP_NET_ADMIN, 'CAP_NET_ADMIN'],
  [CAP_BPF, 'CAP_BPF'],
]);

/** What each error means wherever it comes from; `hints` of the operation go first. */
const COMMON_HINTS: Readonly<Record<string, string>> = {
  ENOSYS: 'this system has no bpf(2)',
  ENOMEM: 'not enough memory, or below kernel 5.11 RLIMIT_MEMLOCK is too low',
};

/** Throws a BpfError for a negative result; `needed` are the capabilities that the call asks for. */
export function checkBpf(
  result: number,
  action: string,
  needed: readonly number[],
  hints: Readonly<Record<string, string>> = {},
): number {
  if (result >= 0) return result;
  const code = errnoName(result);
  throw new BpfError(action, result, code === 'EPERM' ? permissionHint(needed) : (hints[code] ?? COMMON_HINTS[code]));
}

function permissionHint(needed: readonly number[]): string {
  const missing = hasCapability(CAP_SYS_ADMIN) ? [] : needed.filter((capability) => !hasCapability(capability));
  if (missing.length === 0) return 'root may do that, so a container or a security policy forbids it';
  return `needs ${missing.map((capability) => CAPABILITY_NAMES.get(capability)).join(' and ')}, or root`;
}
