/** errno numbers of this platform, and the error that a failed system call becomes at a layer's edge. */
import { constants } from 'node:os';

export const ERRNO = constants.errno;

const names = new Map<number, string>(Object.entries(constants.errno).map(([name, value]) => [value, name]));
// Two names share a number on Linux; the common one is the one to print.
names.set(ERRNO.EAGAIN, 'EAGAIN');
names.set(ERRNO.EOPNOTSUPP, 'EOPNOTSUPP');

/** 'ECONNREFUSED' for 111 or -111. */
export function errnoName(errno: number): string {
  return names.get(Math.abs(errno)) ?? `errno ${Math.abs(errno)}`;
}

const explanations: Record<string, string> = {
  EACCES: 'permission denied, ports below 1024 need root',
  EADDRINUSE: 'address already in use',
  EADDRNOTAVAIL: 'no such address on this host',
  ECONNREFUSED: 'connection refused',
  EMFILE: 'too many open files, raise the limit with ulimit -n',
  EPERM: 'operation not permitted',
};

/** A failed system call in Node's own shape: `code`, negative `errno`, `syscall`. */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  /** `errno` may have either sign; `subject` is what the call was about, quoted in the message. */
  constructor(syscall: string, errno: number, subject?: string) {
    const code = errnoName(errno);
    const about = subject === undefined ? syscall : `${syscall} '${subject}'`;
    const hint = explanations[code] === undefined ? '' : ` (${explanations[code]})`;
    super(`cannot ${about}: ${code}${hint}`);
    this.name = 'SystemError';
    this.code = code;
    this.errno = -Math.abs(errno);
    this.syscall = syscall;
  }
}
